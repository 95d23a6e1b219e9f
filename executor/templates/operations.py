"""What compiled templates call: the operations, the limits of one render, and the unresolved variable.

Compiled code calls every operation like a Jinja filter: (run, value, its label, …).  A label is the expression that the
user wrote; errors contain it, and never a value, which may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import wraps
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, TemplateError, Undefined, pass_context
from jinja2.runtime import Context, LoopContext
from markupsafe import escape

from minutehand.executor.actions.contract import RenderError, UnresolvedVariable
from minutehand.executor.dialects.variables import lookup, lookup_child
from minutehand.executor.templates.budget import Budget
from minutehand.executor.templates.filters import (
    COMPARISONS,
    FILTERS,
    MAX_TEXT,
    NOTHING,
    Unfit,
    calculate,
    number,
    text,
)
from minutehand.executor.templates.moments import MOMENT_FILTERS, is_moment
from minutehand.executor.templates.tree import spell
from minutehand.executor.templates.urls import Raw, UrlParts
from minutehand.store.json import Numeral, TooDeep

#: Iterations of all loops of one render together.
MAX_ITERATIONS = 1_000

#: What Jinja, a filter or the data can raise.  Their messages may contain values, so none is passed on.
FAULTS = (ArithmeticError, AttributeError, LookupError, RecursionError, TemplateError, TypeError, ValueError)

_JSON = (str, bool, int, Decimal, float, list, dict)
_LOOP_FIELDS = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})


class Run(Context):
    """One render: its variables, its policy, and its use of the limits.  Compiled code gets it as context."""

    def __init__(
        self,
        environment: Environment,
        variables: Mapping[str, Any],
        stand_in: str | None,
        budget: Budget,
        *,
        html: bool = False,
        url: UrlParts | None = None,
    ) -> None:
        super().__init__(environment, dict(variables), None, {})
        #: The text for an unresolved variable; None: an error.
        self.stand_in = stand_in
        self.html = html
        #: The template is one of a URL: where its values stand.
        self.url = url
        self.budget = budget
        self.iterations = self.written = 0
        #: The template is a single expression whose value is kept, not its text.
        self.native = False
        self.kept: Any = None

    def charge_output(self, length: int) -> None:
        self.written += length
        if self.written > MAX_TEXT:
            raise RenderError(f"the output is longer than {MAX_TEXT:,} characters")

    def charge(self, *values: Any) -> None:
        """Count one operation by the size of its operands."""
        work = len(values) or 1
        for value in values:
            if isinstance(value, str | list | dict):
                work += len(value) >> 6
            elif isinstance(value, Decimal):
                work += abs(value.adjusted()) >> 6
        self.budget.charge(work)


@dataclass(frozen=True, slots=True, eq=False)
class Unresolved:
    """A variable that is null or unknown, by the name that the user wrote; false in `or` and `if`."""

    run: Run
    label: str
    #: Null, as opposed to unknown.
    empty: bool = False
    #: An unknown first-level name: a mistake, even in a condition.
    stray: bool = False
    #: Names that exist.
    known: Iterable[Any] = ()

    def stand_in(self) -> str:
        """Return the text for it.  Errors: `RenderError` under the policy `fail`."""
        if self.run.stand_in is not None:
            return self.run.stand_in
        if self.empty:
            raise UnresolvedVariable(f"{self.label} is empty", self.label)
        names = sorted(str(name)[:40] for name in self.known)
        known = f"; known: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}" if names else ""
        raise UnresolvedVariable(f"{self.label} is not known{known}", self.label)

    def __bool__(self) -> bool:
        if self.stray:
            self.stand_in()
        return False


def _lift(run: Run, value: Any, label: str) -> Any:
    return Unresolved(run, label, empty=True) if value is None else value


def _settle(value: Any) -> Any:
    return value.stand_in() if isinstance(value, Unresolved) else value


def _text(value: Any, label: str) -> str:
    try:
        return text(value)
    except Unfit as unfit:
        raise RenderError(f"{label} {unfit}") from None


@pass_context
def _get(run: Run, value: Any, label: str, keys: tuple[str | int, ...]) -> Any:
    """Look a path up: `client.phones[0]` in JSON, `loop.index` in Jinja's loop, and nothing in anything else."""
    run.charge()
    if isinstance(value, Unresolved):
        return value
    if isinstance(value, Undefined):
        value = lookup(run.parent, label)
        if value is NOTHING:
            return Unresolved(run, label, stray=True, known=run.parent)
    if isinstance(value, LoopContext) and len(keys) == 1 and keys[0] in _LOOP_FIELDS:
        return getattr(value, str(keys[0]))
    for depth, key in enumerate(keys):
        if value is None:
            return Unresolved(run, spell(label, keys[:depth]), empty=True)
        holder, value = value, lookup_child(value, key)
        if value is NOTHING:
            known = holder if isinstance(holder, dict) else ()
            return Unresolved(run, spell(label, keys[: depth + 1]), known=known)
    if value is None:
        return Unresolved(run, spell(label, keys), empty=True)
    if not isinstance(value, _JSON):
        why = "is nested too deeply to be read" if isinstance(value, TooDeep) else "cannot be used in a template"
        raise RenderError(f"{spell(label, keys)} {why}")
    return value


