"""JSON as PostgreSQL can store it: no NUL, no lone surrogates, no NaN, bounded (R6)."""

from __future__ import annotations

import json
import math
from typing import Any

#: Longest string and deepest nesting that a value may bring; what is beyond is cut, and says so.
MAX_STRING = 64 * 1024
MAX_DEPTH = 64


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
