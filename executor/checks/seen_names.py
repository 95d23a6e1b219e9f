"""The names that templates and conditions see, of a row of certain tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from minutehand.executor.dialects.variables import lookup, lookup_child
from minutehand.executor.templates.filters import NOTHING
from minutehand.executor.text.near import did_you_mean, near_words
from minutehand.store import Json
from minutehand.store.secret_names import looks_secret

if TYPE_CHECKING:
    from minutehand.executor.templates.names import Variable

#: Names that apps use for the results of earlier steps.
_RESULTS = frozenset({"step", "steps", "previous", "previous_step", "result", "results", "output", "outputs"})
_TRIGGER = ("table_name", "operation", "record_id", "old_status", "new_status")
_PREFIXES = ("new", "old", "record")


class Anything(dict[str, Any]):
    """JSON whose keys are not known: it has each."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return it again, whatever the key."""
        return self


ANYTHING = Anything()


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of a table that are shown."""

    table: str
    #: Column -> `ANYTHING` where it may have fields of its own, else an empty text.
    row: Mapping[str, Any]
    excluded: frozenset[str]

    @classmethod
    def of(cls, row: Json) -> Columns:
        """Parse one table, or one link, of an installation."""
        excluded, nested = frozenset(row["excluded"]), set(row["nested"])
        shown = {name: ANYTHING if name in nested else "" for name in row["columns"] if name not in excluded}
        return cls(table=row["table"], row=shown, excluded=excluded)

    def missing(self, column: str) -> str:
        """Say that there is no such column."""
        if column in self.excluded:
            return f"column {column} of {self.table} is excluded (minutehand trigger add … --exclude)"
        return f"{self.table} has no column {column[:60]!r}{did_you_mean(column, self.row)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A watched table, and what its rows refer to."""

    name: str
    type: str
    id: str
    is_writable: bool
    columns: Columns
    #: All columns, also those that are not shown.
    written: tuple[str, ...]
    computed: frozenset[str]
    tenant_columns: frozenset[str]
    links: Mapping[str, Columns]
    #: Links whose rows are never shown.
    closed: frozenset[str]
    #: Name -> the column, and the table of another schema that it refers to.
    outside: Mapping[str, tuple[str, str]]

    def __hash__(self) -> int:
        """Tables are told apart by their names."""
        return hash(self.name)

    @classmethod
    def of(cls, row: Json) -> Table:
        """Parse one table of an installation."""
        return cls(
            name=row["table"],
            type=row["type"],
            id=row["id"],
            is_writable=row["writable"],
            columns=Columns.of(row),
            written=tuple(row["columns"]),
            computed=frozenset(row["computed"]),
            tenant_columns=frozenset(filter(None, (row["tenant"], row["user"]))),
            links={link["name"]: Columns.of(link) for link in row["links"]},
            closed=frozenset(link["name"] for link in row["links"] if link["is_closed"]),
            outside={one["name"]: (one["column"], one["table"]) for one in row["outside"]},
        )


