"""Arithmetic with dates and times in templates: `{{ now|plus('2 days') }}`, `{{ job.due|minus('1 month') }}`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from minutehand.executor.lengths import BadLength, Length, on_calendar, read_length
from minutehand.executor.templates.filters import Unfit, parse_moment, text, zone

_HOW = "is given a length that is not understood: write 2 days, 3 hours, 1 month or 1 year 6 months"


def plus(value: Any, length: str, tz: str | None = None) -> str:
    """Return a date or timestamp moved on by a length of time, as ISO 8601, in the form that it has.

    Months and years go by the calendar: 31 January and a month are 28 or 29 February.  With `tz` the result is in that
    zone, and days, months and years keep the time of day there; one that the zone skips is as much later.
    Errors: `Unfit`.

    >>> plus("2026-01-31", "1 month"), plus("2026-03-28T09:30:00+01:00", "1 day", tz="Europe/Berlin")
    ('2026-02-28', '2026-03-29T09:30:00+02:00')
    """
    return _moved(value, length, tz, 1)


def minus(value: Any, length: str, tz: str | None = None) -> str:
    """Return a date or timestamp moved back; see `plus`.

    >>> minus("2024-03-31T10:00:00Z", "1 month 1 hour")
    '2024-02-29T09:00:00+00:00'
    """
    return _moved(value, length, tz, -1)


def _moved(value: Any, length: str, tz: str | None, sign: int) -> str:
    moment, parts = parse_moment(value)
    has_day, has_time = "d" in parts, "H" in parts
    read = _length_of(text(length))
    if not has_day:
        raise Unfit("is a time without a day: nothing can be added to it")
    if read.seconds and not has_time:
        raise Unfit("is a date without a time: only days, weeks, months and years can be added")
    if tz is not None and has_time:
        if moment.tzinfo is None:
            raise Unfit("has no time zone, so it cannot be converted")
        moment = moment.astimezone(zone(tz))
    try:
        moved = _exact(on_calendar(moment, sign * read.months, sign * read.days), timedelta(0))
        moved = moved if not read.seconds else _exact(moved, timedelta(seconds=sign * int(read.seconds)))
    except (OverflowError, ValueError):
        raise Unfit("would be outside the years 1 to 9999") from None
    return moved.isoformat() if has_time else moved.date().isoformat()


def _length_of(length: str) -> Length:
    """Read a length, of whole numbers.  Errors: `Unfit`."""
    try:
        read = read_length(length)
    except BadLength:
        raise Unfit(_HOW) from None
    if "." in length:
        raise Unfit(_HOW)
    return read


def _exact(moment: datetime, length: timedelta) -> datetime:
    """Add a length that passes on a clock, whatever the zone does meanwhile."""
    own: tzinfo | None = moment.tzinfo
    return moment + length if own is None else (moment.astimezone(UTC) + length).astimezone(own)


def is_moment(value: Any) -> bool:
    """Whether a value is a date, a time or a timestamp in ISO 8601.

    >>> is_moment("2026-03-29"), is_moment("2 days"), is_moment(7)
    (True, False, False)
    """
    try:
        parse_moment(value)
    except Unfit:
        return False
    return True


#: Name -> function, as `filters.FILTERS`.
MOMENT_FILTERS: dict[str, Callable[..., Any]] = {"plus": plus, "minus": minus}
