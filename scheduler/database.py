"""The database that the settings name: which backend it is reached by, and its schema version."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minutehand.dashboard.page_threads import run_here
from minutehand.scheduler.config import BackendSettings
from minutehand.store import Json, Store
from minutehand.store.errors import AccessDenied, BadConfiguration, SchemaMismatch, StoreError
from minutehand.store.place import postgres_place, project_place, words
from minutehand.store.project import project_url

if TYPE_CHECKING:
    from minutehand.store.records import HiddenTable, Metrics


@dataclass(frozen=True, slots=True)
class Database:
    """A database that Minutehand works on."""

    #: Where it is: `db.example.com:5432/app`, a project's host, the embedded server's folder (store/place.py).
    name: str
    store: Store

    @property
    def where(self) -> str:
        """The backend and the name: what each summary says, `postgres db.example.com:5432/app`."""
        return words(self.store.backend, self.name)


def where(settings: BackendSettings) -> str:
    """Return the backend and the place of the database that the settings name; connects to nothing.

    Errors: `BadConfiguration`.
    """
    backend = choose_backend(settings)
    if backend == "supabase":
        return words(backend, project_place(project_url(supabase_project(settings)[0])))
    return words(backend, str(embedded_home(settings)) if backend == "embedded" else postgres_place(_url(settings)))


def where_json(settings: BackendSettings) -> Json:
    """Return the same as `where` for a program: `{"backend", "database"}`."""
    backend, _, database = where(settings).partition(" ")
    return {"backend": backend, "database": database}


@asynccontextmanager
async def open_database(settings: BackendSettings, *, any_schema: bool = False) -> AsyncIterator[Database]:
    """Open the database that the settings name; its connections close with the block.

    The embedded database is migrated here, unless `any_schema`: it is ours alone, and needs no setup.
    """
    url, backend = "", choose_backend(settings)
    if backend == "supabase":
        store = Store.supabase(*supabase_project(settings))
    else:
        url = start_postgres(settings)
        home = str(embedded_home(settings)) if backend == "embedded" else None
        store = Store.postgres(url, backend=backend, location=home)
    try:
        if backend == "embedded" and not any_schema:
            await _migrate_if_older(store, url)
        yield Database(store.location, store)
    finally:
        await store.close()


@asynccontextmanager
async def open_store(settings: BackendSettings, *, any_schema: bool = False) -> AsyncIterator[Store]:
    """Open the database, for callers that do not need its name."""
    async with open_database(settings, any_schema=any_schema) as database:
        yield database.store


def ask_store(settings: BackendSettings, verb: Callable[[Store], Awaitable[Any]]) -> Any:
    """Open the store, ask it one thing, and close it: what most commands do."""

    async def go() -> Any:
        async with open_store(settings) as store:
            await check_schema(store)  # one that hides its rows would answer "nothing"
            return await verb(store)

    return asyncio.run(go())


def choose_backend(settings: BackendSettings) -> str:
    """Return `postgres`, `supabase` or `embedded`: what --backend says, else by what is set.

    Errors: `BadConfiguration`.
    """
    if settings.backend is not None:
        return settings.backend
    if settings.database_url is not None:
        return "postgres"
    if settings.supabase_url is not None:
        return "supabase"
    if settings.home is not None or settings.at_terminal:
        return "embedded"
    raise BadConfiguration(
        "no database configured: set DATABASE_URL, or SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY, or MINUTEHAND_HOME "
        "to use an embedded PostgreSQL in that folder"
    )


def supabase_project(settings: BackendSettings) -> tuple[str, str]:
    """Return the Supabase project's URL and key.  Errors: `BadConfiguration` when one is missing."""
    if settings.supabase_url is None or settings.supabase_key is None:
        missing = "SUPABASE_URL" if settings.supabase_url is None else "SUPABASE_SERVICE_ROLE_KEY"
        raise BadConfiguration(f"{missing} is not set: the supabase backend needs SUPABASE_URL and "
                               "SUPABASE_SERVICE_ROLE_KEY (Settings > API Keys)")  # fmt: skip
    return settings.supabase_url, settings.supabase_key


