"""The database that the settings name: which backend it is reached by, and its schema version."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minutehand.dashboard.page_threads import run_here
from minutehand.scheduler.config import BackendSettings
from minutehand.store import Json, Store
from minutehand.store.errors import BadConfiguration, SchemaMismatch, StoreError
from minutehand.store.records import Metrics


@dataclass(frozen=True, slots=True)
class Database:
    """A database that Minutehand works on."""

    #: For people, logs and summaries: `db.example.com:5432/app`, a project's host, `embedded /folder`; no credentials.
    name: str
    store: Store


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
        store = Store.postgres(url, backend=backend)
    try:
        if backend == "embedded" and not any_schema:
            await _migrate_if_older(store, url)
        yield Database(f"embedded {embedded_home(settings)}" if backend == "embedded" else store.location, store)
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
        if settings.database_url is None:
            raise BadConfiguration("the postgres backend needs DATABASE_URL")
        return settings.database_url
    if backend == "supabase":
        raise BadConfiguration(
            "a project's REST API cannot change tables: write a migration with `minutehand migrate --print > "
            "supabase/migrations/$(date -u +%Y%m%d%H%M%S)_minutehand.sql` and push it, or set DATABASE_URL to the "
            "project's connection string (Connect > Session pooler)"
        )
    from minutehand.store.embedded import Embedded

    return Embedded(embedded_home(settings)).start()


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


def check_schema_version(version: int, missing: list[str]) -> None:
    """Raise `SchemaMismatch` unless this is the program's own schema version, and nothing of it is `missing`."""
    from minutehand.store import schema

    needed = schema.version()
    if version < needed:
        raise SchemaMismatch(
            f"the database has schema version {version}, this program needs {needed}: run minutehand migrate"
        )
    if version > needed:
        raise SchemaMismatch(
            f"the database has schema version {version}, this program knows {needed}: upgrade minutehand"
        )
    if missing:
        raise SchemaMismatch(f"the database lacks {', '.join(missing[:5])}: run minutehand migrate")


async def check_schema(store: Store) -> None:
    """Ask the database for its schema version and check it.  Errors: `SchemaMismatch`, `StoreError`."""
    check_schema_version(*await store.schema())


async def read_metrics(store: Store, executor: str, run: Callable[..., Awaitable[Any]] = run_here) -> Metrics:
    """Return what `Store.metrics` returns, if it is of this program's schema, with the verdict on each workflow.

    `run` runs what costs CPU time.  Errors: `SchemaMismatch`, `StoreError`.
    """
    metrics = await store.metrics(facts=True)
    check_schema_version(metrics["schema_version"], metrics.get("missing", []))  # an older schema has no such key
    return {**metrics, "workflows": await run(_verdicts, metrics["workflows"], executor)}


def _verdicts(workflows: list[Json], executor: str) -> list[Json]:
    from minutehand.executor.workflow_check import diagnose, with_verdict

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
