"""What is recorded of a value: records and errors are the one place where values are shortened.

Here, too, what PostgreSQL cannot hold is replaced: a record must never keep an execution from ending.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

#: Longest text and deepest nesting in a record: an action, a provider or a callee may return any value.
MAX_TEXT, MAX_DEPTH = 64 * 1024, 64


def recordable(value: Any, depth: int = 0) -> Any:
    r"""Return what is recorded of a value that a provider, a callee or an action returned: bounded, and storable.

    >>> recordable({"note": "a\x00b", "rate": float("nan"), "ids": (1, 2), "sum": Decimal("sNaN")})
    {'note': 'ab', 'rate': None, 'ids': [1, 2], 'sum': None}
    """
    kind = type(value)
    if kind is str and value.isascii() and len(value) <= MAX_TEXT and "\0" not in value:
        return value
    if value is None or kind is int or kind is bool:
        return value
    if kind is dict and depth < MAX_DEPTH:
        return {
            # Nearly all keys and values of nearly all records are like these.
            key if type(key) is str and key.isascii() and key.isidentifier() else recordable(str(key)): item
            if item is None or (type(item) is str and item.isascii() and len(item) <= MAX_TEXT and "\0" not in item)
            else recordable(item, depth + 1)
            for key, item in value.items()
        }
    return _recordable(value, depth)


def _recordable(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        text = value if len(value) <= MAX_TEXT else value[:MAX_TEXT] + "… (cut)"
        if text.isascii() and "\0" not in text:
            return text
        return text.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict | list | tuple) and depth >= MAX_DEPTH:
        return "… (nested too deeply)"
    if isinstance(value, dict):
        return {recordable(str(key)): recordable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [recordable(item, depth + 1) for item in value]
    if isinstance(value, float | Decimal):
        is_finite = value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)
        return value if is_finite else None
    return value if value is None or isinstance(value, int) else recordable(str(value))


def recordable_parts(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the items of `automation_advance` with records that can be stored; what they reserve stays as it is."""
    return [item | {part: recordable(item[part]) for part in ("steps", "confirm") if part in item} for item in items]
