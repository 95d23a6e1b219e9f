from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from scheduler.road import check_schema, database, open_store
from scheduler.settings import RoadSettings
from store import schema
from store.embedded import Embedded
from store.errors import BadConfiguration, SchemaMismatch
from tests.servers import temporary_folder


def road(**given) -> RoadSettings:
    nothing = {"database_url": None, "home": None, "road": None, "supabase_url": None, "at_terminal": False}
    return RoadSettings(**(nothing | given))


def test_a_named_database_wins(tmp_path):
    named = road(database_url="postgresql://x/y", home=tmp_path, supabase_url="https://example.com", at_terminal=True)
    assert database(named) == ("postgresql://x/y", "postgres")


def test_from_cron_with_nothing_set_there_is_no_database():
    with pytest.raises(BadConfiguration, match="no database configured: set DATABASE_URL"):
        database(road())


def test_the_postgres_road_needs_its_url():
    with pytest.raises(BadConfiguration, match="needs DATABASE_URL"):
        database(road(road="postgres", home=Path("/nowhere")))


@pytest.mark.parametrize("given", [{"supabase_url": "https://example.com"}, {"road": "supabase"}])
def test_the_road_that_is_not_built_says_what_to_do(given):
    with pytest.raises(BadConfiguration, match="Session pooler"):
        database(road(**given))


def test_the_embedded_database_is_started_and_brought_up_to_date():
    with temporary_folder() as folder:
        server = Embedded(folder / "home")
        try:

            async def look() -> tuple[str, int]:
                async with open_store(
                    road(home=server.home, supabase_url="https://example.com", road="embedded")
                ) as store:
                    return store.road, await store.schema_version()

            assert asyncio.run(look()) == ("embedded", schema.version())
            assert asyncio.run(look()) == ("embedded", schema.version())
        finally:
            server.stop()


def test_only_this_programs_schema_passes():
    check_schema(schema.version())
    with pytest.raises(SchemaMismatch, match="run minutehand migrate"):
        check_schema(schema.version() - 1)
    with pytest.raises(SchemaMismatch, match="upgrade minutehand"):
        check_schema(schema.version() + 1)
