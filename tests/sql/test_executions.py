"""automation_executions and automation_execution: lists, and one in full."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import move, watched_jobs, workflow

pytestmark = servers.on_both_servers


def log(database: Database, identity: str, **columns: Any) -> None:
    """An execution that stands so; its id begins with `identity`."""
    values = {
        "id": identity.ljust(8, "0") + "-0000-7000-8000-000000000000",
        "status": "completed",
        "created_at": "2030-01-01T00:00:00Z",
    } | columns
    marks = ", ".join(["%s"] * len(values))
    database.sql(f"insert into automation_execution_logs ({', '.join(values)}) values ({marks})", *values.values())


def listed(database: Database, limit: int | None = 50, **asked: Any) -> list[str]:
    """The first eight characters of the ids that a filter finds, in order, without the zeros at their end."""
    found = database.call("automation_executions", p_filter=asked, p_limit=limit)
    return [row["id"][:8].rstrip("0") for row in found]


def test_the_newest_come_first(database: Database) -> None:
    log(database, "a", created_at="2030-01-01T00:00:01Z")
    log(database, "c", created_at="2030-01-01T00:00:03Z")
    log(database, "b", created_at="2030-01-01T00:00:02Z")
    log(database, "b2", created_at="2030-01-01T00:00:02Z")
    assert listed(database) == ["c", "b2", "b", "a"]
    assert listed(database, limit=2) == ["c", "b2"]
    assert listed(database, limit=0) == listed(database, limit=-3) == []
    assert listed(database, limit=None) == ["c", "b2", "b", "a"]


def test_a_list_ends_at_a_thousand(database: Database) -> None:
    database.sql("insert into automation_execution_logs (status) select 'completed' from generate_series(1, 1100)")
    assert len(database.call("automation_executions", p_limit=5000)) == 1000


def test_each_filter_narrows(database: Database) -> None:
    first, second = workflow(database, "first"), workflow(database, "second")
    log(database, "a", workflow_id=first, status="failed", code="partial", entity_id="J-1")
    log(database, "b", workflow_id=second, status="failed", entity_id="J-1")
    log(database, "c", workflow_id=second, status="processing", entity_id="J-2")
    log(database, "d", workflow_id=second, status="running", created_at="2029-01-01T00:00:00Z")
    assert listed(database, status="failed") == ["b", "a"]
    assert listed(database, status="processing") == ["c", "d"]  # the app's `running` is read as processing
    assert listed(database, code="partial") == ["a"]
    assert listed(database, entity="J-1") == ["b", "a"]
    assert listed(database, workflow="first") == listed(database, workflow=first) == ["a"]
    assert listed(database, workflow="nothing") == []
    assert listed(database, since="2029-06-01") == ["c", "b", "a"]
    assert listed(database, ids=["a0000000-0000-7000-8000-000000000000", "garbage"]) == ["a"]
    assert listed(database, ids=[]) == []
    assert listed(database, status="failed", entity="J-1", workflow="second") == ["b"]


def test_a_time_that_is_none_is_refused(database: Database) -> None:
    with pytest.raises(psycopg.errors.InvalidDatetimeFormat):
        listed(database, since="yesterday or so")


def test_one_row_is_found_without_reading_history(database: Database) -> None:
    database.sql(
        "insert into automation_execution_logs (status, entity_id, created_at)"
        " select 'completed', 'J-' || i, now() - i * interval '1 second' from generate_series(1, 5000) i"
    )
    database.sql("analyze automation_execution_logs")
    for wanted in range(4990, 5000):  # more than the five after which a plan is kept
        (row,) = database.call("automation_executions", p_filter={"entity": f"J-{wanted}"})
        assert row["entity_id"] == f"J-{wanted}"
    database.sql("select pg_stat_force_next_flush()")
    used = database.one(
        "select seq_scan, idx_tup_fetch from pg_stat_user_tables where relname = 'automation_execution_logs'"
    )
    assert used["idx_tup_fetch"] < 1000
    assert used["seq_scan"] < 5


def test_a_list_says_what_an_execution_is(database: Database) -> None:
    watched_jobs(database)
    made = workflow(database)
    move(database, "done")
    (row,) = database.call("automation_executions")
    assert {name: row[name] for name in ("workflow_id", "workflow", "entity_id", "status", "attempt", "code")} == {
        "workflow_id": made,
        "workflow": "tell",
        "entity_id": "J-1",
        "status": "pending",
        "attempt": 0,
        "code": None,
    }


def test_what_a_callee_completed_after_all_has_no_code_any_more(database: Database) -> None:
    log(database, "abcdef", status="failed", code="uncertain_send", reason="it may have arrived")
    assert database.call("automation_execution", p_id="abcdef")["code"] == "uncertain_send"
    database.sql("update automation_execution_logs set status = 'completed'")
    shown = database.call("automation_execution", p_id="abcdef")
    assert (shown["status"], shown["code"], shown["reason"]) == ("completed", None, None)
    assert database.call("automation_executions", p_filter={"code": "uncertain_send"}) == []


def test_one_execution_is_shown_with_its_steps_and_sends(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    move(database, "done")
    made = str(database.one("select id from automation_execution_logs")["id"])
    database.sql("""update automation_execution_logs set actions_executed = '[{"stepId": "0", "status": "success"}]'""")
    database.sql(
        "insert into communication_logs (execution_id, status, step, channel, recipient, external_id)"
        " values (%s, 'sent', '0', 'email', 'hotel@example.com', 'm-1')",
        made,
    )
    shown = database.call("automation_execution", p_id=made)
    assert shown["steps"] == [{"stepId": "0", "status": "success"}]
    assert [(send["recipient"], send["status"], send["external_id"]) for send in shown["sends"]] == [
        ("hotel@example.com", "sent", "m-1")
    ]
    assert shown["trigger_data"]["record_id"] == "J-1"
    assert (shown["workflow_version"], shown["caused_by"]) == (1, None)
    assert shown["event_id"] is not None


def test_the_beginning_of_an_id_is_enough(database: Database) -> None:
    log(database, "abcdef")
    log(database, "abcdef1")
    log(database, "123456")
    assert database.call("automation_execution", p_id="123456")["id"].startswith("123456")
    assert database.call("automation_execution", p_id="ABCDEF1")["id"].startswith("abcdef1")
    assert database.call("automation_execution", p_id="abcdef00-0000-70")["id"].startswith("abcdef00")
    refused = {"abcdef": "MH409", "abc": "MH404", "999999": "MH404", "' or true": "MH404", "": "MH404"}
    for asked, state in refused.items():
        with pytest.raises(psycopg.Error) as caught:
            database.call("automation_execution", p_id=asked)
        assert caught.value.sqlstate == state
        assert caught.value.diag.message_hint
