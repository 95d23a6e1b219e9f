"""The database schema: its SQL files, their order, and applying them (`migrate`, `migrate --print`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minutehand.store.errors import AccessDenied, Conflict, SchemaMismatch, at

# A cron run asks only for `version`: what migrates is imported there.
if TYPE_CHECKING:
    import psycopg

    from minutehand.store.adoption import Step
    from minutehand.store.records import Json

#: The advisory lock of every migration: "minuteha" in ASCII.  The transaction holds it, so it works behind a pooler.
_LOCK = 0x6D696E7574656861
#: How long to wait for a table of the app: its other users queue up behind us meanwhile.
LOCK_TIMEOUT = "10s"
#: The migrations that 0008_schema replaces, with their checksums.
_REPLACED = {
    "0001_tables": "fffedb674c2a03380d36ebc5764ce01d",
    "0002_adoption": "41d3c0dd8aab8c02b43272ccf510c14a",
    "0003_actions": "2921113fa13e26746a087723391f7ca3",
    "0004_alerts": "8d7fa542e7743b80245e26fc961c0f1d",
    "0005_order": "0d8a4741f79ee0048737f119699ebaf7",
    "0006_window": "aaaeaae90368f0328e040ee9df59de88",
    "0007_past": "d4ffe4722f1100b48be3045caa4f06c4",
}

#: How the printed schema begins: as `_migrate` does.
_BEGIN = f"""\
-- Minutehand's schema {{version}}, made by `minutehand migrate --print`: one transaction, safe to repeat.
begin;
set local client_min_messages = warning;
set local check_function_bodies = off;
set local lock_timeout = '{LOCK_TIMEOUT}';
do $$ begin perform pg_advisory_xact_lock({_LOCK}); end $$;"""

Tell = Callable[["list[Step]"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Result of a migration (with `dry_run`: what it would be): newly applied files and the version reached."""

    applied: list[str]
    #: Installed now, as `doctor` counts them; None after a dry run.
    functions: int | None
    version: int
    #: Workflows that start nothing by this version, and did by the last: `{"id", "name", "tenant", "problem"}`.
    stopped: list[Json]
    #: Links of watched tables whose rows no workflow sees (minutehand.closed_links).
    closed_links: list[Json]


def sql_root() -> Path:
    """Return the folder of the SQL files: inside this package in a wheel, beside it in a checkout."""
    here = Path(__file__).resolve().parent  # a checkout reaches the package through a link
    inside = here / "sql"
    return inside if inside.is_dir() else here.parent / "sql"


def migrations() -> list[Path]:
    """Return the migrations in order."""
    return sorted((sql_root() / "migrations").glob("[0-9]*.sql"))


def version() -> int:
    """Return the schema version that this program needs: the number of its newest migration."""
    return int(migrations()[-1].name[:4])


def checksum(path: Path) -> str:
    """Return the checksum of a file, to detect a migration that was edited after it was applied."""
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def functions() -> str:
    """Return the SQL that brings every function to its current state.  It is safe to run at any time."""
    root = sql_root()
    files = sorted((root / "functions").glob("*.sql"))
    names = ", ".join(f"'{path.stem}'" for path in files if path.stem.startswith("automation_"))
    parts = [(root / "replace.sql").read_text(encoding="utf-8").replace(":names", f"array[{names}]")]
    parts += [path.read_text(encoding="utf-8") for path in (*sorted((root / "internal").glob("*.sql")), *files)]
    parts += [(root / name).read_text(encoding="utf-8") for name in ("drop_stale.sql", "grants.sql", "finish.sql")]
    return "\n".join(parts)


def preflight() -> str:
    """Return the SQL that refuses tables which the migrations could not add to."""
    return (sql_root() / "preflight.sql").read_text(encoding="utf-8")


def script() -> str:
    """Return the whole schema as one file for `supabase/migrations/`.  It can be applied again after an upgrade.

    It is one transaction: applied only in part, its functions could be called by everybody.  Comments on the
    statements stay in our own files.
    """
    parts = [preflight()]
    for path in migrations():
        parts.append(path.read_text(encoding="utf-8"))
        parts.append(_record(path))
    parts.append(functions())
    lines = [line for line in "\n".join(parts).splitlines() if not line.startswith("--")]
    return "\n".join([_BEGIN.format(version=version()), *lines, "notify pgrst, 'reload schema';", "commit;"])


def _record(path: Path) -> str:
    values = f"('{path.stem}', '{checksum(path)}')"  # our own file names and hex digits
    return f"insert into public.automation_migrations (name, checksum) values {values} on conflict do nothing;"  # noqa: S608


