"""Write JSON that PostgreSQL can store (R6: no NUL, lone surrogates or NaN; bounded), and read any that it holds."""

from __future__ import annotations

import json
import math
import re
from typing import Any

#: Longest string and deepest nesting of a value that is written; the rest is cut, with a mark.
MAX_STRING = 64 * 1024
MAX_DEPTH = 64
#: Deepest nesting that is kept of a text with more than Python's parser can read.
MAX_DEPTH_READ = 200
#: Digits of an integer that Python reads (`sys.set_int_max_str_digits`).
MAX_DIGITS = 4_300
_TOO_DEEP = '"… (nested too deep)"'
_MARKS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def dumps(value: Any) -> str:
    """Serialize `value` so that a `jsonb` parameter accepts it.

    Nearly every value is fine as it is, so it is cleaned only when its text shows that it must be.

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
    """Parse a result of PostgreSQL.  jsonb can hold values that Python's parser refuses, and users write them.

    One such value must not make a whole batch fail: what is nested too deep is cut, with a mark, and a number of more
    than 4,300 digits becomes the text of its digits.  Errors: `ValueError` when the text is not JSON.

    >>> loads('{"a": [1.5]}')
    {'a': [1.5]}
    """
    try:
        return json.loads(text)
    except (RecursionError, ValueError):
        whole = text if isinstance(text, str) else text.decode()
        return json.loads(_cut(whole), parse_int=lambda digits: int(digits) if len(digits) <= MAX_DIGITS else digits)


def _cut(text: str) -> str:
    """Return the same JSON without what is nested deeper than `MAX_DEPTH_READ`."""
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
    """Return `value` without what PostgreSQL refuses (see the module's docstring)."""
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
