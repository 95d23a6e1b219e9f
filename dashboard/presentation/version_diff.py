"""What changed from one version of a workflow to the next, within a bounded time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from minutehand.executor.text.display import json_text
from minutehand.store import Json
from minutehand.store.json import shown_text

#: Characters and lines of a version that is compared.
MAX_CHARS, MAX_LINES = 250_000, 5_000
#: For all versions of a page together.
MAX_SECONDS = 1.0
#: Lines of a difference that are shown.
MAX_SHOWN = 400


class TooLargeToCompare(Exception):
    """Two versions are too large, or too different, to be compared in time."""


class _Matcher(SequenceMatcher[str]):
    """Compares until a time.  Its steps are short, so it looks at the clock before each."""

    def __init__(self, before: list[str], after: list[str], deadline: float) -> None:
        super().__init__(None, before, after)
        self._deadline = deadline

    def find_longest_match(self, *args: Any, **more: Any) -> Any:
        """See `SequenceMatcher`.  Errors: `TooLargeToCompare`."""
        if time.monotonic() > self._deadline:
            raise TooLargeToCompare
        return super().find_longest_match(*args, **more)


def with_changes(versions: list[Json], *, seconds: float = MAX_SECONDS) -> list[Json]:
    """Add to each version the lines that it changed of the one before it, or `too_large` where that takes too long."""
    deadline = time.monotonic() + seconds
    rows = []
    for version, older in zip(versions, [*versions[1:], None], strict=True):
        changes: list[Json] = []
        too_large = False
        if older is not None:
            try:
                changes = diff(older["definition"], version["definition"], deadline)
            except TooLargeToCompare:
                too_large = True
        rows.append({**version, "changes": changes, "too_large": too_large})
    return rows


def diff(before: Any, after: Any, deadline: float) -> list[Json]:
    """Return the changed lines with two around them, as `{"kind", "text"}`.  Errors: `TooLargeToCompare`."""
    one, other = _lines(before, deadline), _lines(after, deadline)
    matcher = _Matcher(one, other, deadline)
    shown = [line for group in matcher.get_grouped_opcodes(2) for line in _group(group, one, other)]
    return shown[1 : MAX_SHOWN + 1]  # the first says only that a place begins


def _group(codes: Any, one: list[str], other: list[str]) -> Iterator[Json]:
    yield {"kind": "place", "text": "…"}
    for tag, begin, end, other_begin, other_end in codes:
        if tag in ("replace", "delete"):
            yield from ({"kind": "removed", "text": f"-{line}"} for line in one[begin:end])
        if tag in ("replace", "insert"):
            yield from ({"kind": "added", "text": f"+{line}"} for line in other[other_begin:other_end])
        if tag == "equal":
            yield from ({"kind": "same", "text": f" {line}"} for line in one[begin:end])


def _lines(definition: Any, deadline: float) -> list[str]:
    if time.monotonic() > deadline or len(shown_text(definition)) > MAX_CHARS:
        raise TooLargeToCompare
    lines = json_text(definition, indent=2, sort_keys=True).split("\n")
    if len(lines) > MAX_LINES:
        raise TooLargeToCompare
    return lines