async def migrate(url: str, *, tell: Tell = lambda steps: None, dry_run: bool = False) -> Report:
    """Bring the database at `url` to this program's schema, in one transaction.  Concurrent calls wait for each other.

    `tell` first gets what will be done to existing tables.  With `dry_run` nothing else happens.
    Errors: `SchemaMismatch` when the database is newer or a migration was edited, `BadRequest` when an existing table
    cannot be adopted, `Conflict` when a table is in use, `Unreachable`, `AccessDenied`.
    """
    async with one_transaction(url, again="Run migrate again when", dry_run=dry_run) as connection:
        return await _migrate(connection, tell, dry_run=dry_run)


@asynccontextmanager
async def one_transaction(url: str, *, again: str, dry_run: bool) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """Connect, and change the schema in one transaction; with `dry_run` roll it back.

    `again`: what to do when a table was in use: "Run migrate again when".  Errors: `Conflict` then, `Unreachable`,
    `AccessDenied`, and those of the block; each names the database.
    """
    import psycopg

    from minutehand.store.drivers.postgres_errors import explain
    from minutehand.store.place import where

    place = where(url)
    try:
        connection = await psycopg.AsyncConnection.connect(url, connect_timeout=10, prepare_threshold=None)
        async with connection, connection.transaction(force_rollback=dry_run):
            yield connection
    except AccessDenied as error:
        raise at(place, error) from None
    except psycopg.errors.LockNotAvailable as error:
        raise Conflict(
            f"{place}: a table was locked for more than {LOCK_TIMEOUT}; nothing was changed. {again} "
            "long transactions have ended (pg_stat_activity shows them)."
        ) from error
    except psycopg.Error as error:
        raise explain(place, error) from error


async def take_lock(connection: psycopg.AsyncConnection[Any]) -> None:
    """Wait until no other process migrates or uninstalls, until the end of the transaction."""
    await connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
    await connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")


async def _migrate(connection: psycopg.AsyncConnection[Any], tell: Tell, *, dry_run: bool) -> Report:
    from minutehand.store import adoption
    from minutehand.store.rights import check_owner

    await check_owner(connection, "migrate")
    await connection.execute("set local check_function_bodies = off")
    await take_lock(connection)
    await connection.execute(preflight().encode())
    pending = await _pending(connection)
    sources = [path.read_text(encoding="utf-8") for path in pending] + [functions()]
    if steps := await adoption.plan(
        connection, sources, (sql_root() / "internal" / "checks.sql").read_text(encoding="utf-8")
    ):
        tell(steps)
    known = await adoption.unstarted(connection)
    closed_links: list[Json] = []
    installed: int | None = None
    if not dry_run:
        for path in pending:
            await connection.execute(path.read_bytes())
            await connection.execute(_record(path).encode())
        await connection.execute(functions().encode())
        await connection.execute("notify pgrst, 'reload schema'")
        query = "select minutehand.closed_links(), (select count(*) from minutehand.installed)"
        closed_links, installed = await (await connection.execute(query)).fetchone() or ([], None)
    stopped = await adoption.stopped_workflows(connection, known, _judging() if dry_run else ())
    return Report(
        applied=[path.stem for path in pending],
        functions=installed,
        version=version(),
        stopped=stopped,
        closed_links=closed_links,
    )


def _judging() -> Iterable[str]:
    """Yield the SQL that judges workflows and needs no table of ours."""
    for name in ("fold", "text", "condition_forms", "trigger_config", "workflow", "schedules", "dates"):
        yield (sql_root() / "internal" / f"{name}.sql").read_text(encoding="utf-8")


async def _pending(connection: psycopg.AsyncConnection[Any]) -> list[Path]:
    """Return the migrations that are not applied yet.  Errors: `SchemaMismatch`."""
    checksums = {path.stem: checksum(path) for path in migrations()}
    done: dict[str, str] = {}
    exists = await (await connection.execute("select to_regclass('public.automation_migrations')::text")).fetchone()
    if exists and exists[0]:
        rows = await connection.execute("select name, checksum from public.automation_migrations")
        done = dict(await rows.fetchall())
    for name, stored in done.items():
        expected = (checksums | _REPLACED).get(name)
        if expected is None:
            raise SchemaMismatch(f"the database has migration {name}, unknown to this program: upgrade minutehand")
        if stored != expected:
            raise SchemaMismatch(f"migration {name} was edited after it was applied: restore the released file")
    return [path for path in migrations() if path.stem not in done]
