"""A store that compares each result with the annotation of its method: no key missing, unknown or of another type."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Awaitable, Callable
from typing import Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from minutehand.store import Store


def checked(store: Store) -> Store:
    """Wrap every method of this store that calls the database."""
    for name, method in inspect.getmembers(store, inspect.iscoroutinefunction):
        if not name.startswith("_"):
            setattr(store, name, _checked_method(method))
    return store


def _checked_method(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    hint = get_type_hints(method)["return"]

    @functools.wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        result = await method(*args, **kwargs)
        check(result, hint, method.__name__)
        return result

    return call


def check(value: Any, hint: Any, place: str) -> None:
    """Fail, with the place, where a value is not what its annotation says."""
    origin, args = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        _check_keys(value, hint, place)
    elif origin in (Union, types.UnionType):
        if value is not None:
            (inner,) = set(args) - {types.NoneType}
            check(value, inner, place)
        else:
            assert types.NoneType in args, f"{place} is None"
    elif origin is list:
        assert isinstance(value, list), f"{place} is {value!r}"
        for item in value:
            check(item, args[0], f"{place}[]")
    elif origin is dict:
        assert isinstance(value, dict), f"{place} is {value!r}"
        for key, item in value.items():
            check(item, args[1], f"{place}.{key}")
    elif hint in (str, int, bool):
        assert type(value) is hint, f"{place} is {value!r}, not {hint.__name__}"
    elif hint is float:
        assert type(value) in (int, float), f"{place} is {value!r}, not a number"


def _check_keys(value: Any, hint: Any, place: str) -> None:
    assert isinstance(value, dict), f"{place} is {value!r}"
    hints = get_type_hints(hint, include_extras=True)
    optional = {key for key, inner in hints.items() if get_origin(inner) is NotRequired}
    missing, unknown = hints.keys() - optional - value.keys(), value.keys() - hints.keys()
    assert not missing, f"{place}: {hint.__name__} has {sorted(missing)}, the result has not"
    assert not unknown, f"{place}: the result has {sorted(unknown)}, {hint.__name__} has not"
    for key, item in value.items():
        check(item, get_args(hints[key])[0] if key in optional else hints[key], f"{place}.{key}")
