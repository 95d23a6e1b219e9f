"""JSON that an adopted table takes and jsonb does not: its row ends alone, even where it stands alone."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from minutehand.store.schema import migrate
from tests.adopted import NORTH, old_app, workflow
from tests.servers import Database, on_both_servers

pytestmark = on_both_servers


@pytest.fixture
def adopted(empty_database: Database) -> tuple[Database, str]:
    """An adopted app's database, and a workflow of it."""
    old_app(empty_database)
    asyncio.run(migrate(empty_database.url))
    return empty_database, workflow(empty_database, "Any")


def insert(adopted: tuple[Database, str], **columns: Any) -> str:
    database, owner = adopted
    values = {"workflow_id": owner, "organization_id": NORTH, "trigger_type": "x", "status": "pending", **columns}
    names, places = ", ".join(values), ", ".join(["%s"] * len(values))
    query = f"insert into automation_execution_logs ({names}) values ({places}) returning id"
    return str(database.one(query, *values.values())["id"])


def deepest(adopted: tuple[Database, str], column: str) -> str:
    """An execution with the deepest JSON that the server lets anybody write."""
    for depth in range(16_500, 1_000, -20):
        try:
            return insert(adopted, **{column: '{"a":' * depth + "1" + "}" * depth})
        except psycopg.errors.StatementTooComplex:
            continue
    raise AssertionError("nothing is taken")


@pytest.mark.parametrize("column", ["trigger_data", "actions_executed"])
def test_the_deepest_json_does_not_stop_the_claim(adopted, column):
    good, bad = insert(adopted), deepest(adopted, column)
    claim = adopted[0].call("automation_claim", p_token=uuid4())
    assert [one["id"] for one in claim["executions"]] == [good]
    assert [(one["id"], one["code"]) for one in claim["ended"]] == [(bad, "unreadable")]


def test_one_that_cannot_be_read_ends_where_it_is_the_only_one(adopted):
    bad = insert(adopted, trigger_data='{"a": "\\u0000"}')
    claim = adopted[0].call("automation_claim", p_token=uuid4())
    assert [one["id"] for one in claim["ended"]] == [bad]


def test_where_not_all_can_be_answered_the_large_ones_end(adopted):
    database = adopted[0]
    small = insert(adopted, workflow_version=1)
    large = insert(adopted, workflow_version=1, trigger_data='{"a": "' + "x" * 1_000_000 + '"}')
    rows = [small, large]
    database.sql("update automation_execution_logs set attempt = 1 where id = any (%s::uuid[])", rows)
    database.sql("select minutehand.end_unreadable(%s::uuid[], now())", rows)
    ends = database.sql("select id::text, code from automation_execution_logs order by code nulls first")
    assert ends == [{"id": small, "code": None}, {"id": large, "code": "unreadable"}]
    database.sql(
        "update automation_workflow_versions"
        " set definition = definition || jsonb_build_object('a', repeat('x', 1000000))"
    )
    database.sql("select minutehand.end_unreadable(%s::uuid[], now())", rows)
    assert database.sql("select from automation_execution_logs where code is null") == []
