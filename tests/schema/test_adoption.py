"""Adopting an app's own tables: every row, column, policy and constraint stays, and what is done is told first (R3)."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from minutehand.store import schema
from minutehand.store.adoption import Step
from tests.adopted import TABLES, WORDS, old_app, own
from tests.schema.catalog import script
from tests.servers import Database, on_both_servers

pytestmark = on_both_servers

CHANGED = {
    "constraint communication_logs.communication_logs_status_check",
    "constraint communication_logs.communication_logs_type_check",
    # The one default that a column of the app's gets: for new rows.
    "column automation_workflows.settings",
}


def contents(database: Database, columns: dict[str, list[str]]) -> dict[str, Any]:
    """A digest of each table's rows, in the columns that it had."""
    digest = "select count(*) as n, md5(string_agg(t::text, '' order by t::text)) as all from (select {} from {}) t"
    return {name: database.one(digest.format(", ".join(columns[name]), name)) for name in TABLES}


def columns_of(database: Database) -> dict[str, list[str]]:
    query = (
        "select attname::text as name from pg_attribute where attrelid = %s::regclass and attnum > 0 order by attnum"
    )
    return {table: [row["name"] for row in database.sql(query, table)] for table in TABLES}


def migrate(database: Database, **more: Any) -> schema.Report:
    return asyncio.run(schema.migrate(database.url, **more))


on_both_backends = pytest.mark.parametrize("backend", [migrate, script], ids=["migrate", "script"])


@on_both_backends
def test_everything_of_the_apps_stays_as_it_was(empty_database: Database, backend: Any) -> None:
    database = empty_database
    old_app(database, logs=100_000)
    columns, before = columns_of(database), own(database)
    rows = contents(database, columns)
    backend(database)
    assert contents(database, columns) == rows
    after = own(database)
    assert {name for name in before if after.get(name) != before[name]} == CHANGED
    words = database.sql("select distinct status from automation_execution_logs")
    assert {row["status"] for row in words} == set(WORDS)
    new = database.one("select * from automation_execution_logs limit 1")
    assert {new[name] for name in ("attempt", "lost_leases", "entity_id", "code")} == {None}, "an old row looks old"


@on_both_backends
def test_a_check_that_is_too_narrow_takes_the_old_words_and_ours(empty_database: Database, backend: Any) -> None:
    old_app(empty_database, logs=100)
    empty_database.sql("alter table automation_execution_logs drop constraint automation_execution_logs_status_check")
    # As it first was; later words were only written where it did not apply.
    empty_database.sql(
        "alter table automation_execution_logs add constraint automation_execution_logs_status_check"
        " check (status in ('pending', 'running', 'completed', 'failed')) not valid"
    )
    backend(empty_database)
    write = "insert into automation_execution_logs (trigger_type, status) values ('x', %s)"
    for word in ("pending", "running", "processing", "completed", "failed", "skipped", "cancelled"):
        empty_database.sql(write, word)
    with pytest.raises(psycopg.errors.CheckViolation):
        empty_database.sql(write, "expired")
    said = own(empty_database)["constraint automation_execution_logs.automation_execution_logs_status_check"]
    assert "NOT VALID" in said, "its old rows were not checked before, and are not now"
    before = own(empty_database)
    backend(empty_database)
    assert own(empty_database) == before


def test_what_is_done_is_told_first_and_is_all_that_is_done(empty_database: Database) -> None:
    old_app(empty_database, logs=1000)
    empty_database.sql("analyze")
    told: list[Step] = []
    before = own(empty_database)
    migrate(empty_database, tell=told.extend, dry_run=True)
    assert own(empty_database) == before
    assert empty_database.one("select to_regnamespace('minutehand')::text as name")["name"] is None
    dry, told[:] = list(told), []
    migrate(empty_database, tell=told.extend)
    assert told == dry
    after = own(empty_database)
    done = {name.rpartition(".")[2] for name in after if after[name] != before.get(name)}
    assert done == {name for step in told for name in step.names}
    assert {(step.table, step.rows) for step in told} == {
        ("automation_execution_logs", 1000),
        ("automation_workflows", 1),
        ("communication_logs", 100),
    }
    assert all(step.lock for step in told)
    told.clear()
    migrate(empty_database, tell=told.extend)
    assert told == []


def test_a_new_database_has_nothing_to_tell(empty_database: Database) -> None:
    told: list[Step] = []
    migrate(empty_database, tell=told.extend)
    assert told == []


def test_both_backends_adopt_alike_and_twice_changes_nothing(empty_database: Database) -> None:
    found = []
    for backend in (migrate, script):
        empty_database.sql(
            "drop schema public cascade; drop schema if exists minutehand, auth cascade; create schema public"
        )
        old_app(empty_database)
        backend(empty_database)
        found.append(own(empty_database))
        migrate(empty_database)
        script(empty_database)
        found.append(own(empty_database))
    assert all(one == found[0] for one in found)


def test_a_table_with_only_the_plans_columns_is_adopted(empty_database: Database) -> None:
    empty_database.sql(
        """
        create table automation_workflows (id uuid primary key, user_id text, organization_id text, name text,
          trigger_type text, trigger_config jsonb, steps jsonb, created_at timestamptz);
        create table automation_execution_logs (id uuid primary key default gen_random_uuid(), workflow_id uuid,
          trigger_type text, status text, trigger_data jsonb, created_at timestamptz);
        create table communication_logs (id bigint generated always as identity, status text);
        """
    )
    migrate(empty_database)
    assert empty_database.call("automation_claim", p_token="00000000-0000-4000-8000-000000000000")["executions"] == []
    assert empty_database.call("automation_metrics")["due"] == 0


def test_two_at_once_adopt_once(empty_database: Database) -> None:
    old_app(empty_database, logs=100)

    async def both() -> list[schema.Report]:
        return await asyncio.gather(*[schema.migrate(empty_database.url) for _ in range(3)])

    assert sorted(len(report.applied) for report in asyncio.run(both())) == [0, 0, len(schema.migrations())]


def test_what_was_installed_is_written_down(empty_database: Database) -> None:
    migrate(empty_database)
    empty_database.sql("insert into minutehand.installed values ('minutehand.gone()', 'x')")
    script(empty_database)
    query = """
        select count(*) as n, count(*) filter (where to_regprocedure(signature) is null) as unknown,
               count(*) filter (where source_md5 <> (
                 select md5(prosrc) from pg_proc where oid = to_regprocedure(signature))) as others
        from minutehand.installed
    """
    found = empty_database.one(query)
    assert found["n"] > 100
    assert (found["unknown"], found["others"]) == (0, 0)
