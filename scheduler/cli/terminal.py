"""Print text to a terminal: the only place that does.  What comes from rows cannot act on the terminal there."""

from __future__ import annotations

import sys
from collections.abc import Iterable, MutableMapping
from typing import Any

import click

from minutehand.executor.text.display import escaped


def echo(line: object = "", *, err: bool = False) -> None:
    """Print one line; control characters in it, line breaks too, are shown as escapes."""
    click.echo(escaped(str(line)), err=err)  # noqa: TID251


def echo_text(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text of several lines: of a program's own, or from `joined`."""
    click.echo(escaped(text, keep="\n"), err=err, nl=nl)  # noqa: TID251


def echo_data(text: str) -> None:
    """Print a text that a program reads, or that is run again: as it is, unless a person looks at it."""
    # Bytes: a file has UTF-8, whatever encoding the terminal has.
    data = escaped(text, keep="\n\t") if sys.stdout.isatty() else text.encode()
    click.echo(data, nl=False)  # noqa: TID251


def asks() -> bool:
    """Return whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str) -> bool:
    """Ask a person, on stderr; the default is no."""
    return click.confirm(escaped(question, keep="\n"), err=True)


def joined(lines: Iterable[str]) -> str:
    r"""Return lines as a text; none can hold another one.

    >>> joined(["a\nb", "c"])
    'a\\nb\nc'
    """
    return "\n".join(map(escaped, lines))


def escape_event(event: MutableMapping[str, Any]) -> dict[str, Any]:
    r"""Return an event of the log for a console.  A traceback keeps its line breaks.

    >>> escape_event({"event": "failed", "reason": "\x1b[2J\n", "attempt": 1})
    {'event': 'failed', 'reason': '\\x1b[2J\\n', 'attempt': 1}
    """
    keep = {"exception": "\n", "stack": "\n"}
    return {
        escaped(str(name)): escaped(value, keep=keep.get(name, "")) if isinstance(value, str) else value
        for name, value in event.items()
    }
