"""Delays, in every form that apps write, as `3 days`.

A number without a unit is refused unless it is zero: an app once read it as seconds, and sent "3 days" at once.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects.limits import is_empty, quote
from minutehand.executor.durations import SECONDS, UNITS, format_exact, split_duration

#: Of any unit; the action `wait` has a lower limit.
_MAX_VALUE = 10_000_000
_NO_DELAY = frozenset({"", "none", "immediate", "immediately", "instant"})

_VALUE = ("delayValue", "delay_value")
_UNIT = ("delayUnit", "delay_unit", "delayType", "delay_type")
_RELATIVE = ("relative_hours", "relativeHours", "relative_to", "relativeTo", "offset_hours", "offsetHours")
_UNTIL = ("delay_until", "delayUntil")
#: `delay_hours: 72`; in a step that only waits also `hours: 72`.
_UNIT_KEYS = {key: unit for unit in SECONDS for key in (f"delay_{unit}s", f"delay{unit.capitalize()}s")}
_UNIT_KEYS_OF_WAIT = {f"{unit}s": unit for unit in SECONDS}
#: Keys of a step that only waits.
KEYS_OF_WAIT = frozenset({"duration", "unit", *_UNIT_KEYS_OF_WAIT})
#: All keys of a delay before an action.
KEYS = frozenset({"delay", *_VALUE, *_UNIT, *_UNTIL, *_RELATIVE, *_UNIT_KEYS})


def delay_of(raw: dict[str, Any], config: dict[str, Any], default_unit: str | None = None) -> str | None:
    """Return the delay before an action, as `3 days`; None: no delay.

    It may be in the step or in its config.  `default_unit`: of a number without a unit in the config's `delay`.
    Errors: `BadStep`.
    """
    for holder in (raw, config):
        _refuse_relative(holder)
        if (key := _first_key(holder, _UNTIL)) is not None:
            raise BadStep(f"`{key}` is not supported on an action: put a wait step before it")
    return _single([*_delays_of_action(raw, None), *_delays_of_action(config, default_unit)])


def wait_config(raw: dict[str, Any], config: dict[str, Any]) -> dict[str, str] | None:
    """Return the config of a `wait` step, from an app's own keys; None: its length is zero.

    Errors: `BadStep`.
    """
    holders = (raw, config)
    for holder in holders:
        _refuse_relative(holder)
    until = [holder[key] for holder in holders for key in _UNTIL if not is_empty(holder.get(key))]
    delays = [one for holder in holders for one in (*_delays_of_action(holder, None), *_delays_of_wait(holder))]
    if until and not delays:
        (instant, *more) = until
        if not more and isinstance(instant, str) and re.match(r"\d{4}-\d\d-\d\d|\{", instant):
            return {"until": instant}
        raise BadStep(f"`delay_until` must be an ISO date or time, got {quote(instant)}")
    if until or not delays:
        raise BadStep("it gives two different lengths of time to wait" if until else "it does not say how long to wait")
    length = _single(delays)
    return None if length is None else {"for": length}


def _first_key(holder: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if not is_empty(holder.get(key))), None)


def _refuse_relative(holder: dict[str, Any]) -> None:
    until = holder.get(_first_key(holder, _UNTIL) or "")
    relative = _first_key(holder, _RELATIVE) or ("delay_until" if until == "relative" else None)
    if relative is not None:
        raise BadStep(f"`{relative}` is relative to another time, which is not supported yet")


def _delays_of_action(holder: dict[str, Any], default_unit: str | None) -> list[Decimal]:
    """Return the delays of an action, in seconds, that one object has."""
    delays = []
    delay = holder.get("delay")
    if isinstance(delay, dict):
        delays.append(
            _parse(
                _first_value(delay, "value", "amount", "duration", *_VALUE), _first_value(delay, "unit", "type", *_UNIT)
            )
        )
    elif delay is not None and delay is not False:
        delays.append(_parse(delay, default_unit))
    if (value := _first_key(holder, _VALUE)) is not None:
        delays.append(_parse(holder[value], _first_value(holder, *_UNIT)))
    return delays + [_parse(holder[key], unit) for key, unit in _UNIT_KEYS.items() if not is_empty(holder.get(key))]


def _delays_of_wait(holder: dict[str, Any]) -> list[Decimal]:
    """Return the lengths of a wait step that one object has: `duration` or `value` with a `unit`, `hours`."""
    unit = _first_value(holder, "unit", *_UNIT)
    delays = [_parse(holder[key], unit) for key in ("duration", "value") if not is_empty(holder.get(key))]
    return delays + [
        _parse(holder[key], unit) for key, unit in _UNIT_KEYS_OF_WAIT.items() if not is_empty(holder.get(key))
    ]


def _first_value(holder: dict[str, Any], *keys: str) -> Any:
    return holder.get(_first_key(holder, keys) or "")


def _parse(value: Any, unit: Any) -> Decimal:
    """Read one delay, in seconds."""
    if isinstance(value, str) and value.strip().lower() in _NO_DELAY:
        return Decimal(0)
    number, own_unit = _split(value)
    unit = own_unit or unit
    if number == 0:
        return Decimal(0)
    if is_empty(unit):
        raise BadStep(f"a delay of {quote(value)} has no unit: write seconds, minutes, hours, days or weeks")
    known = UNITS.get(unit.strip().lower()) if isinstance(unit, str) else None
    if known is None:
        raise BadStep(f"unknown unit {quote(unit)} of a delay: use seconds, minutes, hours, days or weeks")
    seconds = number * SECONDS[known]
    if seconds != seconds.to_integral_value():
        raise BadStep(f"a delay of {quote(value)} {known}s is not a whole number of seconds")
    return seconds


def _split(value: Any) -> tuple[Decimal, str]:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        if not 0 <= value <= _MAX_VALUE:
            raise BadStep("a delay must not be negative, and at most 10,000,000")
        return Decimal(str(value)), ""
    parts = split_duration(value) if isinstance(value, str) else None
    if parts is None:
        relative = isinstance(value, str) and re.search("before|after", value, re.IGNORECASE)
        why = ": relative delays are not supported yet" if relative else "; write it as `3 days`"
        raise BadStep(f"cannot read the delay {quote(value)}{why}")
    return parts


def _single(delays: list[Decimal]) -> str | None:
    """Return the one length that all keys agree on.  Errors: `BadStep`."""
    if len(set(delays)) > 1:
        raise BadStep("it gives two different lengths of time to wait")
    return format_exact(int(delays[0])) if delays and delays[0] else None
