"""Whether the fields that a workflow names exist: in its conditions, its templates and its record actions.

It is judged against the watched tables and their links (`minutehand.installation`).  A workflow whose trigger type a
watched table emits sees that table's row, so a name that is not there is an error; what a workflow that is started
otherwise sees is not known, so there it is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from minutehand.executor.actions.contract import Step
from minutehand.executor.checks.seen_names import Seen, Table
from minutehand.executor.dialects import all_steps
from minutehand.executor.text.near import did_you_mean, near_words
from minutehand.store import Json

#: What is said of one workflow at most.
MAX_REMARKS = 10
_FIELD_KEYS = ("field", "property", "column")
_WRITES = {"update_record": "update", "create_record": "create"}
#: Without `body` they send all that templates see.
_CALLS = ("webhook", "function")
#: The client's column that a step without `to` sends to.
_TO_CLIENT = {"email": "email", "sms": "phone"}


class Remark(NamedTuple):
    """What is wrong with one name."""

    level: str
    #: The step's path; None: the trigger.
    step: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Tables:
    """The watched tables."""

    all: tuple[Table, ...]

    def emitting(self, type_: str) -> tuple[Table, ...]:
        """Return those whose changes have this trigger type."""
        return tuple(table for table in self.all if type_.startswith(f"{table.type}_"))

    def named(self, name: str) -> Table | None:
        """Return the table of this name."""
        return next((table for table in self.all if table.name == name), None)


def tables_of(installation: Json) -> Tables:
    """Return the tables of an installation, which keeps them: it is the same object for all workflows."""
    if "read" not in installation:
        installation["read"] = Tables(tuple(Table.of(row) for row in installation["tables"]))
    tables: Tables = installation["read"]
    return tables


def near_type(type_: str, tables: Tables) -> str | None:
    """Return the trigger type that may have been meant by one that no table emits."""
    word = "_".join("".join(c if c.isalnum() else " " for c in type_[:100]).lower().split())
    for table in tables.all:
        for prefix in (table.type, table.name.rpartition(".")[2]):
            if word.startswith(f"{prefix.lower()}_"):
                return f"{table.type}_{word[len(prefix) + 1 :]}"
    prefixes = {name: table.type for table in tables.all for name in (table.type, table.name.rpartition(".")[2])}
    for cut in [at for at, letter in enumerate(word) if letter == "_"][::-1]:
        if near := near_words(word[:cut], prefixes):
            return f"{prefixes[near[0]]}{word[cut:]}"
    return None


def check_fields(
    type_: str,
    fields: list[str],
    steps: tuple[Step, ...],
    tables: Tables,
    *,
    fills_in: bool,
    stop_fields: list[str] | None = None,
) -> list[Remark]:
    """Return what is wrong with the names of a workflow, at most `MAX_REMARKS`.

    `fields`: those of its trigger's conditions; `stop_fields`: of `settings.stop_when`.  `fills_in`:
    `settings.unresolved` puts something in the place of what does not exist, so that no template fails.
    """
    emitting = tables.emitting(type_)
    seen = Seen(emitting or tables.all, is_sure=bool(emitting), is_insert=type_.endswith("_created"))
    remarks: list[Remark] = []
    asked = (fields, stop_fields or []) if emitting else ([], [])
    for remark in _remarks(seen, asked, steps, tables, fills_in):
        if remark not in remarks:
            remarks.append(remark)
        if len(remarks) > MAX_REMARKS:
            more = Remark("warning", None, "more of its names are not known; only the first are listed")
            return [*remarks[:MAX_REMARKS], more]
    return remarks


def _remarks(
    seen: Seen, asked: tuple[list[str], list[str]], steps: tuple[Step, ...], tables: Tables, fills_in: bool
) -> Iterator[Remark]:
    for place, fields in zip(("conditions", "settings.stop_when"), asked, strict=True):
        for field in fields:
            if problem := seen.trigger_field(field):
                yield Remark("error", None, f"{place}: {problem}")
    if not tables.all:
        return
    ids = {step.key for step in all_steps(steps)}
    for step in all_steps(steps):
        for problem, is_certain in _step_problems(seen, step, ids):
            level = "error" if is_certain and seen.is_sure and not fills_in else "warning"
            yield Remark(level, step.path, problem)
        yield from (Remark("error", step.path, refusal) for refusal in _write_problems(step, tables, seen))
        if seen.is_sure and step.type in _CALLS and step.config.get("body") is None:
            yield Remark("note", step.path, seen.default_body())
        if seen.is_sure and (missing := _recipient_problem(step, seen)):
            yield Remark("note", step.path, missing)


def _step_problems(seen: Seen, step: Step, ids: set[str]) -> Iterator[tuple[str, bool]]:
    """Yield what is wrong with a step's templates and condition fields, and whether the step surely fails by it."""
    for place, template in _texts(step.config, ""):
        for problem, is_certain in seen.template_problems(template, ids):
            yield f"`{place}`: {problem}", is_certain
    if step.type == "condition":
        for field in _condition_fields(step.config.get("conditions")):
            if missing := seen.step_field(field):
                yield f"conditions: {missing}", True


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{place}.{key}" if place else str(key)[:60])
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, f"{place}[{number}]")


def _condition_fields(conditions: Any) -> Iterator[str]:
    stack = [conditions]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node[::-1])
        elif isinstance(node, dict):
            field = next((node[key] for key in _FIELD_KEYS if key in node), None)
            if isinstance(field, str) and "{{" not in field:
                yield field
            stack.extend(value for key, value in node.items() if key not in ("value", "values"))


def _write_problems(step: Step, tables: Tables, seen: Seen) -> Iterator[str]:
    """Yield why a record action is refused, as `minutehand.why_not_writable` would say it."""
    operation, name, values = _WRITES.get(step.type), step.config.get("table"), step.config.get("values")
    if operation is None or not isinstance(name, str) or "{{" in name or not isinstance(values, dict):
        return
    table = tables.named(name)
    if table is None or not table.is_writable:
        writable = [other.name for other in tables.all if other.is_writable]
        near = near_words(name, writable)
        hint = (
            f"did you mean {near[0]}?" if near else "an operator can allow it with: minutehand trigger add … --writable"
        )
        yield f"table {name[:60]!r} is not writable for automations; {hint}"
        return
    for column in map(str, values):
        if column not in table.written:
            yield f"table {name} has no column {column[:60]!r}{did_you_mean(column, table.written)}"
        elif column in table.tenant_columns:
            yield f"column {column} of {name} names the tenant: it cannot be written"
        elif operation == "update" and column == table.id:
            yield f"column {column} is the key of {name}: it cannot be changed"
        elif column in table.computed:
            yield f"column {column} of {name} is computed: it cannot be written"
    if operation == "update" and step.config.get("id") is None and seen.is_sure and table not in seen.tables:
        yield f"`id` is missing: the execution is not about a row of {name}"


def _recipient_problem(step: Step, seen: Seen) -> str | None:
    """Return why a step that sends to the client can find no address."""
    column = _TO_CLIENT.get(step.type)
    if column is None or step.config.get("to") is not None:
        return None
    return seen.client_problem(column)
