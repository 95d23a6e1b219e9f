"""The moment that a wait ends at: `2026-03-29T10:30:00Z`, `{{ job.schedule_start }} - 1 day at 09:00`.

A date alone, and a time without a zone, are local times of the zone that the caller names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo

from minutehand.executor.lengths import BadLength, Length, instant_of, moved, read_length

#: The longest distance from a date, and the last year that a fixed date may have.
MAX_OFFSET_DAYS = 3660
MAX_YEAR = 2199

_UNTIL = re.compile(
    r"\s*(?P<moment>\S+(?:\s+\d{1,2}:\d\d\S*)?)"
    r"(?:\s+(?P<sign>[-+\u2212\u2013])\s*(?P<length>[^-+]*?))?"
    r"(?:\s+at\s+(?P<hour>\d{1,2}):(?P<minute>\d\d))?\s*",
    re.ASCII | re.IGNORECASE,
)
#: One variable, and what follows it.
_TEMPLATE = re.compile(r"\s*\{\{[^{}]*\}\}(?P<rest>[^{}]*)")
_HOW = "a date and time, such as 2026-03-29T10:30:00Z or {{ job.schedule_start }} - 2 hours"


class BadMoment(ValueError):
    """A text that says no moment."""


@dataclass(frozen=True, slots=True)
class Until:
    """A moment, and how far before or after it; both as they were written."""

    moment: datetime
    sign: int
    length: Length
    #: The time of day there, in the zone; None: as it comes.
    at: time | None

    def instant(self, zone: tzinfo) -> datetime:
        """Return the instant in UTC; without a zone of its own the moment is local.  Errors: `BadMoment`."""
        try:
            began = instant_of(self.moment, zone) if self.moment.tzinfo is None else self.moment
            found = moved(began, self.length, zone, self.sign)
            if self.at is None:
                return found
            return instant_of(datetime.combine(found.astimezone(zone).date(), self.at), zone)
        except (OverflowError, ValueError):
            raise BadMoment(f"is not {_HOW}") from None


def read_until(text: str) -> Until:
    """Read a moment.  Errors: `BadMoment`, whose message completes "`until` …".

    >>> read_until("2026-03-29").instant(UTC).isoformat()
    '2026-03-29T00:00:00+00:00'
    >>> read_until("2026-03-29T10:30:00+02:00 - 1 day at 09:00").instant(UTC).isoformat()
    '2026-03-28T09:00:00+00:00'
    """
    if not text.strip():
        raise BadMoment("is empty: there is no date to wait for")
    match = _UNTIL.fullmatch(text[:200])
    if match is None:
        raise BadMoment(f"is not {_HOW}")
    try:
        moment = datetime.fromisoformat(match["moment"] if "T" in match["moment"] else _one_space(match["moment"]))
        at = None if match["hour"] is None else time(int(match["hour"]), int(match["minute"]))
    except ValueError:
        raise BadMoment(f"is not {_HOW}") from None
    try:
        length = Length() if match["length"] is None else read_length(match["length"])
    except BadLength as error:
        raise BadMoment(f"is not understood: {error}") from None
    if length.days_about > MAX_OFFSET_DAYS:
        raise BadMoment("is more than 10 years from its date")
    return Until(moment, 1 if match["sign"] == "+" else -1, length, at)


def _one_space(text: str) -> str:
    """Write `2026-03-29  9:30` as ISO 8601 does."""
    day, _, clock = text.partition(" ")
    clock = clock.strip()
    return day if not clock else f"{day} {clock if clock[2:3] == ':' else '0' + clock}"


def check_until(template: str) -> None:
    """Refuse a text that says no moment, whatever its variable is.  Errors: `BadMoment`."""
    if "{" not in template:
        until = read_until(template)
        until.instant(UTC)
        if until.moment.year > MAX_YEAR:
            raise BadMoment(f"is in the year {until.moment.year}")
        return
    match = _TEMPLATE.fullmatch(template)
    if match is None or not match["rest"].strip():
        return
    for moment in ("2026-03-29T10:30:00+00:00", "2026-03-29"):
        try:
            read_until(moment + match["rest"])
            return
        except BadMoment as error:
            problem = error
    raise problem


def follows_the_row(template: str) -> bool:
    """Whether the moment depends on what may change while it waits: on a row, and not on `now`.

    >>> [follows_the_row(text) for text in ("{{ job.due }} - 1 day", "{{ now|plus('1 day') }}", "2026-03-29")]
    [True, False, False]
    """
    return "{" in template and re.search(r"(?<![\w.])now(?!\w)", template) is None
