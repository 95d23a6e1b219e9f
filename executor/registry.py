"""Implementations by name: built-in ones by import path, others by entry point; each is imported when first used."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

T = TypeVar("T")


class UnknownName(Exception):
    """No implementation has this name; the message lists the names that exist."""


class BrokenPlugIn(Exception):
    """The implementation of this name cannot be imported; the message names it and the error's type."""


class Registry(Generic[T]):
    """The implementations of one contract.  A built-in name wins over a plug-in's."""

    def __init__(self, kind: str, *, group: str, built_in: Mapping[str, str]) -> None:
        #: What one implementation is, for messages: `executor`.
        self.kind = kind
        self.group = group
        #: Name -> `module:attribute`.
        self.built_in = built_in

    def __contains__(self, name: str) -> bool:
        return name in self.built_in or name in plug_ins(self.group)

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted({*self.built_in, *plug_ins(self.group)})

    def ordered_names(self) -> list[str]:
        """Return the built-in names in their own order, then those of plug-ins."""
        return [*self.built_in, *sorted(set(plug_ins(self.group)) - set(self.built_in))]

    def load(self, name: str) -> T:
        """Import the implementation of this name.  Errors: `UnknownName`, `BrokenPlugIn`."""
        if name in self.built_in:
            module, _, attribute = self.built_in[name].partition(":")
            built_in: T = getattr(import_module(module), attribute)
            return built_in
        point = plug_ins(self.group).get(name)
        if point is None:
            raise UnknownName(f"there is no {self.kind} `{name}`; there are: {', '.join(self.names())}")
        try:
            loaded: T = point.load()
        except Exception as error:
            reason = f"the plug-in for the {self.kind} `{name}` ({point.value}) does not load: {type(error).__name__}"
            raise BrokenPlugIn(reason) from error
        return loaded


@cache
def plug_ins(group: str) -> dict[str, EntryPoint]:
    """Return the installed entry points of one group by name."""
    return {point.name: point for name in _offering() for point in _entry_points(name).select(group=group)}


@cache
def _offering() -> list[str]:
    """Return the installed distributions that may have entry points of ours.

    `importlib.metadata.entry_points` would parse those of all others too, again for each group: 10 ms each time.
    """
    from importlib.metadata import distributions

    found = (one for one in distributions() if "[minutehand." in (one.read_text("entry_points.txt") or ""))
    return [one.name for one in found]


def _entry_points(name: str) -> EntryPoints:
    """Return those of a distribution; where several have the name, of the one that Python would import."""
    from importlib.metadata import distribution

    return distribution(name).entry_points
