"""automation_metrics: the figures of an operator's first look."""

from __future__ import annotations

from typing import Any

import pytest

from minutehand.store import schema
from tests import servers
from tests.servers import Database
from tests.sql.jobs import STEPS, events, move, session, watched_jobs, when, workflow

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
    assert metrics.pop("identity")["state"] == "new"
    assert metrics == {
        "now": "2030-01-01T12:00:00+00:00",
        "schema_version": schema.version(),
        "missing": [],
        "hidden": [],
        "pending": 0,
        "due": 0,
        "pace": {"continuous": False, "per_tick": 10, "tick_seconds": 60},
        "oldest_due_seconds": None,
        "processing": 0,
        "changed": dict.fromkeys(("made", "claimed", "ended", "attempts", "statuses")),
        "foreign_processing": 0,
        "dead_rows": 0,
        "last_hour": {},
        "ended_last_hour": {},
        "by_workflow": [],
        "waited_seconds": None,
        "took_seconds": None,
        "uncertain": 0,
        "events": dict.fromkeys(("recorded", "unmatched", "set_aside", "no_tenant", "quiet", "lost"), 0)
        | dict.fromkeys(("last_set_aside", "last_no_tenant")),
        "workflows": [],
        "tables": [],
        "workers": [],
        "paused": [],
        "planned_pauses": [],
        "floods": [],
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
    log(database, "failed", "2029-12-01T10:30:00Z", code="uncertain_send")
    metrics = database.call("automation_metrics", p_now=NOON)
    expected = {"pending": 3, "due": 2, "oldest_due_seconds": 3600, "uncertain": 1}
    expected |= {"processing": 1, "foreign_processing": 2}
    assert {name: metrics[name] for name in expected} == expected
    assert metrics["last_hour"] == {"processing": 3, "completed": 1}


def test_what_changed_is_told_apart_from_what_grew_old(database: Database) -> None:
    log(database, "completed", "2030-01-01T11:59:00Z", completed_at="2030-01-01T11:59:01Z")
    log(database, "pending", "2030-01-01T11:59:00Z", scheduled_at="2030-01-01T14:00:00Z")

    def changed(now: str = NOON) -> Any:
        return database.call("automation_metrics", p_now=now)["changed"]

    seen = changed()
    assert changed("2030-01-01T13:30:00Z") == seen
    for change in (
        "status = 'cancelled' where status = 'pending'",
        "status = 'pending' where status = 'cancelled'",
        "status = 'processing', claimed_at = now(), attempt = 1 where status = 'pending'",
        "status = 'pending', attempt = 1 where status = 'processing'",
        "status = 'processing', claimed_at = now() where status = 'pending'",
        "status = 'completed', completed_at = now() where status = 'processing'",
    ):
        database.sql(f"update automation_execution_logs set {change}")
        assert changed() != seen, change
        seen = changed()
    log(database, "pending", "2030-01-01T11:59:30Z")
    assert changed() != seen


def test_what_a_pause_holds_is_not_due_and_none_too_old(database: Database) -> None:
    log(database, "pending", "2030-01-01T11:00:00Z", organization_id="north")
    for scope, target in (("tenant", "north"), ("all", "")):
        database.sql("insert into automation_control (scope, target) values (%s, %s)", scope, target)
        metrics = database.call("automation_metrics", p_now=NOON)
        assert (metrics["pending"], metrics["due"], metrics["oldest_due_seconds"]) == (1, 0, None)
        database.sql("delete from automation_control")
    assert database.call("automation_metrics", p_now=NOON)["oldest_due_seconds"] == 3600


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
    assert database.call("automation_metrics")["events"] == {
        "recorded": 4,
        "unmatched": 2,
        "set_aside": 1,
        "no_tenant": 1,
        "quiet": 0,
        "lost": 1,
        "last_set_aside": {"table": "jobs", "row": "J-2", "error": "why"},
        "last_no_tenant": {"table": "jobs", "row": "J-1", "error": "no tenant: organization_id is null"},
    }


def test_what_ended_in_the_hour_is_told_by_workflow_the_busiest_fifty_and_the_rest(database: Database) -> None:
    database.sql(
        "insert into automation_workflows (name, trigger_type, steps)"
        " select 'w' || i, 'manual', '[]' from generate_series(1, 52) i"
    )
    database.sql(
        "insert into automation_execution_logs (workflow_id, status, created_at, completed_at)"
        " select w.id, case when i = 1 then 'failed' else 'completed' end, '2029-12-01', '2030-01-01T11:30:00Z'"
        " from automation_workflows w, generate_series(1, 53 - substr(w.name, 2)::int) i"
    )
    gone = "0189d5f5-0000-7000-8000-000000000009"
    for _ in range(60):
        log(database, "completed", "2029-12-01", completed_at=NOON, workflow_id=gone)
    log(database, "skipped", "2029-12-01", completed_at="2030-01-01T11:00:01Z")
    log(database, "completed", "2029-12-01", completed_at="2030-01-01T11:00:00Z", workflow_id=gone)
    log(database, "pending", "2030-01-01T11:30:00Z", workflow_id=gone)
    metrics = database.call("automation_metrics", p_now=NOON)
    first, second, *others, rest = metrics["by_workflow"]
    assert first == {"id": gone, "name": gone, "ended_last_hour": {"completed": 60}}
    assert (second["name"], second["ended_last_hour"]) == ("w1", {"completed": 51, "failed": 1})
    assert [one["name"] for one in others] == [f"w{n}" for n in range(2, 50)]
    assert rest == {"id": None, "name": "other", "ended_last_hour": {"completed": 3, "failed": 3, "skipped": 1}}
    assert metrics["ended_last_hour"] == {"completed": 60 + 52 * 51 / 2, "failed": 52, "skipped": 1}


def test_how_long_it_took_is_told_of_what_ran_at_once(database: Database) -> None:
    made = "2030-01-01T11:00:01Z"
    for n in range(1, 102):
        log(
            database,
            "completed",
            made,
            started_at=f"2030-01-01T11:{n // 60:02}:{n % 60:02}.5Z",
            completed_at=f"2030-01-01T11:{n * 2 // 60:02}:{n * 2 % 60:02}.5Z",
        )
    log(database, "pending", made)
    waited = {"scheduled_at": made, "started_at": "2030-01-01T11:50:00Z", "completed_at": "2030-01-01T11:59:00Z"}
    log(database, "completed", made, **waited)
    log(database, "completed", made, started_at="2030-01-01T11:50:00Z", completed_at="2030-01-01T12:00:01Z")
    metrics = database.call("automation_metrics", p_now=NOON)
    assert metrics["waited_seconds"] == {"50": 50.5, "95": 95.5, "99": 99.5}
    assert metrics["took_seconds"] == {"50": 51, "95": 96, "99": 100}


def test_of_processors_the_last_of_each_mode_and_host_is_told(database: Database) -> None:
    for id_, mode, host, now in (
        ("a:1", "run-once", "a", "2030-01-01T12:00:00Z"),
        ("a:2", "run-once", "a", "2030-01-01T12:01:00Z"),
        ("b:1", "run-once", "b", "2030-01-01T12:00:30Z"),
        ("a:3", "worker", "a", "2030-01-01T12:02:00Z"),
    ):
        database.call("automation_tick", p_worker={"id": id_, "mode": mode, "host": host}, p_now=now)
    assert [told["id"] for told in database.call("automation_metrics")["workers"]] == ["a:3", "a:2", "b:1"]


def test_facts_and_definitions_come_on_request(database: Database) -> None:
    workflow(database, "fine")
    workflow(database, "long", steps=[*STEPS, {"type": "notify", "config": {"message": "x" * 17_000}}])
    workflows = {one["name"]: one for one in database.call("automation_metrics", p_facts=True)["workflows"]}
    assert workflows["fine"]["definition"]["steps"] == STEPS
    assert workflows["long"]["definition"] is None
    plain = database.call("automation_metrics")["workflows"]
    assert [set(one) for one in plain] == [{"id", "name", "trigger_type", "version", "on"}] * 2


def test_definitions_stop_at_one_megabyte(database: Database) -> None:
    database.sql(
        "insert into automation_workflows (name, trigger_type, steps)"
        " select to_char(i, 'FM000'), 'manual',"
        "  jsonb_build_array(jsonb_build_object('type', 'notify', 'message', repeat('x', 15000)))"
        " from generate_series(1, 101) i"
    )
    workflows = database.call("automation_metrics", p_facts=True)["workflows"]
    known = [one["name"] for one in workflows if one["definition"] is not None]
    assert (len(workflows), known) == (101, [f"{n:03}" for n in range(1, 67)])


@pytest.mark.parametrize(
    ("columns", "problem", "steps_problem"),
    [
        ({}, None, None),
        ({"steps": []}, None, "it has no steps"),
        ({"steps": {"type": "email"}}, None, "steps: expected a list, got an object"),
        ({"trigger_config": when("a", "b", "starts_withh")}, "unknown operator", None),
        ({"trigger_config": {"conditions": 7}}, "not a condition", None),
        ({"trigger_config": []}, None, None),
        ({"trigger_config": ["a"]}, "conditions: ", None),
    ],
)
def test_the_facts_name_what_cannot_be_read(
    database: Database, columns: dict[str, Any], problem: str | None, steps_problem: str | None
) -> None:
    made = workflow(database, **columns)
    (facts,) = database.call("automation_metrics", p_facts=True)["workflows"]
    assert (facts["id"], facts["name"], facts["on"], facts["steps_problem"]) == (made, "tell", True, steps_problem)
    assert (problem in facts["problem"]) if problem else facts["problem"] is None


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
