"""A template's filters and operators: pure functions on JSON values.

They do not depend on Jinja.  A value that they cannot use raises `Unfit`; its message completes "<expression> …" and
never contains a value, which may be a secret.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal
from difflib import get_close_matches
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from minutehand.store.json import Numeral, Unwritable, body_text

#: The longest text, in characters, that a render or one of its parts may produce.
MAX_TEXT = 256_000
#: Digits of a number that is calculated with, before and after the point together: some 0.1 ms a step.
MAX_DIGITS = 1_000
#: The least digits of a quotient, which may have no end; those of its operands are kept.
QUOTIENT_DIGITS = 28

_DATE_PARTS = "aAbBdejmUuVyY"
_TIME_PARTS = "HIMpSzZ"
#: ZoneInfo's own cache keeps 8, and a loop over all zones would read 20,000 files; unknown names are not cached.
_zone_info = lru_cache(maxsize=1024)(ZoneInfo)
#: Holds every sum and product of two such numbers exactly.
_CONTEXT = Context(prec=2 * MAX_DIGITS, rounding=ROUND_HALF_UP)

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
    """Write a scalar as the database shows it: `true`, and 900.00 with its zeros.  Errors: `Unfit`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        value = _of_float(value)
    if isinstance(value, int | Decimal):
        return format(value, "d" if isinstance(value, int) else "f")
    if isinstance(value, list):
        raise Unfit("is a list: pick one, or use |join(', ')")
    if isinstance(value, dict):
        raise Unfit("is an object: name one of its fields")
    raise Unfit("is empty" if value is None else "cannot be written as text")


def _of_float(value: float) -> int | Numeral:
    """Return a float, which only an action of somebody else's may give, with the digits that Python shows."""
    if not math.isfinite(value):
        raise Unfit("is no number")
    return int(value) if value.is_integer() else Numeral(repr(value))


def number(value: Any) -> int | Decimal:
    """Return a number that can be used for arithmetic.  Errors: `Unfit`."""
    if isinstance(value, float):
        value = _of_float(value)
    if value in ("NaN", "Infinity", "-Infinity"):  # so numeric and float8 are in JSON
        raise Unfit(f"is {value}")
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Unfit("is not a number (|int and |float read text; ~ joins text)")
    if isinstance(value, Decimal):
        is_too_long = digits_of(value) > MAX_DIGITS
    else:
        is_too_long = value.bit_length() > 3.33 * MAX_DIGITS
    if is_too_long:
        raise Unfit(f"has more than {MAX_DIGITS:,} digits")
    return value


def digits_of(value: Decimal) -> int:
    """Return about how many digits a number is written with."""
    _, digits, exponent = value.as_tuple()
    return len(digits) + (abs(exponent) if isinstance(exponent, int) else 0)


def exact(value: int | Decimal) -> int | Numeral:
    """Return the result of arithmetic, if it is one that can be calculated with.  Errors: `Unfit`."""
    result = number(value)
    return Numeral(result) if isinstance(result, Decimal) else result


def bounded(length: int) -> None:
    """Refuse a text of `length` characters if that is too long.  Errors: `Unfit`."""
    if length > MAX_TEXT:
        raise Unfit(f"would be longer than {MAX_TEXT:,} characters")


def to_json(value: Any, limit: int = MAX_TEXT) -> str:
    """Write a value as JSON of at most `limit` characters.  Errors: `Unfit`."""
    _refuse_longer(value, limit)
    try:
        written = body_text(value)
    except Unwritable as error:
        raise Unfit(f"cannot be written as JSON: {error}") from None
    if len(written) > limit:
        raise Unfit(f"would be longer than {limit:,} characters")
    return written


def _refuse_longer(value: Any, left: int) -> int:
    """Return how many characters are left beside a value; a small value may name a large one many times."""
    if isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            left = _refuse_longer(item, left - 1)
    elif isinstance(value, str | Decimal):
        left -= len(value) if isinstance(value, str) else digits_of(value)
    if left < 0:
        raise Unfit(f"would be longer than {MAX_TEXT:,} characters")
    return left


def _abs(value: Any) -> int | Numeral:
    found = number(value)
    return abs(found) if isinstance(found, int) else Numeral(found.copy_abs())  # abs() would round it


def _rounded(value: Any, places: int) -> Decimal:
    if abs(places) > MAX_DIGITS:
        raise Unfit(f"can be rounded to at most {MAX_DIGITS:,} places")
    rounded = Decimal(number(value)).quantize(Decimal(1).scaleb(-places), context=_CONTEXT)
    return rounded if rounded else rounded.copy_abs()  # not -0.00


