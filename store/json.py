"""JSON as PostgreSQL can store it (no NUL, no lone surrogates, no NaN, bounded: R6), and reading whatever it holds."""

from __future__ import annotations

import json
import math
import re
from typing import Any

#: Longest string and deepest nesting that a value may bring; what is beyond is cut, and says so.
MAX_STRING = 64 * 1024
MAX_DEPTH = 64
#: Deepest nesting that is read where a text has more than Python's parser can follow.
MAX_DEPTH_READ = 200
#: Digits of a whole number that Python reads (`sys.set_int_max_str_digits`).
MAX_DIGITS = 4_300
_TOO_DEEP = '"… (nested too deep)"'
_MARKS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def dumps(value: Any) -> str:
    """Serialise `value` so that any `jsonb` parameter takes it.

    Nearly every value is fine as it is, so it is looked at only when its text shows a mark of trouble.

    >>> dumps({"a": "x\\x00y", "b": float("nan")})
    '{"a":"xy","b":null}'
    """
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False, default=str)
    except (ValueError, RecursionError):
        return json.dumps(clean(value), separators=(",", ":"), default=str)
    if "\\u0000" in text or "\\ud" in text or len(text) > MAX_STRING:
        return json.dumps(clean(value), separators=(",", ":"), default=str)
    return text


def loads(text: str | bytes) -> Any:
    """Read what PostgreSQL answered, all of it: jsonb holds what Python's parser refuses, and users write it.

    One such value must not cost a whole batch its answer, so what is nested too deep is cut, and says so, and a number
    of more than 4,300 digits is the text of its digits.  Errors: `ValueError` where it is no JSON.

    >>> loads('{"a": [1.5]}')
    {'a': [1.5]}
    """
    try:
        return json.loads(text)
    except (RecursionError, ValueError):
        whole = text if isinstance(text, str) else text.decode()
        return json.loads(_cut(whole), parse_int=lambda digits: int(digits) if len(digits) <= MAX_DIGITS else digits)


def _cut(text: str) -> str:
    """The same JSON without what is nested deeper than `MAX_DEPTH_READ`."""
    kept: list[str] = []
    depth = at = 0
    for mark in _MARKS.finditer(text):
        if mark[0] in "[{":
            depth += 1
            if depth == MAX_DEPTH_READ + 1:
                kept += (text[at : mark.start()], _TOO_DEEP)
        elif mark[0] in "]}":
            if depth == MAX_DEPTH_READ + 1:
                at = mark.end()
            depth -= 1
    return "".join((*kept, text[at:]))


def clean(value: Any, depth: int = 0) -> Any:
    """Return `value` without what PostgreSQL refuses: see the module's first line."""
    if isinstance(value, str):
        if len(value) > MAX_STRING:
            value = value[:MAX_STRING] + "… (cut)"
        value = value.replace("\x00", "")
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if depth >= MAX_DEPTH and isinstance(value, dict | list | tuple):
        return "… (nested too deep)"
    if isinstance(value, dict):
        return {clean(str(key)): clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item, depth + 1) for item in value]
    return value
