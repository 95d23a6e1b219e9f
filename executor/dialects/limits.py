"""How much of a definition is read, and how a message quotes its values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minutehand.executor.actions.contract import BadStep
from minutehand.store.json import Numeral

#: Steps of a workflow, branches included.
MAX_STEPS = 100
#: How deep branches are nested.
MAX_DEPTH = 10
#: Characters of a step's name, type or id.
MAX_NAME = 200
#: Characters of one text: as many as a template may have (executor/templates/render.py).
MAX_TEXT = 100_000
#: Values of a definition, and how deep they are nested: a branch takes up to four levels, a config the rest.
MAX_VALUES = 20_000
MAX_NESTING = 100


def check_size(places: Iterable[Any]) -> None:
    """Refuse what is too large before anything reads it by recursion.  Errors: `BadStep`."""
    stack = [(place, 0, "steps") for place in places]
    seen = 0
    while stack:
        value, depth, name = stack.pop()
        seen += 1
        inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        if seen + len(inner) > MAX_VALUES:
            raise BadStep(f"steps: more than {MAX_VALUES:,} values")
        if depth > MAX_NESTING:
            raise BadStep(f"{name}: nested deeper than {MAX_NESTING} levels")
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise BadStep(f"{name}: a text has more than {MAX_TEXT:,} characters: {quote(value)}")
        numbered = name == "steps" and isinstance(value, list)
        stack.extend(
            (child, depth + 1, f"step {number}" if numbered else name) for number, child in enumerate(inner, 1)
        )


def quote(value: Any) -> str:
    """Return a value as a message quotes it: short, on one line."""
    if isinstance(value, list | dict):
        return type_name(value)
    text = str(value)[:60] if isinstance(value, str | bool) or value is None else repr(value)[:60]
    return repr(text) if isinstance(value, str) else text


def type_name(value: Any) -> str:
    """Return the type of a JSON value, for a message."""
    if isinstance(value, int | float | Numeral) and not isinstance(value, bool):
        return "a number"
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return names.get(type(value), "null")


def is_empty(value: Any) -> bool:
    """Whether a value is null, empty text, or an empty list or object."""
    return value is None or value == "" or value == [] or value == {}
