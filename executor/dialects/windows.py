"""When messages may leave: the shapes in which apps write windows, quiet hours and business hours, in one normal form.

The normal form and what it means are those of sql/internal/windows.sql, which decides by it.  `settings.window` is in
normal form and is judged there; a step's `window` and what is translated here is judged here as well, so that a file
can be checked without a database.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects.limits import is_empty, quote, type_name
from minutehand.executor.durations import BadDuration, parse_duration

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Messages to people: the workflow's window holds for them.  What else leaves has only one of its own.
TO_PEOPLE = ("email", "sms")
#: Steps that send nothing; others, such as a plug-in's, may.
_SENDS_NOTHING = ("wait", "condition", "stop", "update_record", "create_record")
_IN_CONFIG = (*TO_PEOPLE, "notify", "webhook", "function")
#: Keys of a step that say when its message may leave.
KEYS = ("window", "drop_after", "dropAfter")
#: Keys of a workflow's row, or beside its steps; and of its settings.
WORKFLOW_KEYS = ("delivery_window", "deliveryWindow")
SETTINGS_KEYS = ("businessHours", "quietHours")

_FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME = re.compile(r"([01]?\d|2[0-3]):[0-5]\d|24:00", re.ASCII)
_DAY = re.compile(r"[12]\d{3}-\d{2}-\d{2}", re.ASCII)
#: What the app's editor fills in, and means where it says nothing.
_BUSINESS = {"from": "09:00", "to": "17:00"}
_QUIET = {"from": "21:00", "to": "08:00"}
_WORKDAYS = list(DAYS[:5])
#: The app's words for a zone -> ours.
_ZONES = {
    "customer_local": "recipient",
    "recipient": "recipient",
    "business": "organization",
    "organization": "organization",
    "utc": "utc",
}
_MAX_HOLIDAYS = 400
_WEEK = 7 * 1440


class BadWindow(BadStep):
    """The workflow's window cannot be read: its steps can, and fail."""


