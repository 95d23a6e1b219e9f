"""Durations: read as people write them (`50s`, `2h`, `3 days`), and written for people.

Options, searches, waits and delays read them here.  The SQL functions read theirs as an `interval` of PostgreSQL.
"""

from __future__ import annotations

import re
from decimal import Decimal

#: Seconds of each unit, the longest first.
SECONDS = {"week": 604_800, "day": 86_400, "hour": 3600, "minute": 60, "second": 1}
_SPELLINGS = {
    "second": ("s", "sec", "secs", "second", "seconds"),
    "minute": ("m", "min", "mins", "minute", "minutes"),
    "hour": ("h", "hr", "hrs", "hour", "hours"),
    "day": ("d", "day", "days"),
    "week": ("w", "wk", "wks", "week", "weeks"),
}
#: The unit that each spelling means.
UNITS = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}
_TEXT = re.compile(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*([A-Za-z]*)\s*", re.ASCII)
_SHORT = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class BadDuration(ValueError):
    """A text that is not a duration."""


def split_duration(text: str) -> tuple[Decimal, str] | None:
    """Return the number and the spelling of its unit, perhaps empty; None if the text is not a number and a word."""
    match = _TEXT.fullmatch(text)
    return None if match is None else (Decimal(match[1]), match[2].lower())


def parse_duration(text: str, *, default_unit: str = "") -> float:
    """Return the seconds of a number and its unit.  Errors: `BadDuration`.

    >>> [parse_duration(text) for text in ("50s", "90 m", "1.5 hours", "3 days", "1w")]
    [50.0, 5400.0, 5400.0, 259200.0, 604800.0]
    >>> parse_duration("50", default_unit="second")
    50.0
    """
    number, spelling = split_duration(text) or (Decimal(0), "")
    unit = UNITS.get(spelling or default_unit)
    if split_duration(text) is None or unit is None:
        raise BadDuration(f'invalid duration "{text[:60]}": write 50s, 5m, 2h or 3 days')
    return float(number * SECONDS[unit])


def format_duration(seconds: float | None) -> str:
    """Write a duration in at most two units; None is empty.

    >>> [format_duration(s) for s in (None, 0.04, 0.5, 3, 75, 3600, 90_000)]
    ['', '40 ms', '0.5 s', '3 s', '1 min 15 s', '1 h', '1 d 1 h']
    """
    if seconds is None:
        return ""
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f}".rstrip("0").rstrip(".") + " s"
    parts, left = [], round(seconds)
    for size, unit in _SHORT:
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts[:2])


def format_short(seconds: float | None) -> str:
    """Write a duration in one unit, and at least as one second; None is empty.

    >>> [format_short(s) for s in (0.2, 3.4, 75, 4000, 90_000)]
    ['1 s', '3 s', '1 min', '1 h', '1 d']
    """
    return "" if seconds is None else " ".join(format_duration(max(round(seconds), 1)).split()[:2])


def format_exact(seconds: int) -> str:
    """Write whole seconds in the largest unit that counts them whole, as `parse_duration` reads it.

    >>> [format_exact(s) for s in (259_200, 5400, 60, 45)]
    ['3 days', '90 minutes', '1 minute', '45 seconds']
    """
    unit = next(unit for unit, size in SECONDS.items() if seconds % size == 0)
    number = seconds // SECONDS[unit]
    return f"{number} {unit}{'' if number == 1 else 's'}"
