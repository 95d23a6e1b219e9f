"""The schema on a hosted project: as a migration of the app's or by a connection string, it is one and the same."""

from __future__ import annotations

import asyncio

import pytest

from minutehand.store import schema
from tests.journeys.app import wait_until
from tests.schema.catalog import catalog
from tests.supabase.client import knows
from tests.supabase.stack import Stack, on_both_stacks

pytestmark = on_both_stacks


@pytest.mark.parametrize("legacy_grants", [False, True], ids=["new-grants", "legacy-grants"])
def test_the_printed_file_and_migrate_make_one_schema(stack: Stack, legacy_grants: bool) -> None:
    with stack.project(legacy_grants=legacy_grants) as printed:
        by_file = catalog(printed.database)
    with stack.project(legacy_grants=legacy_grants, migrated=False) as project:
        assert not any(name.startswith("function automation_") for name in catalog(project.database))
        asyncio.run(schema.migrate(project.owner.url))
        by_command = catalog(project.database)
    assert by_command == by_file
    assert any("minutehand_own_tenant" in name for name in by_file)


def test_the_file_ends_with_the_reload_of_the_apis_cache(stack: Stack) -> None:
    with stack.project(migrated=False) as project:
        assert not knows(project, "automation_schema_version")
        project.owner.connection.execute(schema.script().encode())
        wait_until(lambda: knows(project, "automation_schema_version"), "the API to learn of our functions")