def window_of_workflow(definition: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """Return {"window": …} of a workflow's row, {} where it says nothing.  Errors: `BadStep`."""
    settings = definition.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    try:
        written = dict(_written(definition, settings, notes))
    except BadStep as error:
        raise BadWindow(str(error)) from None
    if "window" in settings:
        notes.extend(f"`{name}` is not read: `settings.window` says when messages may leave" for name in written)
        return {"window": settings["window"]}
    found = list(written.items())
    if any(window != found[0][1] for _, window in found):
        raise BadWindow(f"{' and '.join(written)} say differently when messages may leave: keep one")
    return {"window": found[0][1]} if found else {}


def other_window_keys(definition: dict[str, Any]) -> list[str]:
    """Return the keys under which a workflow's row says when messages may leave, and that are not in normal form."""
    settings = definition.get("settings")
    found = [key for key in WORKFLOW_KEYS if not is_empty(definition.get(key))]
    if isinstance(settings, dict):
        found += [f"settings.{key}" for key in SETTINGS_KEYS if settings.get(key) not in (None, False, {}, "")]
    return found


def _written(
    definition: dict[str, Any], settings: dict[str, Any], notes: list[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    given = {key: settings[key] for key in SETTINGS_KEYS if not is_empty(settings.get(key))}
    if given and (window := _of_settings(given)):
        yield " and ".join(f"settings.{key}" for key in given), window
    for holder in (definition, definition.get("template_config"), definition.get("workflow_config")):
        for key in WORKFLOW_KEYS:
            if (
                isinstance(holder, dict)
                and not is_empty(holder.get(key))
                and (window := _delivery(key, holder[key], notes))
            ):
                yield key, window


def delivery_of_step(
    raw: dict[str, Any], config: dict[str, Any], type_: str, workflow: dict[str, Any], notes: list[str]
) -> dict[str, Any]:
    """Return what a step says of the time of its message, and remove it from `config`.  Errors: `BadStep`.

    {"window": normal form | null, "drop_after": text}, of which what nobody says is missing.
    """
    own = _own(raw, config, type_)
    delivery = dict(workflow) if type_ in TO_PEOPLE else {}
    timing = _timing(config, notes) if type_ in (*TO_PEOPLE, "notify") else {}
    if "window" in own and timing and own["window"] != timing:
        raise BadStep("`window` and `timing` both say when it may leave: keep one")
    if timing:
        delivery["window"] = timing
    if "window" in own:
        check_window(own["window"], "window")
        delivery["window"] = own["window"]
    if not is_empty(drop_after := own.get("drop_after")):
        delivery["drop_after"] = _drop_after(drop_after)
        if isinstance(delivery.get("window"), dict):  # the step's own holds in place of its window's
            delivery["window"] = {key: value for key, value in delivery["window"].items() if key != "drop_after"}
    return delivery


def _own(raw: dict[str, Any], config: dict[str, Any], type_: str) -> dict[str, Any]:
    """Return the keys of the normal form that a step has, and remove them from its config.  Errors: `BadStep`."""
    own: dict[str, Any] = {}
    for holder in (raw, config) if type_ in _IN_CONFIG else (raw,):
        for key in KEYS:
            if key not in holder:
                continue
            name, value = "window" if key == "window" else "drop_after", holder[key]
            if own.setdefault(name, value) != value:
                raise BadStep(f"`{name}` has different values in the step and in its config: keep one")
    for key in KEYS if type_ in _IN_CONFIG else ():
        config.pop(key, None)
    if type_ == "wait":  # its `drop_after` is its action's
        own.pop("drop_after", None)
    if type_ in _SENDS_NOTHING and (given := next((key for key in own if not is_empty(own[key])), None)):
        raise BadStep(f"`{given}` is not supported on this step: only messages and calls wait for a window")
    return own


def _drop_after(text: Any) -> str:
    if not isinstance(text, str):
        raise BadStep('`drop_after` must be text, such as "2 hours" or "{{ job.schedule_start }}"')
    if "{{" in text or "{%" in text:
        return text
    try:
        return f"{parse_duration(text):g} seconds"
    except BadDuration as error:
        raise BadStep(f'`drop_after`: {error}, or a moment such as "{{{{ job.schedule_start }}}}"') from None


def _of_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Read `settings.businessHours` and `settings.quietHours`; their zone is `settings.timezone`."""
    window: dict[str, Any] = {}
    for key, default in (("businessHours", _BUSINESS), ("quietHours", _QUIET)):
        hours = given.get(key)
        if hours is None or hours is False:
            continue
        where = f"settings.{key}"
        if hours is not True and not isinstance(hours, dict):
            raise BadStep(f"{where} must be an object, got {type_name(hours)}")
        hours = {} if hours is True else hours
        if _flag(hours.get("enabled", True), f"{where}.enabled"):
            span = _span(hours, ("start", "end"), default, where)
            window |= {"quiet": span} if key == "quietHours" else {"days": _days(hours.get("days"), where), **span}
    return _checked(window, "settings")


def _delivery(key: str, value: Any, notes: list[str]) -> dict[str, Any]:
    """Read `delivery_window`: {businessHoursOnly, allowedDays, timeRange: {start, end}}."""
    if not isinstance(value, dict):
        raise BadStep(f"{key} must be an object, got {type_name(value)}")
    value = {_camel(name): inner for name, inner in value.items()}
    known = {"businessHoursOnly", "allowedDays", "timeRange", "timezone", "enabled"}
    notes.extend(f"`{key}.{name}` is not read" for name in value if name not in known and not is_empty(value[name]))
    if not _flag(value.get("enabled", True), f"{key}.enabled"):
        return {}
    window: dict[str, Any] = {}
    business = _flag(value.get("businessHoursOnly", False), f"{key}.businessHoursOnly")
    times = value.get("timeRange")
    if not is_empty(times) and not isinstance(times, dict):
        raise BadStep(f"{key}.timeRange must be an object, got {type_name(times)}")
    if business or not is_empty(times):
        window |= _span(times or {}, ("start", "end"), _BUSINESS, f"{key}.timeRange")
    if business or not is_empty(value.get("allowedDays")):
        window["days"] = _days(value.get("allowedDays"), key)
    if window and not is_empty(value.get("timezone")):
        window["zone"] = _zone(value["timezone"], f"{key}.timezone")
    return _checked(window, key)


def _timing(config: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """Read a step's `timing`, and remove it where it is read."""
    timing = config.get("timing")
    if not isinstance(timing, dict):
        return {}
    del config["timing"]
    window: dict[str, Any] = {}
    if _flag(timing.get("businessHours", False), "timing.businessHours"):
        window |= _span(timing, ("businessStart", "businessEnd"), _BUSINESS, "timing")
        window["days"] = _days(timing.get("businessDays"), "timing")
    if _flag(timing.get("quietHours", False), "timing.quietHours"):
        window["quiet"] = _span(timing, ("quietStart", "quietEnd"), _QUIET, "timing")
    if window and not is_empty(timing.get("timezone")):
        window["zone"] = _zone(timing["timezone"], "timing.timezone")
    if timing.get("optimalSend") is True:
        notes.append("`timing.optimalSend` is not supported yet: the message is sent as soon as its window is open")
    if timing.get("recurring") is True:
        notes.append("`timing.recurring` is not supported on a step: the message is sent once")
    return _checked(window, "timing")


def _flag(value: Any, where: str) -> bool:
    if value not in (True, False, None) or (isinstance(value, int | float) and not isinstance(value, bool)):
        raise BadStep(f"{where} must be true or false, got {quote(value)}")
    return bool(value)


def _span(holder: dict[str, Any], keys: tuple[str, str], default: dict[str, str], where: str) -> dict[str, str]:
    span = {}
    for key, name in zip(keys, ("from", "to"), strict=True):
        value = default[name] if is_empty(holder.get(key)) else holder[key]
        if not isinstance(value, str) or not _TIME.fullmatch(value):
            raise BadStep(f'{where}.{key} is {quote(value)}: write a time such as "09:00"')
        span[name] = value
    return span


def _days(value: Any, where: str) -> list[str]:
    if is_empty(value):
        return list(_WORKDAYS)
    if not isinstance(value, list) or any(_day(name) is None for name in value):
        raise BadStep(f"{where}: its days are {quote(value)}: write a list of {', '.join(DAYS)}")
    return [DAYS[number] for number in sorted({_day(name) or 0 for name in value})]


def _day(name: Any) -> int | None:
    """Return the number of a day, 0 for Monday; also of one whose name is cut short ("tues")."""
    word = name.lower() if isinstance(name, str) else ""
    return next((n for n, full in enumerate(_FULL) if len(word) >= 3 and full.startswith(word)), None)


def _zone(value: Any, where: str) -> str:
    zone = _ZONES.get(value.lower(), value) if isinstance(value, str) else value
    if zone in _ZONES.values() or _is_zone(zone):
        return str(zone)
    raise BadStep(f'{where} is {quote(value)}: write customer_local, business, utc or a zone such as "Europe/Berlin"')


def _is_zone(name: Any) -> bool:
    from zoneinfo import available_timezones

    return isinstance(name, str) and ("/" in name or name == "UTC") and name in available_timezones()


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(map(str.title, rest))


def _checked(window: dict[str, Any], where: str) -> dict[str, Any]:
    if window:
        check_window(window, where)
    return window


def check_window(window: Any, where: str) -> None:
    """Refuse a window that is not in normal form, or that never opens.  Errors: `BadStep`."""
    if window is False or is_empty(window):
        return
    if not isinstance(window, dict):
        raise BadStep(f"`{where}` must be an object, got {type_name(window)}")
    given = {key: value for key, value in window.items() if value is not None}
    for key, value in given.items():
        if key not in _CHECKS:
            raise BadStep(f"`{where}.{key}` is unknown: write {', '.join(_CHECKS)}")
        if not _CHECKS[key][0](value):
            raise BadStep(f"`{where}.{key}` is {quote(value)}: write {_CHECKS[key][1]}")
    if "hours" in given and given.keys() & {"days", "from", "to"}:
        raise BadStep(f"`{where}` has hours, and also days, from or to: keep one form")
    if not given.keys() - {"zone", "drop_after"}:
        raise BadStep(f"`{where}` closes at no time: write days, from, to, hours, quiet or holidays")
    if "hours" not in given and _minutes(given.get("from", "00:00")) == _minutes(given.get("to", "24:00")):
        raise BadStep(
            f"`{where}` is from {given['from']} to {given['to']}, which is no time: leave both out for the whole day"
        )
    if not _ever_opens(given):
        raise BadStep(f"`{where}` never opens: its times leave no minute of the week")


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


def _is_start(value: Any) -> bool:
    return _is_time(value) and value != "24:00"


def _is_span(begin: Any, end: Any) -> bool:
    return _is_start(begin) and _is_time(end) and _minutes(begin) != _minutes(end)


def _minutes(time: str) -> int:
    return int(time[:-3]) * 60 + int(time[-2:])


def _is_day_name(value: Any) -> bool:
    return isinstance(value, str) and value.lower() in (*DAYS, *_FULL)


def _is_hours(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(
            _is_day_name(day)
            and isinstance(spans, list)
            and len(spans) <= 6
            and all(isinstance(span, str) and span.count("-") == 1 and _is_span(*span.split("-")) for span in spans)
            for day, spans in value.items()
        )
    )


def _is_holidays(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _MAX_HOLIDAYS and all(map(_is_date, value))


def _is_date(value: Any) -> bool:
    from datetime import date

    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_drop_after(value: Any) -> bool:
    try:
        return isinstance(value, str) and ("{{" in value or parse_duration(value) <= 366 * 86_400)
    except BadDuration:
        return False


#: Key of the normal form -> whether its value can be read, and what to write.
_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "days": (
        lambda value: isinstance(value, list) and 0 < len(value) <= 7 and all(map(_is_day_name, value)),
        f"a list of {', '.join(DAYS)}",
    ),
    "from": (_is_start, 'a time such as "09:00"'),
    "to": (_is_time, 'a time such as "17:00"'),
    "hours": (_is_hours, '{"mon": ["09:00-12:00", "13:00-17:00"]}'),
    "quiet": (
        lambda value: (
            isinstance(value, dict) and value.keys() == {"from", "to"} and _is_span(value["from"], value["to"])
        ),
        '{"from": "21:00", "to": "08:00"}',
    ),
    "holidays": (_is_holidays, f'a list of at most {_MAX_HOLIDAYS} days such as "2026-12-24"'),
    "zone": (
        lambda value: isinstance(value, str) and (value.lower() in _ZONES or _is_zone(value)),
        '"recipient", "organization", "utc" or a zone such as "Europe/Berlin"',
    ),
    "drop_after": (_is_drop_after, 'a time such as "2 hours", or a moment such as "{{ job.schedule_start }}"'),
}


def _ever_opens(window: dict[str, Any]) -> bool:
    """Whether a minute of the week is open, days apart on which it is closed."""
    week = bytearray(_WEEK)
    for day, begin, end in _spans(window):
        _fill(week, day, begin, end, 1)
    if quiet := window.get("quiet"):
        for day in range(7):
            _fill(week, day, quiet["from"], quiet["to"], 0)
    return any(week)


def _spans(window: dict[str, Any]) -> Iterator[tuple[int, str, str]]:
    if hours := window.get("hours"):
        for name, spans in hours.items():
            yield from ((_day(name) or 0, *span.split("-")) for span in spans)
        return
    for name in window.get("days", DAYS):
        yield _day(name) or 0, window.get("from", "00:00"), window.get("to", "24:00")


def _fill(week: bytearray, day: int, begin: str, end: str, value: int) -> None:
    low, high = _minutes(begin), _minutes(end)
    for minute in range(low, high + (1440 if high < low else 0)):
        week[(day * 1440 + minute) % _WEEK] = value
