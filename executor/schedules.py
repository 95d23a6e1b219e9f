"""The instants of a schedule: when a form of `minutehand.schedule_form` fires.

Computed from a `now` that the database gave (`Tick.now`).  Cron expressions are read as Debian's cron reads them, by
cronsim, also where the clocks change: a time that does not exist (02:30) fires when the clocks have moved on, one that
comes twice (01:30) fires the first time; with `*` in the minutes or the hours it fires by elapsed time.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from minutehand.store import Json

#: Passed instants that one look brings to the database, the newest ones.
MOST_INSTANTS = 100
#: Passed instants that are computed before the older part is left out.
_MOST_COMPUTED = 2000
#: The farthest next instant.
_HORIZON = timedelta(days=366 * 50)
#: Where every second week, month or year is counted from: a Monday.
_ANCHOR = date(1970, 1, 5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def schedule_problem(form: Json, zone: str, now: datetime) -> str | None:
    """Return why a schedule never fires, or cannot be read; None where it fires.

    >>> schedule_problem({"crons": ["0 9 * * 1"]}, "Mars/Olympus", datetime(2027, 1, 1, tzinfo=UTC))
    "timezone: there is no zone 'Mars/Olympus'; write a name such as Europe/Berlin"
    """
    if _zone(zone) is None:
        return f"timezone: there is no zone {zone!r}; write a name such as Europe/Berlin"
    from cronsim import CronSim, CronSimError

    for cron in form.get("crons") or ():
        try:
            CronSim(cron, now)
        except (CronSimError, AssertionError, ValueError) as error:
            reason = str(error) or "it cannot be read"
            if str(error) == "Bad day-of-month":
                reason = "Bad day-of-month, or a day that none of its months has, so that it never fires"
            return f"cron is {cron!r}: {reason}"
    if next_instant(form, zone, now) is None:
        return "it never fires: no day meets it within 50 years"
    return None


def next_instant(form: Json, zone: str, after: datetime) -> datetime | None:
    """Return the first instant after this one, in UTC; None where none comes within 50 years."""
    return next(_instants(form, zone, after), None)


def passed_instants(form: Json, zone: str, since: datetime, until: datetime) -> list[datetime]:
    """Return the instants after `since` and up to `until`, in UTC, oldest first; the newest `MOST_INSTANTS`."""
    while since < until:
        newest: deque[datetime] = deque(maxlen=MOST_INSTANTS)
        for count, instant in enumerate(_instants(form, zone, since)):
            if instant > until:
                return list(newest)
            if count == _MOST_COMPUTED:
                break
            newest.append(instant)
        else:
            return list(newest)
        since += (until - since) * 0.9
    return []


def look_at(schedule: Json, now: datetime) -> Json:
    """Return what `automation_fire` decides: the instants of a schedule that a tick named."""
    form, zone = schedule["form"], schedule["zone"]
    problem = schedule_problem(form, zone, now)
    upcoming = None if problem else next_instant(form, zone, now)
    since = datetime.fromisoformat(schedule["from"])
    return {
        "id": schedule["id"],
        "version": schedule["version"],
        "form": form,
        "until": now.isoformat(),
        "instants": [] if problem else [one.isoformat() for one in passed_instants(form, zone, since, now)],
        "next_at": None if upcoming is None else upcoming.isoformat(),
        "problem": problem,
    }


def upcoming_instants(form: Json, zone: str, start: datetime, end: datetime, limit: int) -> list[datetime]:
    """Return the instants after `start` and before `end`, in UTC; at most `limit`."""
    return [one for one in islice(_instants(form, zone, start), limit) if one < end]


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return None


def _instants(form: Json, zone: str, after: datetime) -> Iterator[datetime]:
    """Yield all instants after this one, in UTC, for 50 years."""
    seconds = form.get("seconds")
    if seconds:
        yield from _regular(int(seconds), after)
        return
    place = ZoneInfo(zone)
    last = after
    for instant in heapq.merge(*(_of_cron(cron, place, after) for cron in form["crons"])):
        if instant > last and _is_counted(form, instant.astimezone(place).date()):
            last = instant
            yield instant


def _regular(seconds: int, after: datetime) -> Iterator[datetime]:
    step = timedelta(seconds=seconds)
    instant = _EPOCH + ((after - _EPOCH) // step + 1) * step
    while True:
        yield instant
        instant += step


def _of_cron(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    from cronsim import CronSim

    found: Iterable[datetime] = CronSim(cron, after.astimezone(zone))
    for local in found:
        instant = local.astimezone(UTC)
        if instant > after + _HORIZON:
            return
        yield instant


def _is_counted(form: Json, day: date) -> bool:
    """Whether this day is one of the n-th days, weeks, months or years that the form names."""
    starting = date.fromisoformat(form["starting"]) if form.get("starting") else None
    if starting is not None and day < starting:
        return False
    step = form.get("step")
    if not step:
        return True
    anchor = starting or _ANCHOR
    passed: int
    if step["unit"] == "day":
        passed = (day - anchor).days
    elif step["unit"] == "week":
        passed = (day - (anchor - timedelta(days=anchor.weekday()))).days // 7
    elif step["unit"] == "month":
        passed = (day.year - anchor.year) * 12 + day.month - anchor.month
    else:
        passed = day.year - anchor.year
    return bool(passed % step["n"] == 0)
