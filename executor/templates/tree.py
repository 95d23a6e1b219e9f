"""What a template may contain: the allowed nodes, and their replacement by operations of operations.py.

A node that is not listed is an error with its line, so a new feature of Jinja is refused until it is listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from inspect import signature
from typing import Any, NoReturn

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from minutehand.executor.actions.contract import RenderError
from minutehand.executor.templates.filters import FILTERS, Unfit, check_zone, number
from minutehand.executor.templates.moments import MOMENT_FILTERS
from minutehand.store.json import Numeral

#: The most nodes of one template's tree, and its depth: Jinja and Python compile a nested tree by recursion.
MAX_NODES = 5_000
MAX_NESTING = 40
MAX_LOOP_NESTING = 2

_SIGNATURES = {name: signature(function) for name, function in (FILTERS | MOMENT_FILTERS).items()} | {
    "default": signature(lambda value, default_value="", boolean=False: None),
    "escape": signature(lambda value: None),
    "e": signature(lambda value: None),
    "urlencode": signature(lambda value: None),
    "raw": signature(lambda value: None),
}
#: Test -> how many arguments it takes.
TESTS = {"defined": 0, "undefined": 0, "none": 0, "string": 0, "number": 0, "in": 1}

_ALLOWED = frozenset(
    {
        *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign),
        *(nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const, nodes.List, nodes.Tuple, nodes.Keyword),
        *(nodes.Filter, nodes.Test, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand),
        *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Concat),
    }
)
_REFUSED = {
    nodes.Call: "calls are not allowed: use a filter, as in {{ name|upper }}",
    nodes.Slice: "slices are not allowed: use |first, |last or |truncate",
    nodes.Dict: "objects cannot be written in a template",
    nodes.Pow: "** is not allowed",
    nodes.NSRef: "only a plain name can be set",
    nodes.AssignBlock: "{% set %} needs a value: {% set name = … %}",
}

#: What is text outside of tags, and to Jinja a comment, a tag or another line break -> a mark that no text contains.
_MARKS = {"{#": "\0#", "{%": "\0%", "\r": "\0r"}
_MARKED = {mark: text for text, mark in _MARKS.items()}
_TO_MARK = re.compile("|".join(map(re.escape, _MARKS)))
_MARK = re.compile("|".join(map(re.escape, _MARKED)))


def mark(text: str) -> str:
    """Mark what Jinja would not leave as it is in a text outside of tags; `rewrite` takes the marks out of the tree."""
    return _TO_MARK.sub(lambda found: _MARKS[found[0]], text)


def _unmark(text: str) -> str:
    return _MARK.sub(lambda found: _MARKED[found[0]], text)


def spell(base: str, keys: Iterable[str | int]) -> str:
    """Write a path as users do: `client.phones[0]`."""
    path = base
    for key in keys:
        path += f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]"
    return path if len(path) <= 120 else f"{path[:119]}…"


def rewrite(tree: nodes.Template) -> None:
    """Replace, in place, every node that could reach a Python object.  Errors: `RenderError`, with the line."""
    _Rewriter().visit(tree)


def _refuse(node: nodes.Node, why: str) -> NoReturn:
    raise RenderError(f"line {node.lineno}: {why}")


def _path(node: nodes.Node) -> tuple[nodes.Node, list[str | int]]:
    """Split `a.b[0]` into its base and its constant keys.  A loop: a chain nests one deeper with each key."""
    keys: list[str | int] = []
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        key: Any = node.attr if isinstance(node, nodes.Getattr) else _constant(node)
        if str(key).startswith("__"):
            _refuse(node, "names that start with __ are not allowed")
        keys.append(key)
        node = node.node
    return node, keys[::-1]


def _constant(node: nodes.Getitem) -> str | int:
    key = node.arg
    if isinstance(key, nodes.Slice):
        _refuse(key, _REFUSED[nodes.Slice])
    if isinstance(key, nodes.Neg) and isinstance(key.node, nodes.Const) and type(key.node.value) is int:
        return -key.node.value
    if isinstance(key, nodes.Const) and type(key.value) in (str, int):
        return key.value  # type: ignore[no-any-return]
    _refuse(node, "only text or a whole number is allowed in [ ]")


def _label(node: nodes.Node) -> str:
    """Return the name of an expression in errors."""
    if isinstance(node, nodes.Filter):
        return f"{_label(node.node)}|{node.name}" if node.node else node.name
    base, keys = _path(node)
    if isinstance(base, nodes.Name):
        return spell(base.name, keys)
    if isinstance(base, nodes.Const):
        return "none" if base.value is None else repr(base.value)[:40]
    return spell("(…)", keys)


def _operation(name: str, node: nodes.Expr, *args: Any) -> nodes.Filter:
    """Return a call of an operation, as a Jinja filter; users cannot write the `*` before the name."""
    wrapped = [arg if isinstance(arg, nodes.Node) else nodes.Const(arg) for arg in args]
    return nodes.Filter(node, name, wrapped, [], None, None, lineno=node.lineno)


class _Rewriter(NodeTransformer):
    def __init__(self) -> None:
        self.nodes = self.depth = self.loops = 0

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        """Check every node before it is replaced."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            _refuse(node, f"the template is too long: it has more than {MAX_NODES:,} parts")
        if self.depth >= MAX_NESTING:
            _refuse(node, f"nested deeper than {MAX_NESTING} levels")
        if type(node) not in _ALLOWED:
            name = type(node).__name__.lower()
            _refuse(node, _REFUSED.get(type(node), f"{name} is not allowed in a template"))
        self.depth += 1
        try:
            return super().visit(node)
        finally:
            self.depth -= 1

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:
        if "{{" in node.data or "{%" in node.data:
            _refuse(node, "{% raw %} is not allowed: braces never leave unresolved")
        node.data = _unmark(node.data)
        return node

    def visit_Output(self, node: nodes.Output) -> nodes.Node:
        node.nodes = [
            self.visit(child) if isinstance(child, nodes.TemplateData) else self._labelled("*out", child)
            for child in node.nodes
        ]
        return node

    def _labelled(self, name: str, node: nodes.Node, *args: Any) -> nodes.Filter:
        label = _label(node)
        return _operation(name, self.visit(node), label, *args)

    def visit_Name(self, node: nodes.Name) -> nodes.Node:
        if node.name.startswith("__"):
            _refuse(node, "names that start with __ are not allowed")
        return _operation("*get", node, node.name, ()) if node.ctx == "load" else node

    def visit_Getattr(self, node: nodes.Getattr | nodes.Getitem) -> nodes.Node:
        base, keys = _path(node)
        if len(keys) > MAX_NESTING:
            _refuse(node, f"nested deeper than {MAX_NESTING} levels")
        if isinstance(base, nodes.Name):
            self.visit_Name(base)
            return _operation("*get", base, base.name, tuple(keys))
        return self._labelled("*get", base, tuple(keys))

    visit_Getitem = visit_Getattr

    def visit_Const(self, node: nodes.Const) -> nodes.Node:
        value = node.value
        if isinstance(value, str):  # the text after a string that contains `}}` was taken for one outside of tags
            node.value = _unmark(value)
        if isinstance(value, bool) or not isinstance(value, int | Numeral):
            return node
        try:
            number(value)
        except Unfit:
            _refuse(node, "a number with too many digits")
        return node if isinstance(value, int) else _operation("*numeral", nodes.Const(str(value), lineno=node.lineno))

    def visit_List(self, node: nodes.List | nodes.Tuple) -> nodes.Node:
        if isinstance(node, nodes.Tuple) and node.ctx != "load":
            _refuse(node, "only one name can be set at a time")
        items = [self.visit(item) for item in node.items]
        if not items:
            return nodes.List([], lineno=node.lineno)
        return _operation("*list", items[0], *items[1:])

    visit_Tuple = visit_List

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        first, *rest = [self.visit(part) for part in node.nodes]
        return _operation("*concat", first, *rest)

    def visit_Add(self, node: nodes.BinExpr) -> nodes.Node:
        right = _label(node.right)
        return self._labelled("*arithmetic", node.left, type(node).__name__, self.visit(node.right), right)

    visit_Sub = visit_Mul = visit_Div = visit_FloorDiv = visit_Mod = visit_Add

    def visit_Neg(self, node: nodes.Neg) -> nodes.Node:
        zero = nodes.Const(0, lineno=node.lineno)
        return _operation("*arithmetic", zero, "0", "Sub", self.visit(node.node), _label(node.node))

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        if len(node.ops) != 1:
            _refuse(node, "compare two values at a time, joined by `and`")
        (operand,) = node.ops
        right = _label(operand.expr)
        return self._labelled("*compare", node.expr, operand.op, self.visit(operand.expr), right)

    def visit_CondExpr(self, node: nodes.CondExpr) -> nodes.Node:
        node.expr2 = node.expr2 or nodes.Const("", lineno=node.lineno)
        return self.generic_visit(node)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        known = _SIGNATURES.get(node.name)
        if known is None or node.node is None:
            _refuse(node, f"the filter {node.name} is not known; known: {', '.join(sorted(_SIGNATURES))}")
        if node.dyn_args or node.dyn_kwargs:
            _refuse(node, f"the filter {node.name} cannot take * arguments")
        try:
            given = known.bind(None, *node.args, **{str(pair.key): pair.value for pair in node.kwargs}).arguments
            if isinstance(given.get("tz"), nodes.Const):
                check_zone(given["tz"].value)
        except TypeError as error:
            _refuse(node, f"the filter {node.name}: {error}")
        except Unfit as error:
            _refuse(node, f"the filter {node.name} {error}")
        label = _label(node)
        self.generic_visit(node)
        node.args.insert(0, nodes.Const(label))
        return node

    def visit_Test(self, node: nodes.Test) -> nodes.Node:
        if TESTS.get(node.name) != len(node.args) or node.kwargs or node.dyn_args or node.dyn_kwargs:
            _refuse(
                node, f"the test `is {node.name}` is not known, or takes other arguments; known: {', '.join(TESTS)}"
            )
        if node.name == "in":
            return self._labelled("*compare", node.node, "in", self.visit(node.args[0]), _label(node.args[0]))
        return self._labelled("*is", node.node, node.name)

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            _refuse(node, "a loop cannot be recursive")
        node.iter = self._labelled("*loop", node.iter)
        self.loops += 1
        if self.loops > MAX_LOOP_NESTING:
            _refuse(node, f"loops are nested at most {MAX_LOOP_NESTING} deep")
        self.visit(node.target)
        node.test = node.test and self.visit(node.test)
        node.body = [self.visit(child) for child in node.body]
        self.loops -= 1
        node.else_ = [self.visit(child) for child in node.else_]
        return node
