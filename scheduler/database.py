"""Opens the database that the settings name: which backend, and a `Store` for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from minutehand.scheduler.config import BackendSettings
from minutehand.store import Json, Store
from minutehand.store.errors import BadConfiguration, SchemaMismatch, StoreError


@asynccontextmanager
async def open_store(settings: BackendSettings, *, any_schema: bool = False) -> AsyncIterator[Store]:
    """Open the store; its connections close with the block.

    `any_schema` is for those who look at the schema themselves.  The embedded database is brought up to date here: it
    is ours alone, and nobody migrates what they have not set up.
    """
    if backend_of(settings) == "supabase":
        store = Store.supabase(*project(settings))
    else:
        url, backend = database(settings)
        store = Store.postgres(url, backend=backend)
    try:
        if store.backend == "embedded" and not any_schema:
            await _bring_up_to_date(store, url)
        yield store
    finally:
        await store.close()


def ask_store(settings: BackendSettings, verb: Callable[[Store], Awaitable[Any]]) -> Any:
    """Open the store, ask it one thing, and close it: what most commands do."""

    async def go() -> Any:
        async with open_store(settings) as store:
            return await verb(store)

    return asyncio.run(go())


def project(settings: BackendSettings) -> tuple[str, str]:
    """Return the Supabase project's URL and key.  Errors: `BadConfiguration` when one is missing."""
    if settings.supabase_url is None or settings.supabase_key is None:
        missing = "SUPABASE_URL" if settings.supabase_url is None else "SUPABASE_SERVICE_ROLE_KEY"
        raise BadConfiguration(f"{missing} is not set: a Supabase project is named by SUPABASE_URL and "
                               "SUPABASE_SERVICE_ROLE_KEY (Settings > API Keys)")  # fmt: skip
    return settings.supabase_url, settings.supabase_key


def database(settings: BackendSettings) -> tuple[str, str]:
    """Return the database's URL and the backend's name; starts the embedded server where that is the backend.

    Errors: `BadConfiguration` when nothing was named and nobody is there, `EmbeddedUnavailable`.
    """
    backend = backend_of(settings)
    if backend == "postgres":
        if settings.database_url is None:
            raise BadConfiguration("the postgres backend needs DATABASE_URL")
        return settings.database_url, "postgres"
    if backend == "supabase":
        raise BadConfiguration(
            "a project's REST API changes no tables: write a migration with `minutehand migrate --print > "
            "supabase/migrations/$(date -u +%Y%m%d%H%M%S)_minutehand.sql` and push it, or set DATABASE_URL to the "
            "project's connection string (Connect > Session pooler)"
        )
    from minutehand.store.embedded import Embedded

    return Embedded(embedded_home(settings)).start(), "embedded"


def embedded_home(settings: BackendSettings) -> Path:
    """Return the folder of the embedded server."""
    from minutehand.store.embedded import default_home

    return settings.home or default_home(os.environ)


def backend_of(settings: BackendSettings) -> str:
    """Return the backend's name: what was asked for, else by what is set.  Errors: `BadConfiguration`."""
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


async def _bring_up_to_date(store: Store, url: str) -> None:
    from minutehand.store import schema

    try:
        if await store.schema_version() >= schema.version():
            return
    except SchemaMismatch:
        pass  # nothing there yet
    await schema.migrate(url)


def check_schema(found: int) -> None:
    """Raise `SchemaMismatch` unless the database has this program's schema."""
    from minutehand.store import schema

    wanted = schema.version()
    if found < wanted:
        raise SchemaMismatch(
            f"the database's schema is at {found}, this program needs {wanted}: run minutehand migrate"
        )
    if found > wanted:
        raise SchemaMismatch(f"the database's schema is at {found}, this program knows {wanted}: upgrade minutehand")


async def look_at_schema(store: Store) -> None:
    """Ask the database which schema it has.  Errors: `SchemaMismatch` unless it is this program's, `StoreError`."""
    check_schema(await store.schema_version())


async def look_at_figures(store: Store, *, steps: bool = False) -> Json:
    """Return what `Store.metrics` returns.  Errors: `SchemaMismatch` when it may mean something else, `StoreError`."""
    metrics = await store.metrics(steps=steps)
    check_schema(metrics["schema_version"])
    return metrics


async def refuse_bad_configuration(store: Store) -> None:
    """End a long run at its beginning on what no waiting mends; a database that is away may come back.

    Errors: `BadConfiguration`.
    """
    try:
        await look_at_schema(store)
    except BadConfiguration:
        raise
    except StoreError:
        return
