"""Read and write JSON, in one place for the whole program.

Nothing is rounded, cut or left out.  A number with a fraction is a `Numeral` with all its digits.  What JSON or
PostgreSQL cannot hold (NaN, a NUL character, half of a surrogate pair, an endless nesting) is refused by name.
"""

from __future__ import annotations

import json
import math
import os
import re
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from uuid import UUID

#: Deepest nesting that is kept of a text with more than Python's parser can read.
MAX_DEPTH_READ = 200
#: Digits of an integer that Python reads (`sys.set_int_max_str_digits`); a longer one is a `Numeral`.
MAX_DIGITS = 4_300
#: Digits before and after the point of PostgreSQL's numeric, and so of a number in jsonb.
MAX_WHOLE_DIGITS, MAX_FRACTION_DIGITS = 131_072, 16_383
_MARKS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)
#: Stands for what was cut while it is read: no object of jsonb has such a key.
_CUT = '{"\\u0000":0}'
#: Begins the text that stands for an exact number while the standard encoder writes a value.  It is random, and leaves
#: no process: no text of a value begins with it.
_EXACT = os.urandom(16).hex()
_EXACT_TEXT = re.compile(f'"{_EXACT}([-0-9.]+)"')


class Numeral(Decimal):
    """A number with a fraction or an exponent; its text is the one that PostgreSQL shows, never with an exponent.

    >>> str(Numeral("900.00")), f"{Numeral('1E-7')}"
    ('900.00', '0.0000001')
    """

    __slots__ = ()

    def __str__(self) -> str:
        return format(self, "f")

    __repr__ = __str__

    def __format__(self, specifier: str, /, *_: Any) -> str:
        return super().__format__(specifier or "f")


class TooDeep:
    """Stands for a part of a value that is nested too deeply to be read; it can be shown, and never written."""

    __slots__ = ()

    def __str__(self) -> str:
        return "… (nested too deeply)"


class Unwritable(ValueError):
    """A value cannot be written as JSON that PostgreSQL holds; the message says which and why."""

    def __init__(self, why: str, *path: str | int) -> None:
        super().__init__(why)
        self.why = why
        #: Where it is, from the outermost key on.
        self.path = list(path)

    def __str__(self) -> str:
        keys = [key if isinstance(key, int) or key.isprintable() else ascii(key) for key in self.path]
        place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")
        return f"{place[:120] or 'the value'} {self.why}"


def numeral(text: str) -> Numeral:
    """Read a number with all its digits.  Errors: `ValueError`; `Unwritable` where numeric has no place for them."""
    try:
        number = Numeral(text)
    except InvalidOperation:
        raise ValueError(f"{text[:40]} is not a number") from None
    if len(text) <= MAX_FRACTION_DIGITS and number.is_finite() and "e" not in text and "E" not in text:
        return number  # so short and without an exponent, it fits
    if problem := _number_problem(number):
        raise Unwritable(problem, text[:40])
    return number


def whole(text: str) -> int | Numeral:
    """Read an integer.  Errors: as `numeral`."""
    return int(text) if len(text) <= MAX_DIGITS else numeral(text)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not valid JSON")


_DECODER = json.JSONDecoder(parse_float=numeral, parse_constant=_no_constant)
_LONG_DECODER = json.JSONDecoder(
    parse_float=numeral,
    parse_int=whole,
    parse_constant=_no_constant,
    object_hook=lambda found: TooDeep() if "\x00" in found else found,
)


def loads(text: str | bytes) -> Any:
    """Parse a result of PostgreSQL, or of another program.

    jsonb can hold values that Python's parser refuses, and users write them.  One such value must not make a whole
    batch fail: what is nested too deeply becomes `TooDeep`.  Errors: `ValueError` when the text is not JSON.

    >>> loads('{"a": [1.50]}')
    {'a': [1.50]}
    """
    source = text if isinstance(text, str) else text.decode("utf-8-sig")
    try:
        return _DECODER.decode(source)
    except (RecursionError, ValueError):
        return _LONG_DECODER.decode(_cut(source))


def parse(text: str) -> Any:
    """Parse what a person wrote: as `loads`, and a key that an object has twice is refused.  Errors: `ValueError`."""
    try:
        return json.JSONDecoder(
            parse_float=numeral, parse_int=whole, parse_constant=_no_constant, object_pairs_hook=_unique
        ).decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"duplicate key {next(key for key in keys if keys.count(key) > 1)[:200]!r}")
    return found


def dumps(value: Any) -> str:
    """Serialize `value` for a `jsonb` parameter.  Errors: `Unwritable`.

    >>> dumps({"total": Numeral("900.00"), "name": "Zoë"})
    '{"total":900.00,"name":"Zo\\\\u00eb"}'
    """
    return _write(value, _encoder(True, True, None, False), strict=True)


def body_text(value: Any) -> str:
    """Serialize `value` as others read it: without escapes of letters.  Errors: `Unwritable`.

    >>> body_text({"total": Numeral("900.00"), "name": "Zoë"})
    '{"total": 900.00, "name": "Zoë"}'
    """
    return _write(value, _encoder(False, False, None, False), strict=True)