class Seen:
    """What templates and conditions see, where the row is of one of these tables.

    `is_sure`: it surely is; else it may be another's, and the trigger may have fields of its own.  `is_insert`: the
    trigger is an INSERT, so there is no old row.
    """

    def __init__(self, tables: tuple[Table, ...], *, is_sure: bool, is_insert: bool) -> None:
        self.tables = tables
        self.is_sure = is_sure
        self._is_insert = is_insert
        trigger: Json = ANYTHING if not is_sure else dict.fromkeys(_TRIGGER, "") | {"payload": ANYTHING}
        self._others: Json = {"trigger": trigger, "workflow": {"id": "", "name": ""}, "now": ""}
        self._contexts = [self._context(table) for table in tables]

    def _context(self, table: Table) -> Json:
        links = {name: link.row for name, link in table.links.items()}
        old = {"old": None if self._is_insert else table.columns.row}
        return self._others | links | {table.type: table.columns.row} | old

    # --- templates --------------------------------------------------------------------------------------------------

    def template_problems(self, template: str, step_ids: set[str]) -> Iterator[tuple[str, bool]]:
        """Yield what is wrong with the variables of a template, and whether it surely fails by that."""
        if "{" not in template:
            return  # so that Jinja is not imported for it
        from minutehand.executor.templates.names import Need, variables_of

        for use in variables_of(template):
            if not any(_finds(context, use) for context in self._contexts):
                is_certain = use.need is Need.VALUE or (use.need is Need.ROW and not self._has_row(use.base))
                yield f"{{{{ {use} }}}}: {self._why_missing(use, step_ids)}", is_certain
            elif self.tables and (link := self._closed_link(use)):
                yield f"{{{{ {use} }}}}: {link}", use.need is Need.VALUE

    def _has_row(self, name: str) -> bool:
        return any(_root(context, name) is not NOTHING for context in self._contexts)

    def _closed_link(self, use: Variable) -> str | None:
        """Say why a link is never shown; None if it may be."""
        if not use.keys or not all(use.base in table.closed for table in self.tables):
            return None
        target = self.tables[0].links[use.base].table
        return (
            f"{use.base} is not shown: table {target} has no tenant column (minutehand trigger add … --global {target})"
        )

    def _why_missing(self, use: Variable, step_ids: set[str]) -> str:
        context, table = self._contexts[0], self.tables[0]
        if use.base == "old" and self._is_insert:
            return "a created row has no values from before"
        root = _root(context, use.base)
        if root is NOTHING:
            return self._why_no_row(use, step_ids)
        if not use.keys:
            return f"{use.base} is not known"
        return _why_no_field(context, table, use)

    def _why_no_row(self, use: Variable, step_ids: set[str]) -> str:
        context, table = self._contexts[0], self.tables[0]
        if use.base in table.outside:
            column, target = table.outside[use.base]
            fix = f"minutehand trigger add … --link {use.base}={column}:VIEW"
            return f"{use.base} is not shown: {target} is in another schema; link a view of it: {fix}"
        if use.base in _RESULTS | step_ids or use.base.rstrip("0123456789").rstrip("_") in _RESULTS:
            return "templates do not see the results of earlier steps"
        names = sorted(context, key=lambda name: (name not in (table.type, *table.links), name))
        if not use.keys:
            flat = {f"{row}_{key}": f"{row}.{key}" for row in (table.type, *table.links) for key in context[row]}
            if near := near_words(use.base, [*flat, *context[table.type], *names]):
                word = near[0]
                meant = flat.get(word) or (word if word in names else f"{table.type}.{word}")
                return f"there is no {use.base[:60]!r}; did you mean {meant}?"
        return f"there is no {use.base[:60]!r}{did_you_mean(use.base, names)}"

    # --- conditions -------------------------------------------------------------------------------------------------

    def trigger_field(self, field: str) -> str | None:
        """Say what is wrong with a field of the trigger's conditions; None if one of the tables has it."""
        if any(_has_field(table.columns.row, field) for table in self.tables):
            return None
        table = self.tables[0]
        root, _, rest = _without_prefix(field).partition(".")
        if rest and root in table.links:
            return (
                f"{field[:60]!r}: a trigger sees only the columns of {table.name}, no linked rows; "
                "put this condition into a condition step"
            )
        if rest and root == table.type:
            return f"{field[:60]!r}: a trigger's conditions name the columns of {table.name} alone: write {rest[:60]!r}"
        return _why_no_column(table.columns, field)

    def step_field(self, field: str) -> str | None:
        """Say what is wrong with a field of a condition step; None if it may exist.

        Spelling counts, unlike in templates.
        """
        others = [{k: v for k, v in context.items() if k not in ("old", "now")} for context in self._contexts]
        rows = [{**others, **table.columns.row} for table, others in zip(self.tables, others, strict=True)]
        if any(_has_field(row, field) for row in rows):
            return None
        table = self.tables[0]
        root, _, rest = _without_prefix(field).partition(".")
        if rest and root in (table.type, *table.links):
            columns = table.links.get(root, table.columns)
            return _why_no_column(columns, rest)
        if rest and root not in table.columns.row:
            return f"there is no {root[:60]!r}{did_you_mean(root, [table.type, *table.links])}"
        return _why_no_column(table.columns, field)

    def default_body(self) -> str:
        """Say what a call without `body` sends: rows whole, but for columns that look like secrets."""
        table = self.tables[0]
        rows = {table.type: table.columns, **{k: v for k, v in table.links.items() if k not in table.closed}}
        secret = [f"{name}.{key}" for name, columns in rows.items() for key in columns.row if looks_secret(key)]
        left_out = f", without {', '.join(secret[:8])}{', …' if len(secret) > 8 else ''}" if secret else ""
        return f"without `body` it sends the whole {', '.join(list(rows)[:12])}, old and trigger{left_out}"

    def client_problem(self, column: str) -> str | None:
        """Say why a step that sends to the client finds no address; None if it may."""
        clients = [table.links[name] for table in self.tables for name in ("client", "customer") if name in table.links]
        types = {table.type for table in self.tables}
        if {"client", "customer"} & types or any(column in client.row for client in clients):
            return None
        if clients:
            return f"it has no `to`, and {clients[0].missing(column)}"
        return f"it has no `to`, and {self.tables[0].name} has no link `client`"


def _root(context: Json, name: str) -> Any:
    """Look a first-level name up as a template does."""
    found = context.get(name, NOTHING)
    return lookup(context, name) if found is NOTHING else found


def _finds(context: Json, use: Variable) -> bool:
    value = _root(context, use.base)
    for key in use.keys:
        if value is None or value is NOTHING:
            return False
        value = lookup_child(value, key)
    return value is not NOTHING and value is not None


def _why_no_field(context: Json, table: Table, use: Variable) -> str:
    """Say which field of a path that begins with a row does not exist."""
    value, path = _root(context, use.base), use.base
    for key in use.keys:
        inner = lookup_child(value, key)
        if inner is NOTHING:
            break
        value, path = inner, f"{path}.{key}"
    key = str(key)
    if not isinstance(value, Mapping):
        return f"{path[:60]} has no fields"
    if key in context and use.base in ("trigger", "workflow"):
        return f"{use.base} has no {key[:60]!r}; did you mean {{{{ {key} }}}}?"
    for columns in (table.columns, *table.links.values()):
        if value is columns.row:
            return columns.missing(key)
    return f"{path[:60]} has no {key[:60]!r}{did_you_mean(key, value)}"


def _has_field(row: Mapping[str, Any], field: str) -> bool:
    """Look a field of a condition up, as `minutehand.evaluate_condition` does."""
    if field in row:
        return True
    path = field.split(".")
    if path[0] in _PREFIXES and len(path) > 1 and path[0] not in row:
        path = path[1:]
    if path[0] not in row:
        return False
    value = row[path[0]]
    return len(path) == 1 or value is ANYTHING or (isinstance(value, Mapping) and path[1] in value)


def _without_prefix(field: str) -> str:
    root, _, rest = field.partition(".")
    return rest if rest and root in _PREFIXES else field


def _why_no_column(columns: Columns, field: str) -> str:
    name, _, rest = _without_prefix(field).partition(".")
    if rest and name in columns.row:
        return f"column {name} of {columns.table} has no fields"
    return columns.missing(name)
