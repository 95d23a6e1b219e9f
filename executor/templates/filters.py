"""A template's filters and operators: pure functions on JSON values.

They do not depend on Jinja.  A value that they cannot use raises `Unfit`; its message completes "<expression> …" and
never contains a value, which may be a secret.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

#: The longest text, in characters, that a render or one of its parts may produce.
MAX_TEXT = 256_000
#: The largest number for arithmetic: below 2**53, so a float represents every integer.
MAX_NUMBER = 10**15

_DATE_PARTS = "aAbBdejmUuVyY"
_TIME_PARTS = "HIMpSzZ"
#: ZoneInfo's own cache keeps 8, and a loop over all zones would read 20,000 files; unknown names are not cached.
_zone = lru_cache(maxsize=1024)(ZoneInfo)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


#: What `child` returns when there is no such key; null is a value.
NOTHING = object()


class Unfit(ValueError):
    """A value cannot be used here; the message completes "<expression> …"."""


def child(value: Any, key: str | int) -> Any:
    """Look up one key of a path in JSON."""
    if isinstance(value, dict):
        return value.get(key, NOTHING)
    if isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    return NOTHING


def text(value: Any) -> str:
    """Write a scalar as JSON and JavaScript do: `true`, and 150 for 150.0.  Errors: `Unfit`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() <= 128:
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < MAX_NUMBER else repr(value)
    if isinstance(value, list):
        raise Unfit("is a list: pick one, or use |join(', ')")
    if isinstance(value, dict):
        raise Unfit("is an object: name one of its fields")
    raise Unfit("is empty" if value is None else "is too large")


def number(value: Any) -> int | float:
    """Return a number that can be used for arithmetic.  Errors: `Unfit`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit("is not a number (|int and |float read text; ~ joins text)")
    if not abs(value) <= MAX_NUMBER:
        raise Unfit("is too large")
    return value


def bounded(length: int) -> None:
    """Refuse a text of `length` characters if that is too long.  Errors: `Unfit`."""
    if length > MAX_TEXT:
        raise Unfit(f"would be longer than {MAX_TEXT:,} characters")


def to_json(value: Any, limit: int = MAX_TEXT) -> str:
    """Write a value as JSON, giving up as soon as it passes `limit` characters.  Errors: `Unfit`."""
    parts, length = [], 0
    for part in _ENCODER.iterencode(value):
        length += len(part)
        if length > limit:
            raise Unfit(f"would be longer than {limit:,} characters")
        parts.append(part)
    return "".join(parts)


def _to_decimal(value: Any, places: int) -> Decimal:
    return Decimal(repr(number(value))).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP) + 0


def _round(value: Any, precision: int = 0) -> int | float:
    rounded = _to_decimal(value, precision)
    return float(rounded) if precision else int(rounded)


def _money(value: Any) -> str:
    """1234.5 -> 1,234.50; halves go up, as on an invoice."""
    return f"{_to_decimal(value, 2):,}"


def _int(value: Any, default: int | None = None) -> int:
    return int(_float(value, default))


def _float(value: Any, default: float | None = None) -> int | float:
    """Read a number; without a `default`, other text is refused and not read as 0."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            if default is None:
                raise Unfit("is not a number") from None
            value = default
    return number(value)


def _length(value: Any) -> int:
    if not isinstance(value, str | list | dict):
        raise Unfit("has no length")
    return len(value)


def _end(value: Any, index: int) -> Any:
    if not isinstance(value, str | list):
        raise Unfit("is not a list or text")
    return value[index] if value else None


def _join(value: Any, d: str = "") -> str:
    if not isinstance(value, list):
        raise Unfit("is not a list")
    between = text(d)
    items = [text(item) for item in value]
    bounded(sum(map(len, items)) + len(between) * len(items))
    return between.join(items)


def _replace(value: Any, old: str, new: str) -> str:
    source, old, new = text(value), text(old), text(new)
    bounded(len(source) + source.count(old) * (len(new) - len(old)))
    return source.replace(old, new)


def _truncate(value: Any, length: int = 255, killwords: bool = False, end: str = "...") -> str:
    """At most `length` characters, `end` included, cut between words unless `killwords`."""
    source = text(value)
    if len(source) <= length:
        return source
    cut = source[: max(length - len(text(end)), 0)]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + text(end)


def _title(value: Any) -> str:
    """Capitalise each word; `str.title` would write "Don'T"."""
    return re.sub(r"\w[\w'’]*", lambda word: word[0].capitalize(), text(value))


def _parse_moment(value: Any) -> tuple[datetime, str]:
    """Read an ISO 8601 date, time or timestamp; returns it with the letters of `strftime` that it has values for."""
    if not isinstance(value, str) or len(value) > 40:
        raise Unfit("is not an ISO date or time")
    try:
        return datetime.combine(date.fromisoformat(value), time()), _DATE_PARTS
    except ValueError:
        pass
    try:
        if value[2:3] == ":":
            return datetime.combine(date(2000, 1, 1), time.fromisoformat(value)), _TIME_PARTS
        return datetime.fromisoformat(value), _DATE_PARTS + _TIME_PARTS
    except ValueError:
        raise Unfit("is not an ISO date or time") from None


def _date(value: Any, format: str = "%d %b %Y", tz: str | None = None) -> str:
    """Write an ISO date, time or timestamp by `format` (the letters of `strftime`), moved to the zone `tz`.

    Without `tz` its own zone is kept.  A plain date is the same day in every zone.  A time or timestamp without a zone
    cannot be converted, and what the value does not contain (the hour of a date) cannot be written.
    """
    moment, parts = _parse_moment(value)
    if not re.fullmatch(rf"([^%]|%%|%-?[{parts}]){{0,100}}", format):
        raise Unfit("does not contain what the format asks for" if "%" in format else "has a format that is too long")
    if tz is not None and _TIME_PARTS in parts:
        if moment.tzinfo is None or parts == _TIME_PARTS:
            raise Unfit("has no time zone (or no day), so it cannot be converted")
        try:
            moment = moment.astimezone(_zone(tz))
        except (LookupError, OSError, ValueError):  # ZoneInfo("America") is a folder
            raise Unfit("has an unknown time zone") from None
    return moment.strftime(format)


def _time(value: Any, format: str = "%H:%M", tz: str | None = None) -> str:
    return _date(value, format, tz)


#: Name -> function.  `default` and `escape` depend on the render and are in executor/templates/operations.py.
FILTERS: dict[str, Callable[..., Any]] = {
    "lower": lambda value: text(value).lower(),
    "upper": lambda value: text(value).upper(),
    "capitalize": lambda value: text(value).capitalize(),
    "trim": lambda value: text(value).strip(),
    "first": lambda value: _end(value, 0),
    "last": lambda value: _end(value, -1),
    "abs": lambda value: abs(number(value)),
    "tojson": lambda value: to_json(value),
    "title": _title,
    "length": _length,
    "join": _join,
    "replace": _replace,
    "truncate": _truncate,
    "round": _round,
    "int": _int,
    "float": _float,
    "money": _money,
    "date": _date,
    "time": _time,
}

#: Node of the template -> what it does to two numbers.
ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
}

#: Jinja's name -> what it asks of two values.
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "in": lambda item, holder: item in holder,
    "notin": lambda item, holder: item not in holder,
}
