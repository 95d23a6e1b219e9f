"""How long to wait, in every way that apps write it, as `3 days`.

A number whose unit nobody wrote is refused unless it is zero: read as seconds, "3 days" has been sent at once before.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects.limits import is_empty, quote

_WORDS = {
    "minute": ("m", "min", "mins", "minute", "minutes"),
    "hour": ("h", "hr", "hrs", "hour", "hours"),
    "day": ("d", "day", "days"),
    "week": ("w", "wk", "wks", "week", "weeks"),
}
_UNITS = {word: unit for unit, words in _WORDS.items() for word in words}
_MINUTES = {"minute": 1, "hour": 60, "day": 1_440, "week": 10_080}
#: Any unit; whether a workflow may wait that long is for `wait` to say.
_MAX_VALUE = 10_000_000
_TEXT = re.compile(r"\s*(\d{1,8}(?:\.\d{1,4})?)\s*([A-Za-z]*)\s*", re.ASCII)
_AT_ONCE = frozenset({"", "none", "immediate", "immediately", "instant"})

_VALUE = ("delayValue", "delay_value")
_UNIT = ("delayUnit", "delay_unit", "delayType", "delay_type")
_RELATIVE = ("relative_hours", "relativeHours", "relative_to", "relativeTo", "offset_hours", "offsetHours")
_UNTIL = ("delay_until", "delayUntil")
#: `delay_hours: 72`, and in a step that does nothing but wait also `hours: 72`.
_PER_UNIT = {key: unit for unit in _MINUTES for key in (f"delay_{unit}s", f"delay{unit.capitalize()}s")}
_OF_WAITS = {f"{unit}s": unit for unit in _MINUTES}
#: Every key that tells of a delay beside an action.
KEYS = frozenset({"delay", *_VALUE, *_UNIT, *_UNTIL, *_RELATIVE, *_PER_UNIT})


def delay_of(raw: dict[str, Any], config: dict[str, Any], bare: str | None = None) -> str | None:
    """Return how long an action waits before it is done, as `3 days`; None: not at all.

    It may be told in the step or in its config; `bare` is the unit of a number in the config's `delay` without one.
    Errors: `BadStep`.
    """
    for holder in (raw, config):
        _refuse_relative(holder)
        if (key := _first(holder, _UNTIL)) is not None:
            raise BadStep(f"`{key}` is not supported on an action: put a wait step before it")
    return _one([*_told(raw, None), *_told(config, bare)])


def wait_config(raw: dict[str, Any], config: dict[str, Any]) -> dict[str, str] | None:
    """Return the config of a `wait` step whose delay is told in an app's way; None: it waits for nothing.

    Errors: `BadStep`.
    """
    holders = (raw, config)
    for holder in holders:
        _refuse_relative(holder)
    until = [holder[key] for holder in holders for key in _UNTIL if not is_empty(holder.get(key))]
    told = [one for holder in holders for one in (*_told(holder, None), *_told_by_wait(holder))]
    if until and not told:
        (instant, *more) = until
        if not more and isinstance(instant, str) and re.match(r"\d{4}-\d\d-\d\d|\{", instant):
            return {"until": instant}
        raise BadStep(f"`delay_until` must be an ISO date or time, got {quote(instant)}")
    if until or not told:
        raise BadStep("it gives two different lengths of time to wait" if until else "it does not say how long to wait")
    length = _one(told)
    return None if length is None else {"for": length}


def _first(holder: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if not is_empty(holder.get(key))), None)


def _refuse_relative(holder: dict[str, Any]) -> None:
    until = holder.get(_first(holder, _UNTIL) or "")
    relative = _first(holder, _RELATIVE) or ("delay_until" if until == "relative" else None)
    if relative is not None:
        raise BadStep(f"`{relative}` is relative to another time, which is not supported yet")


def _told(holder: dict[str, Any], bare: str | None) -> list[Decimal]:
    """The delays, in minutes, that one object tells beside an action."""
    told = []
    delay = holder.get("delay")
    if isinstance(delay, dict):
        told.append(_length(_any(delay, "value", "amount", "duration", *_VALUE), _any(delay, "unit", "type", *_UNIT)))
    elif delay is not None and delay is not False:
        told.append(_length(delay, bare))
    if (value := _first(holder, _VALUE)) is not None:
        told.append(_length(holder[value], _any(holder, *_UNIT)))
    return told + [_length(holder[key], unit) for key, unit in _PER_UNIT.items() if not is_empty(holder.get(key))]


def _told_by_wait(holder: dict[str, Any]) -> list[Decimal]:
    """What else a step that only waits may tell: `duration` or `value` with a `unit`, `hours`."""
    unit = _any(holder, "unit", *_UNIT)
    told = [_length(holder[key], unit) for key in ("duration", "value") if not is_empty(holder.get(key))]
    return told + [_length(holder[key], unit) for key, unit in _OF_WAITS.items() if not is_empty(holder.get(key))]


def _any(holder: dict[str, Any], *keys: str) -> Any:
    return holder.get(_first(holder, keys) or "")


def _length(value: Any, unit: Any) -> Decimal:
    """Read one delay, in minutes."""
    if isinstance(value, str) and value.strip().lower() in _AT_ONCE:
        return Decimal(0)
    number, own_unit = _split(value)
    unit = own_unit or unit
    if number == 0:
        return Decimal(0)
    if is_empty(unit):
        raise BadStep(f"a delay of {quote(value)} has no unit: write minutes, hours, days or weeks")
    known = _UNITS.get(unit.strip().lower()) if isinstance(unit, str) else None
    if known is None:
        raise BadStep(f"unknown unit {quote(unit)} of a delay: use minutes, hours, days or weeks")
    minutes = number * _MINUTES[known]
    if minutes != minutes.to_integral_value():
        raise BadStep(f"a delay of {quote(value)} {known}s is not a whole number of minutes")
    return minutes


def _split(value: Any) -> tuple[Decimal, str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value <= _MAX_VALUE:
            raise BadStep("a delay must not be negative, and at most 10,000,000")
        return Decimal(str(value)), ""
    match = _TEXT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        relative = isinstance(value, str) and re.search("before|after", value, re.IGNORECASE)
        why = ": relative delays are not supported yet" if relative else "; write it as `3 days`"
        raise BadStep(f"cannot read the delay {quote(value)}{why}")
    return Decimal(match[1]), match[2]


def _one(told: list[Decimal]) -> str | None:
    """The one length that all agree on."""
    if len(set(told)) > 1:
        raise BadStep("it gives two different lengths of time to wait")
    return format_delay(int(told[0])) if told and told[0] else None


def format_delay(minutes: int) -> str:
    """Write minutes in the largest unit that counts them whole: 4320 is `3 days`."""
    unit = next(unit for unit in ("week", "day", "hour", "minute") if minutes % _MINUTES[unit] == 0)
    number = minutes // _MINUTES[unit]
    return f"{number} {unit}{'' if number == 1 else 's'}"
