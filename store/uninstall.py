"""Remove Minutehand from a database (`minutehand uninstall`): what is ours by identity, and nothing of the app's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import psycopg

from minutehand.store import adoption, schema
from minutehand.store.errors import BadRequest, SchemaMismatch
from minutehand.store.place import where
from minutehand.store.rights import check_owner

_TABLE = re.compile(r"create (?:unlogged )?table if not exists (public|minutehand)\.(\w+)")


@dataclass(frozen=True, slots=True)
class Removal:
    """What was removed, as (kind, name), and what is left, as (what, SQL that removes it)."""

    removed: list[tuple[str, str]]
    left: list[tuple[str, str]]


async def uninstall(url: str, *, with_history: bool, dry_run: bool = False) -> Removal:
    """Remove everything of ours in one transaction; with `dry_run` roll it back.

    Errors: `SchemaMismatch` when no schema of this version is there, `BadRequest` when an object of the app uses one
    of ours, `Conflict` when a table is in use, `Unreachable`, `AccessDenied`.
    """
    place = where(url)
    again = "Stop the processors, and run uninstall again when"
    async with schema.one_transaction(url, again=again, dry_run=dry_run) as connection:
        try:
            return await _uninstall(connection, place, with_history=with_history)
        except psycopg.errors.DependentObjectsStillExist as error:
            raise BadRequest(
                f"{place}: {error.diag.message_primary}; nothing was changed. {error.diag.message_hint or ''}".strip()
            ) from error


async def _uninstall(connection: psycopg.AsyncConnection[Any], place: str, *, with_history: bool) -> Removal:
    await schema.take_lock(connection)
    await _check(connection, place)
    await connection.execute("create temporary table minutehand_own (kind text, name text) on commit drop")
    await connection.cursor().executemany("insert into minutehand_own values (%s, %s)", _own())
    setting = "on" if with_history else "off"
    await connection.execute("select set_config('minutehand.with_history', %s, true)", [setting])
    await connection.execute((schema.sql_root() / "uninstall.sql").read_bytes())
    removed = await (await connection.execute("select kind, name from minutehand_removed")).fetchall()
    left = await (await connection.execute("select what, command from minutehand_left")).fetchall()
    await connection.execute("notify pgrst, 'reload schema'")
    return Removal(removed, left)


async def _check(connection: psycopg.AsyncConnection[Any], place: str) -> None:
    """Refuse a database without our schema, or with one of another version: its functions say what is ours."""
    query = (
        "select to_regclass('public.automation_migrations') is not null and to_regnamespace('minutehand') is not null"
    )
    row = await (await connection.execute(query)).fetchone()
    if not row or not row[0]:
        raise SchemaMismatch(f"{place}: Minutehand is not installed here; nothing to remove")
    await check_owner(connection, "uninstall")
    rows = await connection.execute("select name from public.automation_migrations")
    names = {name for (name,) in await rows.fetchall()}
    if names != {path.stem for path in schema.migrations()}:
        raise SchemaMismatch(
            f"{place}: the schema is not of this program's version {schema.version()}: run `minutehand migrate` first "
            "(or upgrade minutehand if the schema is newer), then uninstall"
        )


def _own() -> list[tuple[str, str]]:
    """Return the tables, indexes and columns that our migrations create."""
    sources = [path.read_text() for path in schema.migrations()] + [schema.functions()]
    kinds = {"public": "table", "minutehand": "minutehand table"}
    own = {(kinds[place], name) for source in sources for place, name in _TABLE.findall(source)}
    for part in (part for source in sources for part in adoption.parts(source)):
        if part.kind == "index":
            own.add(("index", part.name))
        elif part.kind == "column":
            own.add((f"column of {part.table}", part.name))
    return sorted(own)
