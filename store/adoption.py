"""What `migrate` will do to existing tables: each step with its lock, reported before it is done (R3).

Columns, indexes and triggers are read from our own SQL files and compared with the catalog, so there is no second list
to maintain.  The database itself finds the CHECKs that are too narrow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import psycopg
from psycopg.rows import dict_row

from minutehand.store.records import Json

#: Not statements: comments, and text that a function builds a statement from.
_ASIDE = re.compile(r"--.*|'(?:[^']|'')*'")
_RENAME = re.compile(r"alter index if exists public\.(\w+) rename to (\w+)")
_ALTER = re.compile(r"alter table public\.(\w+)((?:\s+add column if not exists [^,;]+[,;])+)")
_COLUMN = re.compile(r"add column if not exists (\w+)")
_INDEX = re.compile(r"create (?:unique )?index if not exists (\w+)\s+on public\.(\w+)")
_DEFAULTS = re.compile(r"alter table public\.(\w+)((?:\s+alter column \w+ set default [^,;]*[,;])+)")
_DEFAULT = re.compile(r"alter column (\w+)")
_TRIGGER = re.compile(r"create (?:or replace )?trigger (\w+) [\w ]+ on public\.(\w+)")

#: Existing tables: estimated rows (-1: never counted), and the names of their columns, indexes and triggers.
_EXISTING = """
select c.relname, c.reltuples::bigint,
       array(select attname::text from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped)
       || array(select i.relname::text from pg_index x join pg_class i on i.oid = x.indexrelid where x.indrelid = c.oid)
       || array(select tgname::text from pg_trigger where tgrelid = c.oid)
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relname = any (%s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of one existing table."""

    table: str
    #: Estimated; None when the database never counted them.
    rows: int | None
    what: str
    names: tuple[str, ...]
    lock: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A column, its default, an index or a trigger of a table."""

    table: str
    kind: str
    name: str

    def is_needed(self, names: set[str]) -> bool:
        """Return whether a table with these names lacks it; a default is set when its column exists."""
        return (self.name in names) == (self.kind == "default")


#: The text for each kind, and its lock.
_KINDS = {
    "column": ("add the columns", "ACCESS EXCLUSIVE; rewrites nothing"),
    "default": ("set the default, for new rows, of", "ACCESS EXCLUSIVE; rewrites nothing"),
    "index": ("build the indexes", "SHARE; reads each row once"),
    "check": ("replace by wider ones the CHECKs", "ACCESS EXCLUSIVE; reads each row once"),
    "trigger": ("add the triggers", "SHARE ROW EXCLUSIVE for an instant"),
}


async def plan(connection: psycopg.AsyncConnection[Any], sources: Iterable[str], checks: str) -> list[Step]:
    """Return what the SQL of `sources` will do to existing tables; `checks` defines `minutehand.narrow_checks`.

    Changes nothing: that function is created in a savepoint and rolled back.
    """
    sources = list(sources)
    wanted = [part for source in sources for part in parts(source)]
    renamed = {old: new for source in sources for old, new in _RENAME.findall(source)}
    async with connection.transaction(force_rollback=True):
        await connection.execute("create schema if not exists minutehand")
        await connection.execute(checks.encode())
        narrow = await (await connection.execute("select table_name, name from minutehand.narrow_checks()")).fetchall()
    rows = await connection.execute(
        _EXISTING, [sorted({part.table for part in wanted} | {table for table, _ in narrow})]
    )
    existing = {
        table: (count, {renamed.get(name, name) for name in names}) for table, count, names in await rows.fetchall()
    }
    todo = [part for part in wanted if part.table in existing and part.is_needed(existing[part.table][1])]
    todo += [_Part(table, "check", name) for table, name in narrow]
    todo.sort(key=lambda part: (part.table, list(_KINDS).index(part.kind)))
    return [
        _step(table, kind, tuple(part.name for part in group), rows=existing[table][0])
        for (table, kind), group in groupby(todo, key=lambda part: (part.table, part.kind))
    ]


#: The workflows with a problem; the function may be that of an earlier version, or missing.
_PROBLEMS = """
select w.id::text as id, w.name, coalesce(w.organization_id::text, w.user_id::text) as tenant,
       minutehand.{function}(w) as problem
from public.automation_workflows w
order by w.name, w.id
"""
_JUDGES = ("start_problem", "definition_problem")


async def unstarted(connection: psycopg.AsyncConnection[Any]) -> set[str]:
    """Return the ids of the workflows that start nothing by the functions that are installed, if any are."""
    query = (
        "select proname::text from pg_proc where pronamespace = to_regnamespace('minutehand') and proname = any (%s)"
    )
    found: set[str] = set()
    for (name,) in await (await connection.execute(query, [list(_JUDGES)])).fetchall():
        with suppress(psycopg.Error):  # an installed function that fails knows of none
            async with connection.transaction():
                found |= {one["id"] for one in await _problems(connection, name)}
    return found


async def stopped_workflows(
    connection: psycopg.AsyncConnection[Any], known: set[str], judging: Iterable[str] = ()
) -> list[Json]:
    """Return the workflows that start nothing, but those that are known: by `judging`, else by what is installed.

    Changes nothing, as `plan`.
    """
    async with connection.transaction(force_rollback=True):
        await connection.execute("create schema if not exists minutehand")
        row = await (await connection.execute("select to_regclass('public.automation_workflows') is null")).fetchone()
        if row and row[0]:
            return []
        for source in judging:
            await connection.execute(source.encode())
        return [one for one in await _problems(connection, "start_problem") if one["id"] not in known]


async def _problems(connection: psycopg.AsyncConnection[Any], function: str) -> list[Json]:
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(_PROBLEMS.format(function=function).encode())
    return [one for one in await cursor.fetchall() if one["problem"] is not None]


def parts(source: str) -> list[_Part]:
    """Return the columns, defaults, indexes and triggers that the SQL adds to tables.

    >>> parts("create index if not exists jobs_by_day on public.jobs (day);")
    [_Part(table='jobs', kind='index', name='jobs_by_day')]
    """
    source = _ASIDE.sub(lambda match: "" if match[0].startswith("--") else "''", source)
    return [
        *(_Part(table, "column", name) for table, added in _ALTER.findall(source) for name in _COLUMN.findall(added)),
        *(
            _Part(table, "default", name)
            for table, added in _DEFAULTS.findall(source)
            for name in _DEFAULT.findall(added)
        ),
        *(_Part(table, "index", name) for name, table in _INDEX.findall(source)),
        *(_Part(table, "trigger", name) for name, table in _TRIGGER.findall(source)),
    ]


def _step(table: str, kind: str, names: tuple[str, ...], *, rows: int) -> Step:
    what, lock = _KINDS[kind]
    return Step(table=table, rows=None if rows < 0 else rows, what=what, names=names, lock=lock)
