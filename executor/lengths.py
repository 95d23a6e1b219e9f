"""Lengths of time by the calendar, and moments moved by them: `1 month`, `1 day 12 hours`.

Days, weeks, months, quarters and years keep the time of day where they are counted, in a zone; hours, minutes and
seconds are exact.  Waits and templates (`plus`, `minus`) read and count them here.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal

from minutehand.executor.durations import SECONDS, UNITS

_SPELLINGS = {
    "month": ("mo", "mos", "month", "months"),
    "quarter": ("qtr", "qtrs", "quarter", "quarters"),
    "year": ("y", "yr", "yrs", "year", "years"),
}
#: The unit of the calendar that each spelling means.
CALENDAR_UNITS = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}
#: The months of each unit of the calendar.
MONTHS = {"month": 1, "quarter": 3, "year": 12}
#: Units that keep the time of day, in days.
_DAYS = {"day": 1, "week": 7}
#: All units, for messages.
UNIT_NAMES = "seconds, minutes, hours, days, weeks, months, quarters or years"

_PART = r"(\d{1,9}(?:\.\d{1,6})?)\s*([A-Za-z]{1,10})"
_LENGTH = re.compile(rf"\s*{_PART}(?:[\s,]*(?:and\s+)?{_PART})?(?:[\s,]*(?:and\s+)?{_PART})?\s*", re.ASCII)
#: A length is measured from here: a year of 365 days.
_MEASURED_FROM = datetime(2025, 1, 1, tzinfo=UTC)


class BadLength(ValueError):
    """A text that is not a length of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """A length of time.  None of its parts is negative."""

    months: int = 0
    days: int = 0
    #: Exact: hours, minutes, seconds, and the fraction of a day.
    seconds: Decimal = Decimal(0)

    @property
    def is_fixed(self) -> bool:
        """Whether it is the same in every zone and from every day on."""
        return not self.months and not self.days

    @property
    def days_about(self) -> float:
        """Its days, measured from 1 January 2025; endless past the year 9999."""
        try:
            moved = on_calendar(_MEASURED_FROM, self.months, self.days)
        except (OverflowError, ValueError):
            return float("inf")
        return (moved - _MEASURED_FROM).days + float(self.seconds) / 86_400


def read_length(text: str) -> Length:
    """Read up to three numbers with their units.  Errors: `BadLength`.

    >>> read_length("1 year 6 months"), read_length("1.5 days")
    (Length(months=18, days=0, seconds=Decimal('0')), Length(months=0, days=1, seconds=Decimal('43200.0')))
    """
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise BadLength(f'invalid duration "{text[:60]}": write 50s, 5m, 2h or 3 days')
    months, days, seconds = 0, 0, Decimal(0)
    for written, word in zip(match.groups()[::2], match.groups()[1::2], strict=True):
        if written is None:
            continue
        number, spelling = Decimal(written), word.lower()
        if (unit := CALENDAR_UNITS.get(spelling)) is not None:
            whole = number * MONTHS[unit]
            if whole != whole.to_integral_value():
                raise BadLength(f'invalid duration "{text[:60]}": {written} {unit}s are not a whole number of months')
            months += int(whole)
        elif (unit := UNITS.get(spelling)) in _DAYS:
            number *= _DAYS[unit]
            days += int(number)
            seconds += (number - int(number)) * SECONDS["day"]
        elif unit is not None:
            seconds += number * SECONDS[unit]
        else:
            raise BadLength(f'invalid duration "{text[:60]}": write 50s, 5m, 2h or 3 days')
    return Length(months=months, days=days, seconds=seconds)


def on_calendar(moment: datetime, months: int, days: int) -> datetime:
    """Add months, then days, and keep the time of day: 31 January and a month are 28 or 29 February.

    The local time of a zone may not exist there, or twice.  Errors: `OverflowError`, `ValueError` outside the years 1
    to 9999.
    """
    count = moment.year * 12 + moment.month - 1 + months
    year, month = count // 12, count % 12 + 1
    if not 1 <= year <= date.max.year:
        raise OverflowError
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day) + timedelta(days=days)


def moved(moment: datetime, length: Length, zone: tzinfo, sign: int = 1) -> datetime:
    """Move an instant by a length, whose days and months are counted in the zone; returns it in UTC.

    Errors: as `on_calendar`.
    """
    exact = timedelta(seconds=sign * float(length.seconds))
    if length.is_fixed:
        return moment.astimezone(UTC) + exact
    local = moment.astimezone(zone).replace(tzinfo=None)
    return instant_of(on_calendar(local, sign * length.months, sign * length.days), zone) + exact


def instant_of(local: datetime, zone: tzinfo) -> datetime:
    """Return the instant of a local time, in UTC.

    A local time that comes twice, when clocks go back, is the first of them; one that does not exist, when they go
    forward, is the first that does: 02:30 is 03:00 then.
    """
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= second:
        return first
    # It does not exist: the clocks go forward somewhere between `second` and `first`, where the offset changes.
    before, after = second, first
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(microseconds=1):
        middle = before + (after - before) / 2
        before, after = (middle, after) if middle.astimezone(zone).utcoffset() == offset else (before, middle)
    return after