def _round(value: Any, precision: int = 0) -> int | Numeral:
    rounded = _rounded(value, int(precision))
    return Numeral(rounded) if precision > 0 else int(rounded)


def _money(value: Any) -> str:
    """1234.5 -> 1,234.50; halves go up, as on an invoice."""
    return f"{_rounded(value, 2):,}"


def _int(value: Any, default: int | None = None) -> int:
    return int(_float(value, default))


def _float(value: Any, default: int | Decimal | None = None) -> int | Decimal:
    """Read a number; without a `default`, other text is refused and not read as 0."""
    if isinstance(value, str):
        read = re.fullmatch(r"\s*([-+]?[0-9]+)?(\.[0-9]*)?([eE][-+]?[0-9]{1,4})?\s*", value[: 2 * MAX_DIGITS])
        if read is not None and any(map(str.isdigit, value)):
            value = Numeral(value.strip()) if read[2] or read[3] else int(value)
        elif default is None:
            raise Unfit("is not a number")
        else:
            value = default
    return number(value)


def _quotient(left: Decimal, right: Decimal) -> Decimal:
    """Divide, with all digits of both: 900.00 / 8 is 112.50."""
    digits = max(len(left.as_tuple().digits), len(right.as_tuple().digits)) + 10
    return Context(prec=max(QUOTIENT_DIGITS, digits), rounding=ROUND_HALF_UP).divide(left, right)


def _floor(left: Decimal, right: Decimal) -> Decimal:
    """Divide and round down, as Python does with integers: -7 // 2 is -4."""
    whole, rest = _CONTEXT.divmod(left, right)
    return whole - 1 if rest and (rest < 0) != (right < 0) else whole


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


def parse_moment(value: Any) -> tuple[datetime, str]:
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


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.  Errors: `Unfit`."""
    try:
        return _zone_info(name)
    except (LookupError, OSError, ValueError, TypeError):  # ZoneInfo("America") is a folder
        raise Unfit("has an unknown time zone") from None


def check_zone(name: object) -> None:
    """Refuse a zone that does not exist, with the names that may be meant.  Errors: `Unfit`."""
    if name is None:
        return
    try:
        zone(name if isinstance(name, str) else "")
    except Unfit:
        known = {other.lower(): other for other in sorted(available_timezones())}
        near = [known[word] for word in get_close_matches(str(name).lower(), known, n=3)]
        hint = f"did you mean {', '.join(near)}?" if near else "write one such as Europe/Berlin"
        raise Unfit(f"has an unknown time zone {str(name)[:60]!r}; {hint}") from None


def _date(value: Any, format: str = "%d %b %Y", tz: str | None = None) -> str:
    """Write an ISO date, time or timestamp by `format` (the letters of `strftime`), moved to the zone `tz`.

    Without `tz` its own zone is kept.  A plain date is the same day in every zone.  A time or timestamp without a zone
    cannot be converted, and what the value does not contain (the hour of a date) cannot be written.
    """
    moment, parts = parse_moment(value)
    if not re.fullmatch(rf"([^%]|%%|%-?[{parts}]){{0,100}}", format):
        raise Unfit("does not contain what the format asks for" if "%" in format else "has a format that is too long")
    if tz is not None and _TIME_PARTS in parts:
        if moment.tzinfo is None or parts == _TIME_PARTS:
            raise Unfit("has no time zone (or no day), so it cannot be converted")
        moment = moment.astimezone(zone(tz))
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
    "abs": _abs,
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

#: Node of the template -> what it does to two numbers; integers stay integers but in a division.
_WHOLE: dict[str, Callable[[int, int], int]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
}
_DECIMAL: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "Add": _CONTEXT.add,
    "Sub": _CONTEXT.subtract,
    "Mul": _CONTEXT.multiply,
    "Div": _quotient,
    "FloorDiv": _floor,
    "Mod": lambda left, right: _CONTEXT.subtract(left, _CONTEXT.multiply(right, _floor(left, right))),
}


def calculate(name: str, left: int | Decimal, right: int | Decimal) -> int | Numeral:
    """Calculate with two numbers, without a loss of digits.  Errors: `Unfit`, `ZeroDivisionError`."""
    if isinstance(left, int) and isinstance(right, int) and name in _WHOLE:
        return exact(_WHOLE[name](left, right))
    if not right and name not in ("Add", "Sub", "Mul"):
        raise ZeroDivisionError
    try:
        return exact(_DECIMAL[name](Decimal(left), Decimal(right)))
    except ArithmeticError:
        raise Unfit(f"has more than {MAX_DIGITS:,} digits") from None


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
