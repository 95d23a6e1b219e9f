"""Print results to stdout: tables for people, JSON and JSON Lines for programs.  All else goes to stderr."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from minutehand.executor.text.display import escaped, json_text
from minutehand.scheduler.cli.terminal import echo, echo_data, echo_text

if TYPE_CHECKING:
    from minutehand.store import Json


def print_json(value: Any) -> None:
    """Print one JSON value."""
    echo_data(json_text(value, indent=2) + "\n")


def print_rows(rows: Sequence[Json], columns: Sequence[str], form: str, *, empty: str) -> None:
    """Print a list as `table`, `json` or `jsonl`; `empty` is printed instead of a table without rows."""
    if form == "json":
        print_json(list(rows))
    elif form == "jsonl":
        for row in rows:
            echo_data(json_text(row) + "\n")
    elif not rows:
        echo(empty)
    else:
        echo_text(table(rows, columns))


def table(rows: Sequence[Json], columns: Sequence[str]) -> str:
    """Return aligned text.  The last column is neither padded nor cut.

    >>> print(table([{"id": 1, "status": None}], ["id", "status"]))
    id  status
    1   -
    """
    lines = [list(columns)] + [[format_value(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=False)), line[-1]]).rstrip()
        for line in lines
    )


#: Line breaks and runs of spaces are one space in a table.
_SPACES = re.compile(r"[ \t\r\n]+")


def format_value(value: Any) -> str:
    """Return a value as one line of text for a terminal.

    >>> format_value("2026-11-23T19:14:09.930994+00:00"), format_value(["a", "b"]), format_value(True)
    ('2026-11-23 19:14:09', 'a, b', 'yes')
    """
    if value is None or value == "" or value == [] or value == {}:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return escaped(", ".join(map(str, value)))
    text = escaped(_SPACES.sub(" ", str(value)).strip(" "))
    if len(text) > 19 and text[4:5] == "-" and text[10:11] == "T":
        return text[:19].replace("T", " ")
    return text


#: Where the database stops counting.
MAX_COUNTED = 10_000


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun; the plural adds an s by default.

    >>> counted(1, "change"), counted(0, "send is", "sends are"), counted(10_000, "change")
    ('1 change', '0 sends are', '10000 or more changes')
    """
    number = f"{count} or more" if count >= MAX_COUNTED else str(count)
    return f"{number} {one if count == 1 else many or one + 's'}"


def replace_file(path: Path, text: str) -> None:
    """Replace a file atomically: readers see the old or the new content.

    Errors: `click.UsageError`; then the old content stays.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise click.UsageError(f"can't write {path}: {error.strerror}") from None
    finally:
        with suppress(OSError):
            new.unlink()