def start_postgres(settings: BackendSettings) -> str:
    """Return the connection URL of the database; starts the embedded server if that is the backend.

    Errors: `BadConfiguration` when none is configured, or the backend is REST; `EmbeddedUnavailable`.
    """
    backend = choose_backend(settings)
    if backend == "postgres":
        return _url(settings)
    if backend == "supabase":
        raise BadConfiguration(
            "a project's REST API cannot change tables: write a migration with `minutehand migrate --print > "
            "supabase/migrations/$(date -u +%Y%m%d%H%M%S)_minutehand.sql` and push it, or set DATABASE_URL to the "
            "project's connection string (Connect > Session pooler)"
        )
    from minutehand.store.embedded import Embedded

    return Embedded(embedded_home(settings)).start()


def _url(settings: BackendSettings) -> str:
    from minutehand.store.database_url import database_url

    if settings.database_url is None:
        raise BadConfiguration("the postgres backend needs DATABASE_URL")
    return database_url(settings.database_url)


def embedded_home(settings: BackendSettings) -> Path:
    """Return the folder of the embedded server."""
    from minutehand.store.embedded import default_home

    return settings.home or default_home(os.environ)


async def _migrate_if_older(store: Store, url: str) -> None:
    from minutehand.store import schema

    try:
        if await store.schema_version() >= schema.version():
            return
    except SchemaMismatch:
        pass  # an empty database
    await schema.migrate(url)


def check_schema_version(
    version: int, missing: list[str], hidden: list[HiddenTable], *, place: str = "the database"
) -> None:
    """Raise `SchemaMismatch` unless this is the program's own schema version, and nothing of it is `missing`.

    Errors: `AccessDenied` if the rows of our own tables are hidden from us: what is due would look like nothing.
    """
    from minutehand.store import schema

    needed = schema.version()
    if hidden:
        table, role = hidden[0]["table"], hidden[0]["role"]
        more = f" and {len(hidden) - 1} more of our tables" if hidden[1:] else ""
        raise AccessDenied(
            f"{place}: row level security hides the rows of {table}{more} from role {role}, so nothing can run."
            " minutehand doctor prints the statements that mend it"
        )
    if version < needed:
        raise SchemaMismatch(
            f"{place} has schema version {version}, this program needs {needed}: run minutehand migrate"
        )
    if version > needed:
        raise SchemaMismatch(f"{place} has schema version {version}, this program knows {needed}: upgrade minutehand")
    if missing:
        raise SchemaMismatch(f"{place} lacks {', '.join(missing[:5])}: run minutehand migrate")


async def check_schema(store: Store) -> None:
    """Ask the database for its schema version and check it.  Errors: `SchemaMismatch`, `StoreError`."""
    state = await store.schema()
    check_schema_version(state["version"], state["missing"], state["hidden"], place=store.where)


async def read_metrics(store: Store, executor: str, run: Callable[..., Awaitable[Any]] = run_here) -> Metrics:
    """Return what `Store.metrics` returns, if it is of this program's schema, with the verdict on each workflow.

    `run` runs what costs CPU time.  Errors: `SchemaMismatch`, `StoreError`.
    """
    metrics = await store.metrics(facts=True)
    # An older schema has no such keys.
    missing, hidden = metrics.get("missing", []), metrics.get("hidden", [])
    check_schema_version(metrics["schema_version"], missing, hidden, place=store.where)
    return {**metrics, "workflows": await run(_verdicts, metrics["workflows"], executor)}


def _verdicts(workflows: list[Json], executor: str) -> list[Json]:
    from minutehand.executor.checks.workflow import diagnose, with_verdict

    verdicts = [with_verdict(facts, diagnose(facts, executor=executor)) for facts in workflows]
    for verdict in verdicts:
        del verdict["definition"]
    return verdicts


async def check_configuration(store: Store) -> None:
    """Raise `BadConfiguration` at the start of a long run; an unreachable database is no reason to end it.

    A refusal that may pass is repeated for a minute.
    """
    from minutehand.scheduler.process.reachable import UntilReachable

    ask = UntilReachable(asyncio.Event(), patience=lambda error: 0.0)
    try:
        await ask(lambda: check_schema(store))
    except BadConfiguration:
        raise
    except StoreError:
        return