@pass_context
def _out(run: Run, value: Any, label: str) -> str:
    """Write a value, or keep it if it is the whole template."""
    run.charge(value)
    value = _settle(_lift(run, value, label))
    if run.native:
        run.kept = value
        return ""
    written = value if isinstance(value, str) else _text(value, label)
    if run.url is not None:
        run.url.add(run.written, written)
    return str(escape(written)) if run.html else written


def _operation(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make an operation of a function of plain values: counted, with an unresolved value passed on, and with its label.

    Passing it on makes `client.phone|trim|default("-")` work, and the error names the variable, not the filter.
    """

    @pass_context
    @wraps(function)
    def call(run: Run, value: Any, label: str, *args: Any, **named: Any) -> Any:
        run.charge(value, *args, *named.values())
        value = _lift(run, value, label)
        if isinstance(value, Unresolved):
            return value
        try:
            settled = {name: _settle(arg) for name, arg in named.items()}
            result = function(value, *map(_settle, args), **settled)
        except Unfit as unfit:
            raise RenderError(f"{label} {unfit}") from None
        except FAULTS:
            raise RenderError(f"{label} cannot be used here, or an argument cannot") from None
        run.charge(result)
        return _lift(run, result, label)

    return call


@pass_context
def _default(run: Run, value: Any, label: str, default_value: Any = "", boolean: bool = False) -> Any:
    run.charge()
    if value is None or isinstance(value, Unresolved) or (boolean and not value):
        return _lift(run, default_value, label)
    return value


@pass_context
def _escape(run: Run, value: Any, label: str) -> str:
    """Escape in text; in HTML every value is escaped when it is written."""
    run.charge(value)
    written = _text(_settle(_lift(run, value, label)), label)
    return written if run.html else str(escape(written))


@pass_context
def _urlencode(run: Run, value: Any, label: str) -> str:
    """Encode a value for any place of a URL; in a URL every value is encoded when it is written."""
    run.charge(value)
    written = _text(_settle(_lift(run, value, label)), label)
    return written if run.url is not None else quote(written, safe="", errors="replace")


@pass_context
def _raw(run: Run, value: Any, label: str) -> str:
    """Leave a value as it is in a URL, where it would be encoded."""
    run.charge(value)
    if run.html:
        raise RenderError(f"{label}: |raw is for URLs; in HTML every value is escaped")
    return Raw(_text(_settle(_lift(run, value, label)), label))


@pass_context
def _loop(run: Run, value: Any, label: str) -> list[Any]:
    """Count all iterations of a loop before the first; exact, since a template cannot leave a loop early."""
    run.charge()
    value = _lift(run, value, label)
    if isinstance(value, Unresolved):
        value.stand_in()
        return []
    if not isinstance(value, list):
        raise RenderError(f"{label} is not a list")
    run.iterations += len(value)
    if run.iterations > MAX_ITERATIONS:
        raise RenderError(f"the loops run more than {MAX_ITERATIONS:,} times, at {label}")
    return value


@pass_context
def _list(run: Run, *items: Any) -> list[Any]:
    run.charge(*items)
    return [_settle(item) for item in items]


@pass_context
def _concat(run: Run, *items: Any) -> str:
    run.charge(*items)
    try:
        return str(FILTERS["join"]([_settle(item) for item in items]))
    except Unfit as unfit:
        raise RenderError(f"a part joined with ~ {unfit}") from None


@pass_context
def _arithmetic(run: Run, left: Any, label: str, name: str, right: Any, right_label: str) -> Any:
    run.charge()
    operands = []
    for value, its_label in ((left, label), (right, right_label)):
        value = _lift(run, value, its_label)
        if isinstance(value, Unresolved):
            return value
        try:
            operands.append(number(value))
        except Unfit as unfit:
            if name in ("Add", "Sub") and is_moment(value):
                how = "plus" if name == "Add" else "minus"
                raise RenderError(f"{its_label} is a date or time: write {label}|{how}('2 days')") from None
            raise RenderError(f"{its_label} {unfit}") from None
    try:
        return calculate(name, *operands)
    except ZeroDivisionError:
        raise RenderError(f"{label} is divided by zero: {right_label}") from None
    except Unfit as unfit:
        raise RenderError(f"the result of {label} {unfit}") from None


def _comparable(run: Run, value: Any, label: str, *, or_null: bool) -> Any:
    value = _lift(run, value, label)
    if not isinstance(value, Unresolved):
        return value
    if not (value.empty and or_null):
        value.stand_in()
    return None


@pass_context
def _compare(run: Run, left: Any, label: str, name: str, right: Any, right_label: str) -> bool:
    """Compare scalars, or look for one in a list or text.  Null equals null alone, and has no order.

    Not lists: `{% set x = [x, x] %}` written 40 times makes two small lists that take very long to compare.
    """
    run.charge(left, right)
    looks_in, orders = name in ("in", "notin"), name not in ("in", "notin", "eq", "ne")
    left = _comparable(run, left, label, or_null=not orders)
    right = _comparable(run, right, right_label, or_null=not orders and not looks_in)
    if looks_in and right is None:
        right = []
    if orders and (left is None or right is None):
        return False
    if isinstance(left, list | dict) or (isinstance(right, list | dict) and not looks_in):
        raise RenderError(
            f"{label} cannot be compared with {right_label}: only text, numbers, true, false and none can"
        )
    try:
        return COMPARISONS[name](left, right)
    except TypeError:
        raise RenderError(f"{label} cannot be compared with {right_label}: they have different types") from None


@pass_context
def _numeral(run: Run, written: str) -> Numeral:
    """Return a number with a fraction, as it is written in the template."""
    run.charge()
    return Numeral(written)


@pass_context
def _is(run: Run, value: Any, label: str, name: str) -> bool:
    run.charge()
    null = value is None or (isinstance(value, Unresolved) and value.empty)
    unknown = isinstance(value, Unresolved) and not value.empty
    return {
        "defined": not unknown,
        "undefined": unknown,
        "none": null,
        "string": isinstance(value, str),
        "number": isinstance(value, int | Decimal) and not isinstance(value, bool),
    }[name]


OPERATIONS: dict[str, Callable[..., Any]] = {
    **{name: _operation(function) for name, function in (FILTERS | MOMENT_FILTERS).items()},
    "default": _default,
    "escape": _escape,
    "e": _escape,
    "urlencode": _urlencode,
    "raw": _raw,
    "*get": _get,
    "*out": _out,
    "*loop": _loop,
    "*list": _list,
    "*concat": _concat,
    "*arithmetic": _arithmetic,
    "*compare": _compare,
    "*is": _is,
    "*numeral": _numeral,
}
