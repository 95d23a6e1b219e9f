"""A result of a check: its level, the fact and a fix."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

#: How many results of one kind are listed; the rest is counted.
MAX_LISTED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of the output of doctor."""

    #: `ok`, `warn` (somebody should look) or `fail` (it does not work, or is not safe).
    level: str
    fact: str
    #: A command or statement to copy.
    fix: str | None = None


def ok(fact: str) -> Result:
    """Nothing is wrong."""
    return Result(level="ok", fact=fact)


def warn(fact: str, fix: str) -> Result:
    """It may be intended, but somebody should look."""
    return Result(level="warn", fact=fact, fix=fix)


def fail(fact: str, fix: str) -> Result:
    """It does not work, or is not safe."""
    return Result(level="fail", fact=fact, fix=fix)


def each(items: Iterable[T], report: Callable[[T], Result]) -> list[Result]:
    """Return a result for each item, up to `MAX_LISTED`, and then the number of the others."""
    results = [report(item) for item in items]
    if len(results) <= MAX_LISTED:
        return results
    fact = f"and {len(results) - MAX_LISTED} more like this"
    return [*results[:MAX_LISTED], Result(level=results[MAX_LISTED].level, fact=fact)]


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
