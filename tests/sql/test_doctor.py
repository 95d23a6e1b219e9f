"""automation_doctor, and the checks of ground and walls: each fault of a real database is named, and can be mended."""

from __future__ import annotations

import asyncio
import time

import pytest

from minutehand.scheduler.doctor.checks import run_checks
from minutehand.scheduler.doctor.result import MAX_LISTED
from minutehand.store import schema
from minutehand.store.errors import BadRequest
from tests.servers import Database, on_both_servers
from tests.sql.doctor import assert_fixed_by_sql, facts, levels, results_of
from tests.sql.jobs import session, watched_jobs, workflow

pytestmark = on_both_servers


@pytest.fixture
def jobs(database: Database) -> Database:
    """A database with watched jobs."""
    watched_jobs(database, count=2)
    return database


# --- the whole --------------------------------------------------------------------------------------------------------


def test_a_healthy_database_has_nothing_wrong(empty_database: Database) -> None:
    asyncio.run(schema.migrate(empty_database.url))
    watched_jobs(empty_database)
    workflow(empty_database)
    empty_database.call("automation_tick", p_worker={"id": "w", "mode": "run-once"})
    results = run_checks(facts(empty_database))
    assert [(check.name, result) for check, result in results if result.level != "ok"] == []


def test_a_table_that_is_gone_spoils_only_what_needs_it(jobs: Database) -> None:
    jobs.sql("drop table automation_workflows cascade")
    facts = jobs.call("automation_doctor")
    unread = [name for name, part in facts.items() if isinstance(part, dict) and "unreadable" in part]
    assert unread == ["workflows"]
    assert levels(jobs, "triggers") == ["ok"]
    (result,) = results_of(jobs, "workflows")
    assert (result.level, "automation_workflows" in result.fact) == ("fail", True)
    assert results_of(jobs, "e-mail") == [], "once is enough"
    (result,) = results_of(jobs, "schema")
    assert "automation_workflows" in result.fact


def test_a_locked_table_is_waited_for_two_seconds_a_section(jobs: Database) -> None:
    with session(jobs, autocommit=False) as other:
        other.sql("lock table automation_workflows in access exclusive mode")
        started = time.monotonic()
        facts = jobs.call("automation_doctor")
        assert time.monotonic() - started < 20
    assert "lock timeout" in facts["workflows"]["unreadable"]
    assert facts["triggers"]["watched"]


def test_nothing_is_told_twice_but_more_than_ten_are_counted(jobs: Database) -> None:
    for number in range(MAX_LISTED + 3):
        workflow(jobs, f"w{number:02}", steps=[])
    results = results_of(jobs, "workflows")
    assert (len(results), results[-1].level) == (MAX_LISTED + 1, "fail")
    assert results[-1].fact.startswith("and 3 more")


def test_a_large_history_costs_little(jobs: Database) -> None:
    """Measured at 1,000,000 executions: well below a second; the platform ends a statement after 8 s."""
    jobs.connection.execute(
        b"insert into automation_execution_logs (status, created_at, organization_id, trigger_type, trigger_data)"
        b" select (array['completed', 'failed', 'pending', 'running'])[1 + i % 4], now() - i * interval '1 minute',"
        b" 'org ' || i % 50, 'x', jsonb_build_object('record_id', 'J-' || i) from generate_series(1, 100000) i"
    )
    jobs.sql("analyze automation_execution_logs")
    started = time.monotonic()
    facts = jobs.call("automation_doctor")
    assert time.monotonic() - started < 8
    assert (facts["queue"]["stale"], facts["processors"]["foreign"]) == (10_000, 5_000)


# --- ground -----------------------------------------------------------------------------------------------------------


def test_a_column_of_ours_that_is_gone_is_named_and_migrate_brings_it_back(jobs: Database) -> None:
    assert levels(jobs, "schema") == ["ok"]
    jobs.sql("alter table automation_execution_logs drop column reason")
    (result,) = results_of(jobs, "schema")
    assert (result.level, "automation_execution_logs.reason" in result.fact) == ("fail", True)
    with pytest.raises(BadRequest, match="delete its row"):
        asyncio.run(schema.migrate(jobs.url))
    jobs.sql("delete from automation_migrations where name = '0008_schema'")
    asyncio.run(schema.migrate(jobs.url))
    assert levels(jobs, "schema") == ["ok"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("update automation_migrations set name = '0007_past'", "older: 0008_schema"),
        ("insert into automation_migrations values ('9999_future', 'x', now())", "newer: it has 9999_future"),
        ("update automation_migrations set checksum = 'x'", "0008_schema came from a different file"),
    ],
)
def test_a_schema_that_is_not_this_programs_fails(database: Database, change: str, words: str) -> None:
    database.sql(change)
    (result,) = results_of(database, "schema")
    assert (result.level, words in result.fact) == ("fail", True), result


def test_a_function_that_was_replaced_or_dropped_is_named(empty_database: Database) -> None:
    asyncio.run(schema.migrate(empty_database.url))
    assert levels(empty_database, "functions") == ["ok"]
    empty_database.sql(
        "create or replace function check_automation_rate_limit(p_job_id text, p_workflow_id uuid, p_status text)"
        " returns boolean language sql as 'select true'"
    )
    empty_database.sql("drop function minutehand.slug(text)")
    results = results_of(empty_database, "functions")
    assert [result.level for result in results] == ["fail", "fail"]
    assert "check_automation_rate_limit(text,uuid,text) is not as installed" in results[0].fact
    assert "minutehand.slug(text) is missing" in results[1].fact
    assert levels(empty_database, "stubs") == ["ok"], "ours is named once"
    asyncio.run(schema.migrate(empty_database.url))
    assert levels(empty_database, "functions") == ["ok"]


# --- walls ------------------------------------------------------------------------------------------------------------


def test_a_policy_that_lets_everyone_in_fails(database: Database) -> None:
    assert levels(database, "policies") == ["ok"]
    database.sql('create policy "System can manage ""all""" on automation_execution_logs for all using (true)')
    assert_fixed_by_sql(database, "policies", "fail", "automation_execution_logs", 'System can manage "all"', "for all")


def test_a_policy_that_looks_at_nothing_of_the_row_is_doubtful(database: Database) -> None:
    database.sql("create policy members on automation_workflows for select using (current_user <> 'anon')")
    assert_fixed_by_sql(database, "policies", "warn", "members", "uses no column")


@pytest.mark.parametrize(
    "policy",
    ["using (user_id = current_user)", "using (current_setting('x', true) = 'service_role')", "using (false)"],
)
def test_a_policy_that_tells_tenants_apart_is_fine(database: Database, policy: str) -> None:
    database.sql(f"create policy mine on automation_workflows for select {policy}")
    assert levels(database, "policies") == ["ok"]
