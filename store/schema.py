"""The database's schema: which files make it, in what order, and what is applied already."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from minutehand.store import adoption
from minutehand.store.drivers.postgres import explain, where
from minutehand.store.errors import Conflict, SchemaMismatch

#: One lock for all who migrate: "minutehand", as a number.  Held by the transaction, so that a pooler keeps it.
_LOCK = 0x6D696E7574656861
#: How long an app's table is waited for: whoever comes after us waits behind us.
_LOCK_TIMEOUT = "10s"

Tell = Callable[[list[adoption.Step]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a migration did, or with `dry_run` would do: names of the files newly applied, and the version reached."""

    applied: list[str]
    functions: int
    version: int


def sql_root() -> Path:
    """Return the folder of the SQL files: in a wheel inside this package, in a checkout beside it."""
    here = Path(__file__).resolve().parent  # in a checkout the package is reached through a link
    inside = here / "sql"
    return inside if inside.is_dir() else here.parent / "sql"


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
    parts = [(root / "replace.sql").read_text().replace(":names", f"array[{names}]")]
    parts += [path.read_text() for path in sorted((root / "internal").glob("*.sql"))]
    parts += [path.read_text() for path in files]
    parts += [(root / name).read_text() for name in ("grants.sql", "finish.sql")]
    return "\n".join(parts)


def preflight() -> str:
    """Return the SQL that refuses what the migrations could not lay themselves over."""
    return (sql_root() / "preflight.sql").read_text()


def script() -> str:
    """Return the whole schema as one file for `supabase/migrations/`; it may be applied again after an upgrade."""
    parts = ["-- Minutehand's schema, made by `minutehand migrate --print`.", preflight()]
    parts.append("set check_function_bodies = off;")
    for path in migrations():
        parts.append(path.read_text())
        parts.append(_record(path))
    parts += [functions(), "reset check_function_bodies;", "notify pgrst, 'reload schema';"]
    return "\n".join(parts)


def _record(path: Path) -> str:
    values = f"('{path.stem}', '{checksum(path)}')"  # our own file names and hex digits
    return f"insert into public.automation_migrations (name, checksum) values {values} on conflict do nothing;"  # noqa: S608


async def migrate(url: str, *, tell: Tell = lambda steps: None, dry_run: bool = False) -> Report:
    """Bring the database at `url` to this program's schema, in one transaction; several at once take turns.

    `tell` hears first what is done to tables that are there already.  With `dry_run` nothing else happens.
    Errors: `SchemaMismatch` when the database is newer or a migration was edited, `BadRequest` when what is there
    cannot be adopted, `Conflict` when a table is in use, `Unreachable`, `AccessDenied`.
    """
    place = where(url)
    try:
        connection = await psycopg.AsyncConnection.connect(url, connect_timeout=10, prepare_threshold=None)
        async with connection, connection.transaction(force_rollback=dry_run):
            return await _migrate(connection, tell, dry_run=dry_run)
    except psycopg.errors.LockNotAvailable as error:
        raise Conflict(
            f"{place}: a table is in use for longer than {_LOCK_TIMEOUT}; nothing was changed. Run migrate again when "
            "long transactions have ended (pg_stat_activity shows them)."
        ) from error
    except psycopg.Error as error:
        raise explain(place, error) from error


async def _migrate(connection: psycopg.AsyncConnection[Any], tell: Tell, *, dry_run: bool) -> Report:
    await connection.execute("set local check_function_bodies = off")
    await connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
    await connection.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT}'")
    await connection.execute(preflight().encode())
    pending = await _pending(connection)
    sources = [path.read_text() for path in pending] + [functions()]
    if steps := await adoption.plan(connection, sources, (sql_root() / "internal" / "checks.sql").read_text()):
        tell(steps)
    if not dry_run:
        for path in pending:
            await connection.execute(path.read_bytes())
            await connection.execute(_record(path).encode())
        await connection.execute(functions().encode())
        await connection.execute("notify pgrst, 'reload schema'")
    return Report(
        applied=[path.stem for path in pending],
        functions=len(list((sql_root() / "functions").glob("*.sql"))),
        version=version(),
    )


async def _pending(connection: psycopg.AsyncConnection[Any]) -> list[Path]:
    """Return the migrations that are still to be applied.  Errors: `SchemaMismatch`."""
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
    return [path for name, path in known.items() if name not in done]
