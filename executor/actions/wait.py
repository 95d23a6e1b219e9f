"""`wait`: continue after a duration (`for`) or at a time (`until`).  It spends no attempt and no concurrency."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from minutehand.executor.actions.contract import BadStep, StepRun
from minutehand.executor.durations import BadDuration, parse_duration
from minutehand.executor.outcome import StepResult

#: The longest wait.
MAX_WAIT = timedelta(days=366)


class WaitAction:
    """Return when the execution continues."""

    keys = ("for", "until")

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a config without exactly one of `for` and `until`, or with one that cannot be read."""
        given = [name for name in ("for", "until") if config.get(name) is not None]
        if len(given) != 1:
            raise BadStep('give either `for`, such as "2 days", or `until`, a date and time')
        (name,) = given
        value = config[name]
        if not isinstance(value, str):
            raise BadStep(f"`{name}` must be text")
        if "{" not in value:
            (duration if name == "for" else instant)(value)

    async def run(self, run: StepRun) -> StepResult:
        """Say how long to wait from the database's time on; a time that has passed is not a wait."""
        config = run.step.config
        self.check(config)
        now = run.now
        if config.get("for") is not None:
            until = now + duration(run.render(config["for"]))
        else:
            until = instant(run.render(config["until"]))
            if until - now > MAX_WAIT:
                raise BadStep(f"`until` is {until:%Y-%m-%d}: a wait may last at most {MAX_WAIT.days} days")
        seconds = (until - now).total_seconds()
        result = StepResult.done(until=until.isoformat(timespec="seconds"))
        return replace(result, wait_seconds=seconds) if seconds > 0 else result


def duration(text: str) -> timedelta:
    """Read a number and its unit, up to the longest wait.  Errors: `BadStep`."""
    try:
        seconds = parse_duration(text)
    except BadDuration as error:
        raise BadStep(f"`for`: {error}") from None
    if seconds > MAX_WAIT.total_seconds():
        raise BadStep(f"`for`: a wait may last at most {MAX_WAIT.days} days")
    return timedelta(seconds=seconds)


def instant(text: str) -> datetime:
    """Read a date and time in ISO 8601; without a zone it is UTC.  Errors: `BadStep`.

    >>> instant("2026-03-29T10:30:00+02:00").isoformat(), instant("2026-03-29").isoformat()
    ('2026-03-29T08:30:00+00:00', '2026-03-29T00:00:00+00:00')
    """
    try:
        read = datetime.fromisoformat(text.strip())
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadStep("`until` must be a date and time, such as 2026-03-29T10:30:00Z") from None
