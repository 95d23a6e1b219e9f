"""Workflows that start each other end (R11)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.journeys.app import App, Minutehand

UNLIMITED = {"rate_limit": None}


def update(**values: Any) -> dict[str, Any]:
    """A step that writes the job of its execution."""
    return {"type": "update_record", "config": {"table": "jobs", "values": values}}


def chain(app: App) -> list[tuple[str, str, str | None, str | None]]:
    """The executions, oldest first: workflow, status, code, and the workflow that caused it."""
    rows = app.database.sql(
        """
        select w.name, l.status, l.code, cw.name as cause
        from automation_execution_logs l
        join automation_workflows w on w.id = l.workflow_id
        left join automation_execution_logs c on c.id = l.caused_by
        left join automation_workflows cw on cw.id = c.workflow_id
        order by l.event_id
        """
    )
    return [(row["name"], row["status"], row["code"], row["cause"]) for row in rows]


@pytest.fixture
def writable(app: App) -> App:
    """The app; workflows may write its jobs."""
    app.database.call("automation_trigger_add", p_table="jobs", p_writable=True)
    return app


def test_two_workflows_that_write_each_others_status_end(writable: App, minutehand: Minutehand) -> None:
    writable.workflow(update(status="pong"), name="ping", trigger_type="job_ping", settings=UNLIMITED)
    writable.workflow(update(status="ping"), name="pong", trigger_type="job_pong", settings=UNLIMITED)
    job = writable.complete(status="ping")
    assert minutehand.run_once("--drain")["completed"] == 2
    assert chain(writable) == [
        ("ping", "completed", None, None),
        ("pong", "completed", None, "ping"),
        ("ping", "skipped", "loop", "pong"),
    ]
    first, _, last = writable.executions()
    assert str(first["id"]) in last["reason"]
    assert f"caused by  {last['caused_by']}" in minutehand("executions", "show", str(last["id"])).stdout
    assert writable.database.one("select status from jobs where id = %s", job) == {"status": "ping"}
    assert minutehand.run_once()["claimed"] == 0


def test_a_chain_over_new_rows_ends_at_the_maximum_depth(writable: App, minutehand: Minutehand) -> None:
    another = {"type": "create_record", "config": {"table": "jobs", "values": {"id": "{{job.id}}+"}}}
    writable.workflow(another, name="breed", trigger_type="job_created", settings=UNLIMITED)
    writable.database.sql("insert into jobs (id, organization_id) values ('J', 'north')")
    assert minutehand.run_once("--drain")["completed"] == 6
    *_, last = writable.executions()
    assert (last["status"], last["code"], last["chain_depth"], last["entity_id"]) == ("skipped", "loop", 6, "J++++++")
    assert "a chain of 6 executions caused each other; the limit is 5" in last["reason"]
    owners = writable.database.sql("select distinct organization_id from jobs")
    assert owners == [{"organization_id": "north"}]


def test_another_change_of_the_same_row_by_the_app_is_not_a_loop(writable: App, minutehand: Minutehand) -> None:
    writable.workflow(update(title="seen"), name="note", trigger_type="job_status_changed", settings=UNLIMITED)
    job = writable.complete(status="a")
    minutehand.run_once("--drain")
    writable.database.sql("update jobs set status = 'b' where id = %s", job)
    minutehand.run_once("--drain")
    assert chain(writable) == [("note", "completed", None, None)] * 2


# --- by an edge function that writes over REST ------------------------------------------------------------------------

TOUCH = {"type": "function", "config": {"name": "touch", "body": {"id": "{{job.id}}"}}}


@pytest.fixture
def hosted(project: Any) -> App:
    """The app in a Supabase project; its functions may write its jobs."""
    app = App(project.owner)
    project.owner.sql("grant select, update on jobs to service_role")
    project.owner.sql("notify pgrst, 'reload schema'")
    return app


@pytest.fixture(params=["rest", "postgres"])
def processor(request: pytest.FixtureRequest, project: Any, tmp_path: Path) -> Minutehand:
    """The command, on either backend, for the project's functions."""
    environment = {
        "SUPABASE_URL": project.url,
        "SUPABASE_SERVICE_ROLE_KEY": project.secret_key,
        "MINUTEHAND_FUNCTIONS": "touch",
    }
    if request.param == "postgres":
        environment["DATABASE_URL"] = project.database.url
    return Minutehand(tmp_path, environment)


def test_a_function_that_passes_the_cause_on_does_not_start_its_workflow_again(
    project: Any, hosted: App, processor: Minutehand
) -> None:
    project.deploy("touch", PASS_ON="yes")
    hosted.workflow(TOUCH, name="touch it", trigger_type="job_status_changed", settings=UNLIMITED)
    hosted.complete()
    assert processor.run_once("--drain")["completed"] == 1
    assert chain(hosted) == [
        ("touch it", "completed", None, None),
        ("touch it", "skipped", "loop", "touch it"),
    ]
    (send,) = hosted.sends()
    assert (send["channel"], send["recipient"], send["status"]) == ("function", "touch", "sent")


def test_the_breaker_stops_a_function_that_does_not_pass_the_cause_on(
    project: Any, hosted: App, processor: Minutehand
) -> None:
    project.deploy("touch")
    settings = {**UNLIMITED, "breaker": {"n": 3}}
    workflow = hosted.workflow(TOUCH, name="touch it", trigger_type="job_status_changed", settings=settings)
    hosted.complete()
    for _ in range(3):
        assert processor.run_once()["completed"] == 1
    stopped = processor("run-once")
    assert stopped.returncode == 0
    assert '"event": "breaker_tripped"' in stopped.stderr
    assert '"workflow": "touch it"' in stopped.stderr
    assert "breaker_tripped" not in processor("run-once").stderr, "it is logged once"
    assert [row[:2] for row in chain(hosted)] == [("touch it", "completed")] * 3 + [("touch it", "pending")]
    output = processor("status").stdout
    assert 'paused      workflow "touch it": breaker: started 4 times by changes without a cause' in output
    (pause,) = hosted.database.sql("select scope, target from automation_control")
    assert (pause["scope"], pause["target"]) == ("workflow", workflow)