def shown_text(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """Serialize any value for people; what JSON has no form for is its text."""
    return _write(value, _encoder(False, False, indent, sort_keys), strict=False)


def text_problem(text: str) -> str | None:
    r"""Say what of a text PostgreSQL cannot store, and UTF-8 cannot encode; None if nothing.

    >>> text_problem("a\x00b"), text_problem("Zoë")
    ('has a NUL character (U+0000)', None)
    """
    if "\x00" in text:
        return "has a NUL character (U+0000)"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "has half of a surrogate pair, which is no character"
    return None


def _number_problem(number: Decimal) -> str | None:
    if not number.is_finite():
        return "is not a finite number"
    exponent = number.as_tuple().exponent
    if number.adjusted() >= MAX_WHOLE_DIGITS or (isinstance(exponent, int) and exponent < -MAX_FRACTION_DIGITS):
        return "has more digits than PostgreSQL's numeric"
    return None


@lru_cache(maxsize=16)
def _encoder(ascii_: bool, compact: bool, indent: int | None, sort_keys: bool) -> json.JSONEncoder:
    separators = (",", ":") if compact else (None if indent is None else (",", ": "))
    return json.JSONEncoder(
        ensure_ascii=ascii_,
        separators=separators,
        indent=indent,
        sort_keys=sort_keys,
        allow_nan=False,
        default=_exact_or_text,
    )


def _exact_or_text(value: Any) -> str:
    """Return what the standard encoder writes for a value that it does not know.  Errors: `TypeError`.

    It has no place for exact numbers.  Their digits go through it as a marked text, whose quotes `_write` removes: ten
    times as fast as an encoder in Python.
    """
    if isinstance(value, Decimal):
        digits = Decimal.__str__(value)
        if "E" not in digits and len(digits) <= MAX_FRACTION_DIGITS and value.is_finite():
            return _EXACT + digits
        if _number_problem(value) is None:
            return _EXACT + format(value, "f")
    if isinstance(value, date | UUID):
        return str(value)
    raise TypeError


def _write(value: Any, encoder: json.JSONEncoder, *, strict: bool) -> str:
    """Write a value.  Nearly all are fine as they are; `_Writer` takes over where something is not JSON."""
    try:
        text = encoder.encode(value)
        if _EXACT in text:
            text = _EXACT_TEXT.sub(r"\1", text)
        if not strict or not _is_suspicious(text):
            return text
    except (TypeError, ValueError, RecursionError):
        pass
    writer = _Writer(encoder, strict=strict)
    try:
        writer.add(value, "\n")
    except RecursionError:
        raise Unwritable("is nested too deeply") from None
    return "".join(writer.parts)


def _is_suspicious(text: str) -> bool:
    """Whether JSON may hold a NUL, or half of a surrogate pair."""
    return "\\u0000" in text or ("\\ud" in text if text.isascii() else text_problem(text) is not None)


class _Writer:
    """Writes what the standard encoder cannot, such as unusual keys; and names what cannot be written."""

    def __init__(self, encoder: json.JSONEncoder, *, strict: bool) -> None:
        self._encoder = encoder
        self._strict = strict
        self.parts: list[str] = []

    def add(self, value: Any, line: str) -> None:
        """Write one value; `line` is a line break and the indentation here."""
        if isinstance(value, dict):
            items: Any = sorted(value.items()) if self._encoder.sort_keys else value.items()
            self._add_all(items, "{", "}", line)
        elif isinstance(value, list | tuple):
            self._add_all(enumerate(value), "[", "]", line)
        else:
            self.parts.append(self._scalar(value))

    def _add_all(self, items: Any, begin: str, end: str, line: str) -> None:
        inner = line + " " * int(self._encoder.indent or 0)
        between = begin
        for key, item in items:
            self.parts.append(between if self._encoder.indent is None else between.rstrip() + inner)
            between = self._encoder.item_separator
            try:
                if begin == "{":
                    self.parts += (self._scalar(str(key)), self._encoder.key_separator)
                self.add(item, inner)
            except Unwritable as error:
                error.path.insert(0, key)
                raise
        if between == begin:
            self.parts.append(begin + end)
        else:
            self.parts.append(end if self._encoder.indent is None else line + end)

    def _scalar(self, value: Any) -> str:
        if isinstance(value, str):
            problem = text_problem(value) if self._strict else None
        elif isinstance(value, Decimal):
            problem = _number_problem(value)
            if problem is None:
                return format(value, "f")
        elif isinstance(value, float) and not math.isfinite(value):
            problem = "is not a finite number"
        elif isinstance(value, TooDeep):
            problem = f"is nested deeper than {MAX_DEPTH_READ} levels"
        elif value is None or isinstance(value, bool | int | float):
            return self._encoder.encode(value)
        else:
            problem = None if isinstance(value, date | UUID) else f"is a {type(value).__name__}, which JSON cannot hold"
        if problem is not None and self._strict:
            raise Unwritable(problem)
        return self._encoder.encode(str(value))


def _cut(text: str) -> str:
    """Return the same JSON without what is nested deeper than `MAX_DEPTH_READ`."""
    kept: list[str] = []
    depth = at = 0
    for mark in _MARKS.finditer(text):
        if mark[0] in "[{":
            depth += 1
            if depth == MAX_DEPTH_READ + 1:
                kept += (text[at : mark.start()], _CUT)
        elif mark[0] in "]}":
            if depth == MAX_DEPTH_READ + 1:
                at = mark.end()
            depth -= 1
    return "".join((*kept, text[at:]))
