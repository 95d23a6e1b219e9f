from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from minutehand.scheduler.config import BackendSettings
from minutehand.scheduler.database import (
    check_schema_version,
    choose_backend,
    open_database,
    start_postgres,
    supabase_project,
)
from minutehand.store import schema
from minutehand.store.embedded import Embedded
from minutehand.store.errors import AccessDenied, BadConfiguration, SchemaMismatch
from minutehand.store.records import HiddenTable
from tests.servers import temporary_folder


def backend(**given) -> BackendSettings:
    return BackendSettings(**given)


def test_a_named_database_wins(tmp_path):
    named = backend(
        database_url="postgresql://x/y", home=tmp_path, supabase_url="https://example.com", at_terminal=True
    )
    assert (start_postgres(named), choose_backend(named)) == ("postgresql://x/y", "postgres")


def test_from_cron_with_nothing_set_there_is_no_database():
    with pytest.raises(BadConfiguration, match="no database configured: set DATABASE_URL"):
        start_postgres(backend())


def test_the_postgres_backend_needs_its_url():
    with pytest.raises(BadConfiguration, match="needs DATABASE_URL"):
        start_postgres(backend(backend="postgres", home=Path("/nowhere")))


def test_a_project_takes_the_supabase_backend_and_needs_both_variables():
    both = {"supabase_url": "https://example.com", "supabase_key": "sb_secret_x"}
    assert choose_backend(backend(**both, at_terminal=True)) == "supabase"
    assert supabase_project(backend(**both)) == ("https://example.com", "sb_secret_x")
    for name, variable in (("supabase_url", "SUPABASE_URL"), ("supabase_key", "SUPABASE_SERVICE_ROLE_KEY")):
        with pytest.raises(BadConfiguration, match=f"^{variable} is not set"):
            supabase_project(backend(**(both | {name: None})))


def test_migrating_over_rest_says_what_to_do_instead():
    with pytest.raises(BadConfiguration, match=r"migrate --print(.|\n)*Session pooler"):
        start_postgres(backend(supabase_url="https://example.com", supabase_key="sb_secret_x"))


def test_the_embedded_database_is_started_and_brought_up_to_date():
    with temporary_folder() as folder:
        server = Embedded(folder / "home")
        try:

            async def look() -> tuple[str, int]:
                async with open_database(
                    backend(home=server.home, supabase_url="https://example.com", backend="embedded")
                ) as database:
                    return database.name, await database.store.schema_version()

            assert asyncio.run(look()) == (str(server.home), schema.version())
            assert asyncio.run(look()) == (str(server.home), schema.version())
        finally:
            server.stop()


def test_only_this_programs_schema_passes():
    check_schema_version(schema.version(), [], [])
    with pytest.raises(SchemaMismatch, match="run minutehand migrate"):
        check_schema_version(schema.version() - 1, [], [])
    with pytest.raises(SchemaMismatch, match="upgrade minutehand"):
        check_schema_version(schema.version() + 1, [], [])
    with pytest.raises(SchemaMismatch, match="the database lacks a, b: run minutehand migrate"):
        check_schema_version(schema.version(), ["a", "b"], [])
    hidden: list[HiddenTable] = [{"table": name, "role": "own", "forced": True} for name in ("a", "b")]
    with pytest.raises(AccessDenied, match="hides the rows of a and 1 more of our tables from role own"):
        check_schema_version(0, [], hidden)


@pytest.mark.parametrize(
    ("named", "name"),
    [
        ({"database_url": "postgresql://app:hush@db.example.com:5432/shop"}, "db.example.com:5432/shop"),
        ({"supabase_url": "https://abc.supabase.co/rest/v1", "supabase_key": "sb_secret_x"}, "abc.supabase.co"),
    ],
)
def test_the_name_of_a_database_has_no_credentials(named, name):
    async def open_it() -> str:
        async with open_database(backend(**named)) as database:
            return database.name

    assert asyncio.run(open_it()) == name
