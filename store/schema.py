"""The database's schema: which files make it, in what order, and what is applied already."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from store.drivers.postgres import explain, where
from store.errors import SchemaMismatch

#: One lock for all who migrate: "minutehand", as a number.  Held by the transaction, so that a pooler keeps it.
_LOCK = 0x6D696E7574656861


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a migration did: names of the files newly applied, and the version reached."""

    applied: list[str]
    functions: int
    version: int


def sql_root() -> Path:
    """Return the folder of the SQL files: in a wheel inside this package, in a checkout beside it."""
    inside = Path(__file__).parent / "sql"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "sql"


def migrations() -> list[Path]:
    """Return the migrations in order."""
    return sorted((sql_root() / "migrations").glob("[0-9]*.sql"))


def version() -> int:
    """Return the schema version that this program speaks: the number of its newest migration."""
    return int(migrations()[-1].name[:4])


def checksum(path: Path) -> str:
    """Return what tells whether an applied migration was edited afterwards."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def functions() -> str:
    """Return the SQL that brings every function to its current state: safe to run at any time."""
    root = sql_root()
    files = sorted((root / "functions").glob("*.sql"))
    names = ", ".join(f"'{path.stem}'" for path in files if path.stem.startswith("automation_"))
    parts = [path.read_text() for path in sorted((root / "helpers").glob("*.sql"))]
    parts.append((root / "replace.sql").read_text().replace(":names", f"array[{names}]"))
    parts += [path.read_text() for path in files]
    parts.append((root / "grants.sql").read_text())
    return "\n".join(parts)


def script() -> str:
    """Return the whole schema as one file for `supabase/migrations/`; it may be applied again after an upgrade."""
    parts = ["-- Minutehand's schema, made by `minutehand migrate --print`.", "set check_function_bodies = off;"]
    for path in migrations():
        parts.append(path.read_text())
        parts.append(_record(path))
    parts += [functions(), "reset check_function_bodies;", "notify pgrst, 'reload schema';"]
    return "\n".join(parts)


def _record(path: Path) -> str:
    values = f"('{path.stem}', '{checksum(path)}')"  # our own file names and hex digits
    return f"insert into public.automation_migrations (name, checksum) values {values} on conflict do nothing;"  # noqa: S608


async def migrate(url: str) -> Report:
    """Bring the database at `url` to this program's schema, in one transaction; several at once take turns.

    Errors: `SchemaMismatch` when the database is newer or a migration was edited, `Unreachable`, `AccessDenied`.
    """
    place = where(url)
    try:
        connection = await psycopg.AsyncConnection.connect(url, connect_timeout=10, prepare_threshold=None)
        async with connection, connection.transaction():
            return await _migrate(connection)
    except psycopg.Error as error:
        raise explain(place, error) from error


async def _migrate(connection: psycopg.AsyncConnection[Any]) -> Report:
    await connection.execute("set local check_function_bodies = off")
    await connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
    known = {path.stem: path for path in migrations()}
    exists = await (await connection.execute("select to_regclass('public.automation_migrations')::text")).fetchone()
    done: dict[str, str] = {}
    if exists and exists[0]:
        rows = await connection.execute("select name, checksum from public.automation_migrations")
        done = dict(await rows.fetchall())
    for name, stored in done.items():
        if name not in known:
            raise SchemaMismatch(f"the database has migration {name}, which this program does not know: upgrade it")
        if stored != checksum(known[name]):
            raise SchemaMismatch(f"migration {name} was edited after it was applied: restore the released file")
    applied = [path for name, path in known.items() if name not in done]
    for path in applied:
        await connection.execute(path.read_bytes())
        await connection.execute(_record(path).encode())
    await connection.execute(functions().encode())
    await connection.execute("notify pgrst, 'reload schema'")
    return Report(
        applied=[path.stem for path in applied],
        functions=len(list((sql_root() / "functions").glob("*.sql"))),
        version=version(),
    )
