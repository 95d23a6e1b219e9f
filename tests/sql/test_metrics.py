"""automation_metrics: the figures of an operator's first look."""

from __future__ import annotations

from typing import Any

import pytest

from store import schema
from tests import servers
from tests.servers import Database
from tests.sql.jobs import events, move, session, watched_jobs, when, workflow

pytestmark = servers.on_both_servers

NOON = "2030-01-01T12:00:00Z"
LEASE = "0189d5f5-0000-7000-8000-000000000001"


def log(database: Database, status: str, created_at: str, **columns: Any) -> None:
    """An execution that stands so."""
    values = {"status": status, "created_at": created_at} | columns
    marks = ", ".join(["%s"] * len(values))
    database.sql(f"insert into automation_execution_logs ({', '.join(values)}) values ({marks})", *values.values())


def test_an_empty_database_has_figures_too(database: Database) -> None:
    metrics = database.call("automation_metrics", p_now=NOON)
    assert metrics == {
        "now": "2030-01-01T12:00:00+00:00",
        "schema_version": schema.version(),
        "pending": 0,
        "due": 0,
        "oldest_due_seconds": None,
        "processing": 0,
        "foreign_processing": 0,
        "last_hour": {},
        "uncertain": 0,
        "events": {"unmatched": 0, "set_aside": 0, "no_tenant": 0, "lost": 0},
        "workflows": [],
        "tables": [],
        "workers": [],
        "paused": [],
    }


def test_the_queue_is_counted(database: Database) -> None:
    log(database, "pending", "2030-01-01T11:00:00Z", organization_id="north")
    log(database, "pending", "2030-01-01T10:30:00Z", organization_id="south", scheduled_at="2030-01-01T11:58:20Z")
    log(database, "pending", "2030-01-01T09:00:00Z", organization_id="south", scheduled_at="2030-01-01T12:00:01Z")
    log(database, "processing", "2030-01-01T11:30:00Z", lease_token=LEASE, lease_expires_at="2030-01-01T12:10:00Z")
    log(database, "processing", "2030-01-01T11:30:00Z")
    log(database, "running", "2030-01-01T11:30:00Z")
    log(database, "completed", "2030-01-01T11:30:00Z")
    log(database, "completed", "2030-01-01T10:30:00Z")
    log(database, "failed", "2030-01-01T10:30:00Z", code="uncertain_send")
    log(database, "failed", "2029-01-01T10:30:00Z", code="uncertain_send")
    metrics = database.call("automation_metrics", p_now=NOON)
    expected = {"pending": 3, "due": 2, "oldest_due_seconds": 3600, "uncertain": 1}
    expected |= {"processing": 1, "foreign_processing": 2}
    assert {name: metrics[name] for name in expected} == expected
    assert metrics["last_hour"] == {"processing": 3, "completed": 1}


def test_counts_are_capped(database: Database) -> None:
    database.sql(
        "insert into automation_execution_logs (status, created_at, organization_id)"
        " select 'pending', '2029-12-31'::timestamptz + i * interval '1 second', 'org ' || i % 3"
        " from generate_series(1, 10500) i"
    )
    metrics = database.call("automation_metrics", p_now=NOON)
    assert (metrics["pending"], metrics["due"]) == (10000, 10000)
    assert metrics["oldest_due_seconds"] == 36 * 3600 - 1


def test_events_that_went_wrong_are_visible(database: Database) -> None:
    watched_jobs(database, count=4)
    workflow(database)
    database.sql("update jobs set organization_id = null, title = 'x' where id = 'J-1'")
    database.sql("set minutehand.blocked = 'matching'")
    database.sql("update jobs set title = 'x' where id <> 'J-1'")
    database.sql("update automation_events set match_attempts = 5, error = 'why' where entity_id = 'J-2'")
    with session(database, autocommit=False) as other:
        other.sql("lock table automation_events in access exclusive mode")
        move(database, "done", "J-4")
    assert len(events(database)) == 4
    assert database.call("automation_metrics")["events"] == {"unmatched": 2, "set_aside": 1, "no_tenant": 1, "lost": 1}


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({}, None),
        ({"trigger_type": None}, "it has no trigger_type"),
        ({"steps": []}, "it has no steps"),
        ({"steps": {"type": "email"}}, "steps: a list is wanted"),
        ({"trigger_config": when("a", "b", "starts_withh")}, "unknown operator"),
        ({"trigger_config": {"conditions": 7}}, "not a condition"),
        ({"trigger_config": []}, None),
        ({"trigger_config": ["a"]}, "conditions: "),
    ],
)
def test_a_workflow_that_can_never_fire_says_why(
    database: Database, columns: dict[str, Any], problem: str | None
) -> None:
    made = workflow(database, **columns)
    (told,) = database.call("automation_metrics")["workflows"]
    assert (told["id"], told["name"], told["on"]) == (made, "tell", True)
    assert (problem in told["problem"]) if problem else told["problem"] is None


def test_switches_pauses_and_workers_are_told(database: Database) -> None:
    workflow(database, "a", is_active=False)
    workflow(database, "b", status="paused")
    database.sql("insert into automation_control (scope, target, reason) values ('tenant', 'north', 'holiday')")
    database.call("automation_tick", p_worker={"id": "w-1", "mode": "worker", "listens": True}, p_now=NOON)
    metrics = database.call("automation_metrics", p_now=NOON)
    assert [told["on"] for told in metrics["workflows"]] == [False, False]
    (paused,) = metrics["paused"]
    assert (paused["scope"], paused["target"], paused["reason"]) == ("tenant", "north", "holiday")
    assert [(told["id"], told["listens"]) for told in metrics["workers"]] == [("w-1", True)]
