"""Delays, in every form that apps write, as the config of a `wait`: `{"for": "3 days"}`.

A number without a unit is refused unless it is zero: an app once read it as seconds, and sent "3 days" at once.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, NamedTuple

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects.limits import is_empty, quote
from minutehand.executor.durations import SECONDS, UNITS, format_exact, split_duration
from minutehand.executor.lengths import CALENDAR_UNITS, MONTHS, UNIT_NAMES

#: Of any unit; the action `wait` has a lower limit.
_MAX_VALUE = 10_000_000
_NO_DELAY = frozenset({"", "none", "immediate", "immediately", "instant"})

_VALUE = ("delayValue", "delay_value")
_UNIT = ("delayUnit", "delay_unit", "delayType", "delay_type")
_RELATIVE_TO = ("relative_to", "relativeTo")
#: `relative_hours: -2`, `offsetDays: 3`.
_OFFSETS = {
    key: unit
    for unit in (*SECONDS, *MONTHS)
    for word in ("relative", "offset")
    for key in (f"{word}_{unit}s", f"{word}{unit.capitalize()}s")
}
_RELATIVE = (*_RELATIVE_TO, *_OFFSETS)
#: What apps call a date -> the column that has it.
_DATES = {
    **dict.fromkeys(
        ("appointment", "appointment_time", "visit", "job", "job_start", "schedule_start", "scheduled_start"),
        "job.schedule_start",
    ),
    **dict.fromkeys(("schedule_end", "job_end"), "job.schedule_end"),
    **dict.fromkeys(("due", "due_date", "invoice_due", "invoice_due_date"), "invoice.due_date"),
}
_BEFORE_AFTER = re.compile(r"(?P<length>\d.*?)[\s_-]*(?P<word>before|after)[\s_-]+(?P<date>[A-Za-z][\w.]*)", re.I)
_UNTIL = ("delay_until", "delayUntil")
#: `delay_hours: 72`; in a step that only waits also `hours: 72`.
_UNIT_KEYS = {key: unit for unit in (*SECONDS, *MONTHS) for key in (f"delay_{unit}s", f"delay{unit.capitalize()}s")}
_UNIT_KEYS_OF_WAIT = {f"{unit}s": unit for unit in (*SECONDS, *MONTHS)}
#: Keys of a step that only waits.
KEYS_OF_WAIT = frozenset({"duration", "unit", *_UNIT_KEYS_OF_WAIT})
#: All keys of a delay before an action.
KEYS = frozenset({"delay", *_VALUE, *_UNIT, *_UNTIL, *_RELATIVE, *_UNIT_KEYS})


class _Delay(NamedTuple):
    """A delay: so many months, or so many seconds."""

    months: int = 0
    seconds: Decimal = Decimal(0)

    def __str__(self) -> str:
        if not self.months:
            return format_exact(int(self.seconds))
        number, unit = (self.months // 12, "year") if self.months % 12 == 0 else (self.months, "month")
        return f"{number} {unit}{'' if number == 1 else 's'}"


def delay_of(raw: dict[str, Any], config: dict[str, Any], default_unit: str | None = None) -> dict[str, str] | None:
    """Return the delay before an action, as the config of a `wait`; None: no delay.

    It may be in the step or in its config.  `default_unit`: of a number without a unit in the config's `delay`.
    Errors: `BadStep`.
    """
    until = _relative(raw, config)
    for holder in (raw, config):
        if (key := _first_key(holder, _UNTIL)) is not None and holder[key] != "relative":
            raise BadStep(f"`{key}` is not supported on an action: put a wait step before it")
    delays = [*_delays_of_action(raw, None), *_delays_of_action(config, default_unit)]
    return _config(until, _single(delays), has_length=bool(delays))


def wait_config(raw: dict[str, Any], config: dict[str, Any]) -> dict[str, str] | None:
    """Return the config of a `wait` step, from an app's own keys; None: its length is zero.

    Errors: `BadStep`.
    """
    holders = (raw, config)
    until = _relative(raw, config)
    delays = [one for holder in holders for one in (*_delays_of_action(holder, None), *_delays_of_wait(holder))]
    instants = [holder[key] for holder in holders for key in _UNTIL if not is_empty(holder.get(key))]
    instants = [instant for instant in instants if instant != "relative"]
    if instants and (delays or until):
        raise BadStep("it gives two different lengths of time to wait")
    if instants:
        (instant, *more) = instants
        if not more and isinstance(instant, str) and re.match(r"\d{4}-\d\d-\d\d|\{", instant):
            return {"until": instant}
        raise BadStep(f"`delay_until` must be an ISO date or time, got {quote(instant)}")
    if not delays and until is None:
        raise BadStep("it does not say how long to wait")
    return _config(until, _single(delays), has_length=bool(delays))


def _config(until: str | None, length: str | None, *, has_length: bool) -> dict[str, str] | None:
    if until is not None and has_length:
        raise BadStep("it gives two different lengths of time to wait")
    if until is not None:
        return {"until": until}
    return None if length is None else {"for": length}


def _first_key(holder: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if not is_empty(holder.get(key))), None)


def _relative(raw: dict[str, Any], config: dict[str, Any]) -> str | None:
    """Return the moment of a delay that is relative to a date, as `{{ job.schedule_start }} - 2 hours`; else None."""
    holders = (raw, config)
    written = [holder["delay"] for holder in holders if isinstance(holder.get("delay"), str)]
    written += [holder["duration"] for holder in holders if isinstance(holder.get("duration"), str)]
    found = [moment for text in written if (moment := _before_or_after(text)) is not None]
    given = {key: holder[key] for holder in holders for key in _RELATIVE if not is_empty(holder.get(key))}
    says = any(holder.get(key) == "relative" for holder in holders for key in _UNTIL)
    if given or says:
        name = _first_key(given, _RELATIVE_TO)
        if name is None:
            key = next(iter(given), "delay_until")
            raise BadStep(f"`{key}` does not say relative to which date: add `relative_to`, such as job.schedule_start")
        offsets = [_offset(given[key], unit) for key, unit in _OFFSETS.items() if key in given]
        if len(set(offsets)) > 1:
            raise BadStep("it gives two different lengths of time to wait")
        found.append(_moment(given[name], offsets[0] if offsets else ""))
    if len(set(found)) > 1:
        raise BadStep("it gives two different lengths of time to wait")
    return found[0] if found else None


def _before_or_after(text: str) -> str | None:
    """Read `24h_before_appointment`, `2 days after due_date`; None: it is another kind of text."""
    match = _BEFORE_AFTER.fullmatch(text.strip())
    if match is None:
        return None
    delay = _parse(match["length"].replace("_", " "), None)
    return _moment(match["date"], _signed("-" if match["word"].lower() == "before" else "+", delay))


def _offset(value: Any, unit: str) -> str:
    number = value
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d{1,9}(\.\d{1,6})?\s*", value, re.ASCII):
        number = Decimal(value.strip())
    if not isinstance(number, int | float | Decimal) or isinstance(number, bool):
        raise BadStep(f"cannot read {quote(value)} as a number of {unit}s")
    return _signed("-" if number < 0 else "+", _parse(abs(number), unit))


def _signed(sign: str, delay: _Delay) -> str:
    return f" {sign} {delay}" if delay != _Delay() else ""


def _moment(name: Any, offset: str) -> str:
    """Write a moment as `until` reads it; `name` is that of a date, a column or a variable."""
    text = name.strip() if isinstance(name, str) else ""
    text = re.sub(r"^\{\{\s*(.*?)\s*\}\}$", r"\1", text)
    column = _DATES.get(re.sub(r"[\s-]+", "_", text.lower()), text)
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", column, re.ASCII):
        raise BadStep(
            f"it is relative to {quote(name)}, which is no known date: write the column, as job.schedule_start"
        )
    return f"{{{{ {column} }}}}{offset}"


def _delays_of_action(holder: dict[str, Any], default_unit: str | None) -> list[_Delay]:
    """Return the delays of an action that one object has."""
    delays: list[_Delay] = []
    delay = holder.get("delay")
    if isinstance(delay, dict):
        delays.append(
            _parse(
                _first_value(delay, "value", "amount", "duration", *_VALUE), _first_value(delay, "unit", "type", *_UNIT)
            )
        )
    elif delay is not None and delay is not False and not _is_relative(delay):
        delays.append(_parse(delay, default_unit))
    if (value := _first_key(holder, _VALUE)) is not None:
        delays.append(_parse(holder[value], _first_value(holder, *_UNIT)))
    return delays + [_parse(holder[key], unit) for key, unit in _UNIT_KEYS.items() if not is_empty(holder.get(key))]


def _delays_of_wait(holder: dict[str, Any]) -> list[_Delay]:
    """Return the lengths of a wait step that one object has: `duration` or `value` with a `unit`, `hours`."""
    unit = _first_value(holder, "unit", *_UNIT)
    given = [holder[key] for key in ("duration", "value") if not is_empty(holder.get(key))]
    delays = [_parse(value, unit) for value in given if not _is_relative(value)]
    return delays + [
        _parse(holder[key], unit) for key, unit in _UNIT_KEYS_OF_WAIT.items() if not is_empty(holder.get(key))
    ]


def _first_value(holder: dict[str, Any], *keys: str) -> Any:
    return holder.get(_first_key(holder, keys) or "")


def _is_relative(value: Any) -> bool:
    return isinstance(value, str) and _BEFORE_AFTER.fullmatch(value.strip()) is not None


def _parse(value: Any, unit: Any) -> _Delay:
    """Read one delay."""
    if isinstance(value, str) and value.strip().lower() in _NO_DELAY:
        return _Delay()
    number, own_unit = _split(value)
    unit = own_unit or unit
    if number == 0:
        return _Delay()
    if is_empty(unit):
        raise BadStep(f"a delay of {quote(value)} has no unit: write {UNIT_NAMES}")
    spelling = unit.strip().lower() if isinstance(unit, str) else ""
    if (of_months := CALENDAR_UNITS.get(spelling)) is not None:
        months = number * MONTHS[of_months]
        if months != months.to_integral_value():
            raise BadStep(f"a delay of {quote(value)} {of_months}s is not a whole number of months")
        return _Delay(months=int(months))
    if (known := UNITS.get(spelling)) is None:
        raise BadStep(f"unknown unit {quote(unit)} of a delay: use {UNIT_NAMES}")
    seconds = number * SECONDS[known]
    if seconds != seconds.to_integral_value():
        raise BadStep(f"a delay of {quote(value)} {known}s is not a whole number of seconds")
    return _Delay(seconds=seconds)


def _split(value: Any) -> tuple[Decimal, str]:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        if not 0 <= value <= _MAX_VALUE:
            raise BadStep("a delay must not be negative, and at most 10,000,000")
        return Decimal(str(value)), ""
    parts = split_duration(value) if isinstance(value, str) else None
    if parts is None:
        raise BadStep(f"cannot read the delay {quote(value)}; write it as `3 days`")
    return parts


def _single(delays: list[_Delay]) -> str | None:
    """Return the one length that all keys agree on.  Errors: `BadStep`."""
    if len(set(delays)) > 1:
        raise BadStep("it gives two different lengths of time to wait")
    return str(delays[0]) if delays and delays[0] != _Delay() else None
