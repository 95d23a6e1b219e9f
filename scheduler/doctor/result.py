"""A result: how grave, the fact, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

#: Findings of one check that are told each for itself; the rest is counted.
MOST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of doctor's answer."""

    #: `ok`, `warn` (look at it) or `fail` (it does not work, or is not safe).
    level: str
    fact: str
    #: A command or a statement to copy; of several lines, each stands for itself.
    fix: str | None = None


def ok(fact: str) -> Result:
    """Nothing is wrong."""
    return Result(level="ok", fact=fact)


def warn(fact: str, fix: str) -> Result:
    """It may be meant so; somebody should look."""
    return Result(level="warn", fact=fact, fix=fix)


def fail(fact: str, fix: str) -> Result:
    """It does not work, or is not safe."""
    return Result(level="fail", fact=fact, fix=fix)


def each(items: Iterable[T], tell: Callable[[T], Result]) -> list[Result]:
    """Tell a result for each item, up to `MOST`, and then how many more there are."""
    told = [tell(item) for item in items]
    if len(told) <= MOST:
        return told
    rest = Result(level=told[MOST].level, fact=f"and {len(told) - MOST} more of this kind: see -o json", fix=None)
    return [*told[:MOST], rest]


def name(identifier: str) -> str:
    """Quote an identifier for SQL.

    >>> print(name('say "true" now'))
    "say ""true"" now"
    """
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text for SQL.

    >>> print(literal("owner's"))
    'owner''s'
    """
    return "'" + text.replace("'", "''") + "'"
