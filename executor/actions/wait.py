"""`wait`: continue after a length of time (`for`) or at a moment (`until`).  It spends no attempt and no concurrency.

A moment that a row says (`{{ job.schedule_start }} - 2 hours`) is read again when the wait ends: where it is later by
then, the wait goes on.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from minutehand.executor.actions.contract import BadStep, StepRun
from minutehand.executor.lengths import BadLength, Length, moved, read_length
from minutehand.executor.outcome import Again, StepResult
from minutehand.executor.until import BadMoment, check_until, follows_the_row, read_until

#: The longest wait.
MAX_WAIT = timedelta(days=366)
#: The shortest `drop_after`: a tick of cron comes once a minute.
MIN_DROP_AFTER = timedelta(minutes=1)


class WaitAction:
    """Return when the execution continues."""

    keys = ("for", "until", "drop_after")

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a config without exactly one of `for` and `until`, or with one that cannot be read."""
        given = [name for name in ("for", "until") if config.get(name) is not None]
        if len(given) != 1:
            raise BadStep('give either `for`, such as "2 days", or `until`, a date and time')
        (name,) = given
        for key in (name, "drop_after"):
            if not isinstance(config.get(key), str | None):
                raise BadStep(f"`{key}` must be text")
        if name == "until":
            _moment(check_until, config["until"])
        elif "{" not in config["for"]:
            duration(config["for"])
        if config.get("drop_after") is not None:
            _drop_after(config["drop_after"])

    async def run(self, run: StepRun) -> StepResult:
        """Say how long to wait from the database's time on; a time that has passed is not a wait."""
        config, now, zone = run.step.config, run.now, zone_of(run.zone)
        self.check(config)
        drop_after = None if config.get("drop_after") is None else _drop_after(config["drop_after"])
        again = None if drop_after is None else Again.CLOCK
        earlier = moment_of(run.waiting)
        if earlier is not None and not follows_the_row(config.get("until") or ""):
            until = earlier
        elif config.get("until") is not None:
            until = _moment(lambda text: read_until(text).instant(zone), run.render(config["until"]))
            if until - now > MAX_WAIT:
                raise BadStep(f"`until` is {until:%Y-%m-%d}: a wait may last at most {MAX_WAIT.days} days")
            again = Again.ROW if follows_the_row(config["until"]) else again
        else:
            until = moved(now, duration(run.render(config["for"])), zone)
        result = StepResult.done(until=until.isoformat(timespec="seconds"))
        if drop_after is not None:
            drop_at = moved(until, drop_after, zone)
            if now > drop_at:
                at, end = (moment.strftime("%Y-%m-%d %H:%M") for moment in (until, drop_at))
                code = "too_late"
                reason = f"its moment was {at} UTC, and it was to be dropped after {end} UTC"
                return replace(StepResult.skipped(code, reason), result=result.result, ends=True)
        seconds = (until - now).total_seconds()
        return replace(result, wait_seconds=seconds, again=again) if seconds > 0 else result


def duration(text: str) -> Length:
    """Read a length of time, up to the longest wait.  Errors: `BadStep`."""
    length = _length("for", text)
    if length.days_about > MAX_WAIT.days:
        raise BadStep(f"`for`: a wait may last at most {MAX_WAIT.days} days")
    return length


def _drop_after(text: str) -> Length:
    length = _length("drop_after", text)
    if not MIN_DROP_AFTER.total_seconds() / 86_400 <= length.days_about <= MAX_WAIT.days:
        raise BadStep(f"`drop_after` must be from 1 minute to {MAX_WAIT.days} days")
    return length


def _length(name: str, text: str) -> Length:
    try:
        return read_length(text)
    except BadLength as error:
        raise BadStep(f"`{name}`: {error}") from None


def _moment(read: Any, text: str) -> Any:
    try:
        return read(text)
    except BadMoment as error:
        raise BadStep(f"`until` {error}") from None


def zone_of(name: str) -> tzinfo:
    """Return a zone by its IANA name.  Errors: `BadStep`: this machine's list of zones may be another."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # most waits need none

    try:
        return ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        raise BadStep(f"the zone {name[:60]!r} is not known to this machine: install tzdata") from None


def moment_of(waiting: dict[str, Any] | None) -> datetime | None:
    """Return until when a wait that is not over lasts, as its result says; None: it has not begun."""
    try:
        return None if waiting is None else datetime.fromisoformat(str(waiting.get("until")))
    except ValueError:
        return None
