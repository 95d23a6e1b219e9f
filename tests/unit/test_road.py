from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from minutehand.scheduler.config import RoadSettings
from minutehand.scheduler.database import check_schema, database, open_store, project, road_of
from minutehand.store import schema
from minutehand.store.embedded import Embedded
from minutehand.store.errors import BadConfiguration, SchemaMismatch
from tests.servers import temporary_folder


def road(**given) -> RoadSettings:
    return RoadSettings(**given)


def test_a_named_database_wins(tmp_path):
    named = road(database_url="postgresql://x/y", home=tmp_path, supabase_url="https://example.com", at_terminal=True)
    assert database(named) == ("postgresql://x/y", "postgres")


def test_from_cron_with_nothing_set_there_is_no_database():
    with pytest.raises(BadConfiguration, match="no database configured: set DATABASE_URL"):
        database(road())


def test_the_postgres_road_needs_its_url():
    with pytest.raises(BadConfiguration, match="needs DATABASE_URL"):
        database(road(road="postgres", home=Path("/nowhere")))


def test_a_project_takes_the_supabase_road_and_needs_both_variables():
    both = {"supabase_url": "https://example.com", "supabase_key": "sb_secret_x"}
    assert road_of(road(**both, at_terminal=True)) == "supabase"
    assert project(road(**both)) == ("https://example.com", "sb_secret_x")
    for name, variable in (("supabase_url", "SUPABASE_URL"), ("supabase_key", "SUPABASE_SERVICE_ROLE_KEY")):
        with pytest.raises(BadConfiguration, match=f"^{variable} is not set"):
            project(road(**(both | {name: None})))


def test_what_needs_more_than_the_rest_api_says_what_to_do():
    with pytest.raises(BadConfiguration, match=r"migrate --print(.|\n)*Session pooler"):
        database(road(supabase_url="https://example.com", supabase_key="sb_secret_x"))


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
