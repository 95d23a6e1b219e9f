"""The minute of direct mode without a machine: pg_cron keeps house and calls for what is due."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import executions, move, watched_jobs, workflow
from tests.supabase import net_standin

pytestmark = servers.on_both_servers


@pytest.fixture
def app(database: Database) -> Database:
    """Direct mode is on, and every call so far was lost."""
    database.sql("set check_function_bodies = off")
    net_standin.install(database)
    watched_jobs(database, count=3)
    workflow(database, settings={"rate_limit": None})
    database.call("automation_direct_on", p_url="https://example.com/x")
    for job in ("J-1", "J-2", "J-3"):
        move(database, "done", job)
    database.sql("delete from net.http_request_queue")
    return database


def sweep(database: Database, **how: Any) -> Any:
    return database.call("automation_direct_sweep", **how)


def called(database: Database) -> list[str]:
    """The executions that were called for, in order."""
    rows = database.sql("select body from net.http_request_queue order by id")
    return [json.loads(bytes(row["body"]))["executionId"] for row in rows]


def test_what_no_call_reached_is_called_for_again_oldest_first(app: Database) -> None:
    ids = [str(row["id"]) for row in executions(app)]
    answer = sweep(app, p_limit=2)
    assert (answer["called"], answer["due"], answer["problem"]) == (2, 3, None)
    assert called(app) == ids[:2]
    assert [row["status"] for row in executions(app)] == ["pending"] * 3
    assert sweep(app)["called"] == 3, "one call too many changes nothing"


def test_it_keeps_house_and_returns_what_was_lost(app: Database) -> None:
    token = "00000000-0000-4000-8000-000000000001"
    app.call("automation_claim", p_token=token, p_limit=1)
    app.sql(
        "update automation_execution_logs set lease_expires_at = now() - interval '1 s' where lease_token = %s", token
    )
    assert sweep(app)["lost_leases"] == 1
    assert app.one("select mode from automation_workers where id = 'pg_cron'")["mode"] == "sweep"


def test_one_suspect_is_called_for_too(app: Database) -> None:
    app.sql("update automation_execution_logs set lost_leases = 2")
    assert sweep(app)["called"] == 1


def test_with_no_claim_what_is_called_for_has_begun(app: Database) -> None:
    app.call("automation_direct_on", p_url="https://example.com/x", p_no_claim=True)
    assert sweep(app)["called"] == 3
    assert {(row["status"], row["worker"], row["attempt"]) for row in executions(app)} == {("processing", "direct", 1)}
    assert sweep(app)["called"] == 0


def test_an_old_backlog_is_held_and_not_called_for(app: Database) -> None:
    app.sql("update automation_execution_logs set created_at = now() - interval '2 days'")
    answer = sweep(app)
    assert (answer["held"], answer["called"], called(app)) == (3, 0, [])


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ("select automation_direct_off()", "direct mode is off"),
        ("drop schema net cascade", "net"),
        ("delete from vault.secrets", "Vault has no secret"),
        ("insert into automation_control (scope) values ('all')", None),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_begun(app: Database, broken: str, problem: str | None) -> None:
    app.sql(broken)
    answer = sweep(app)
    assert answer["called"] == 0
    assert answer["problem"] == problem or problem in answer["problem"]
    assert [row["status"] for row in executions(app)] == ["pending"] * 3


def test_it_matches_what_the_trigger_left(app: Database) -> None:
    app.sql("delete from automation_execution_logs")
    app.sql("update automation_events set matched_at = null where operation = 'UPDATE'")
    answer = sweep(app)
    assert len(answer["to_match"]) == 3
    assert answer["called"] == len(executions(app)) == 3
