"""The variables that a template uses, and what becomes of it where one does not exist."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from jinja2 import TemplateError, nodes

from minutehand.executor.templates.render import parse, tags
from minutehand.executor.templates.tree import spell

#: Characters of one template's tags; a longer one is not read.
MAX_TAGS = 8_000


class Need(IntEnum):
    """What a template needs of a variable."""

    #: Nothing: `|default`, `is defined`.
    NOTHING = 0
    #: That its first name exists; an unknown field counts as false: `{% if … %}`, `or`, `and`, `not`.
    ROW = 1
    #: All of it; else the step fails.
    VALUE = 2


class Variable(NamedTuple):
    """One use of a variable: `client.phones[0]` is `client` and its keys."""

    base: str
    keys: tuple[str | int, ...]
    need: Need

    def __str__(self) -> str:
        """Return it as users write it."""
        return spell(self.base, self.keys)


def variables_of(template: str) -> tuple[Variable, ...]:
    """Return the variables of a template, except those that it sets itself; () of one that cannot be read.

    >>> [str(name) for name in variables_of("{{ job.title }} {% for part in job.parts %}{{ part.name }}{% endfor %}")]
    ['job.title', 'job.parts']
    """
    if "{" not in template:
        return ()
    within = tags(template)
    return _variables(within) if 0 < len(within) <= MAX_TAGS else ()


@lru_cache(maxsize=2048)
def _variables(source: str) -> tuple[Variable, ...]:
    try:
        tree = parse(source)
        own = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"} | {"loop"}
        found = tuple(dict.fromkeys(use for use in _uses(tree, Need.VALUE) if use.base not in own))
    except (TemplateError, RecursionError, ValueError):
        return ()
    asked = {(use.base, use.keys) for use in found if use.need is not Need.VALUE}
    # `{% if job.note %}{{ job.note }}{% endif %}`: what is asked for first need not exist.
    return tuple(use for use in found if use.need is not Need.VALUE or (use.base, use.keys) not in asked)


def _uses(node: nodes.Node, need: Need) -> Iterator[Variable]:
    """Walk a tree; `need` is what becomes of the node's own value (executor/templates/operations.py)."""
    match node:
        case nodes.Name():
            if node.ctx == "load":
                yield Variable(node.name, (), need)
        case nodes.Getattr() | nodes.Getitem():
            yield from _path(node, need)
        case nodes.Filter():
            yield from _filter(node, need)
        case nodes.Test():
            yield from _all([node.node], Need.VALUE if node.name == "in" else Need.NOTHING)
            yield from _all(node.args, Need.VALUE)
        case nodes.If():
            yield from _uses(node.test, Need.ROW)
            yield from _all([*node.body, *node.elif_, *node.else_], Need.VALUE)
        case _:
            yield from _expression(node, need)


def _expression(node: nodes.Node, need: Need) -> Iterator[Variable]:
    match node:
        case nodes.Or() | nodes.And():
            yield from _uses(node.left, min(need, Need.ROW))
            yield from _uses(node.right, need)
        case nodes.Not():
            yield from _uses(node.node, min(need, Need.ROW))
        case nodes.CondExpr():
            yield from _uses(node.test, Need.ROW)
            yield from _all([part for part in (node.expr1, node.expr2) if part is not None], need)
        case nodes.BinExpr() | nodes.UnaryExpr():
            yield from _all(node.iter_child_nodes(), need)
        case _:
            yield from _all(node.iter_child_nodes(), Need.VALUE)


def _all(inner: object, need: Need) -> Iterator[Variable]:
    for node in inner:  # type: ignore[attr-defined]
        yield from _uses(node, need)


def _path(node: nodes.Expr, need: Need) -> Iterator[Variable]:
    keys: list[str | int] = []
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        key = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
        if not isinstance(key, str | int):
            keys = []  # not allowed; what is before it is still a path
        else:
            keys.append(key)
        node = node.node
    if isinstance(node, nodes.Name):
        yield Variable(node.name, tuple(keys[::-1]), need)
    else:
        yield from _uses(node, need)


def _filter(node: nodes.Filter, need: Need) -> Iterator[Variable]:
    if node.node is not None:
        yield from _uses(node.node, Need.NOTHING if node.name == "default" else need)
    values = [*node.args, *(pair.value for pair in node.kwargs)]
    yield from _all(values, need if node.name == "default" else Need.VALUE)
