"""Which road to the database, and the store at its end (design.md §3)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from scheduler.settings import RoadSettings
from store import Store
from store.errors import BadConfiguration, SchemaMismatch


@asynccontextmanager
async def open_store(settings: RoadSettings, *, any_schema: bool = False) -> AsyncIterator[Store]:
    """Open the store; its connections close with the block.

    `any_schema` is for those who look at the schema themselves.  The embedded database is brought up to date here: it
    is ours alone, and nobody migrates what they have not set up.
    """
    url, road = database(settings)
    store = Store.postgres(url, road=road)
    try:
        if road == "embedded" and not any_schema:
            await _bring_up_to_date(store, url)
        yield store
    finally:
        await store.close()


def database(settings: RoadSettings) -> tuple[str, str]:
    """Return the database's URL and the road's name; starts the embedded server where that is the road.

    Errors: `BadConfiguration` when nothing was named and nobody is there, `EmbeddedUnavailable`.
    """
    road = settings.road or _road_of(settings)
    if road == "postgres":
        if settings.database_url is None:
            raise BadConfiguration("the postgres road needs DATABASE_URL")
        return settings.database_url, "postgres"
    if road == "supabase":
        raise BadConfiguration(
            "the Supabase road (SUPABASE_URL) is not built yet: set DATABASE_URL to the project's connection string "
            "(Supabase: Connect > Session pooler)"
        )
    from store.embedded import Embedded

    return Embedded(embedded_home(settings)).start(), "embedded"


def embedded_home(settings: RoadSettings) -> Path:
    """Return the folder of the embedded server."""
    from store.embedded import default_home

    return settings.home or default_home(os.environ)


def _road_of(settings: RoadSettings) -> str:
    if settings.database_url is not None:
        return "postgres"
    if settings.supabase_url is not None:
        return "supabase"
    if settings.home is not None or settings.at_terminal:
        return "embedded"
    raise BadConfiguration(
        "no database configured: set DATABASE_URL, or MINUTEHAND_HOME to use an embedded PostgreSQL in that folder"
    )


async def _bring_up_to_date(store: Store, url: str) -> None:
    from store import schema

    try:
        if await store.schema_version() >= schema.version():
            return
    except SchemaMismatch:
        pass  # nothing there yet
    await schema.migrate(url)


def check_schema(found: int) -> None:
    """Raise `SchemaMismatch` unless the database has this program's schema."""
    from store import schema

    wanted = schema.version()
    if found < wanted:
        raise SchemaMismatch(
            f"the database's schema is at {found}, this program needs {wanted}: run minutehand migrate"
        )
    if found > wanted:
        raise SchemaMismatch(f"the database's schema is at {found}, this program knows {wanted}: upgrade minutehand")
