"""Schedules, from the command line, on both backends."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from tests.journeys.world import World

REPORT = {"type": "email", "config": {"to": "boss@example.com", "subject": "Report", "message": "Time for a report."}}


def past(**ago: float) -> datetime:
    """A minute before now."""
    return (datetime.now(UTC) - timedelta(**ago)).replace(second=0, microsecond=0)


def test_a_schedule_sends_once_however_often_a_processor_runs(world: World) -> None:
    at = past(minutes=2)
    cron = {"cron": f"{at.minute} {at.hour} * * *", "timezone": "UTC"}
    saved = at - timedelta(minutes=1)
    workflow = world.app.workflow(REPORT, name="Report", trigger_type="schedule", trigger_config=cron, created_at=saved)
    world.app.database.sql(
        "update automation_workflow_versions set saved_at = %s where workflow_id = %s", saved, workflow
    )
    assert [world.minutehand.run_once()["completed"] for _ in range(3)] == [1, 0, 0]
    assert world.mails() == [("boss@example.com", "Time for a report.")]
    found = json.loads(world.minutehand("explain", "workflow:Report", "-o", "json").stdout)
    (answer,) = found["answers"]
    assert (answer["workflow"], answer["code"]) == ("Report", "next_firing")
    assert f"{at + timedelta(days=1):%Y-%m-%d %H:%M}" in answer["reason"]


def test_each_row_of_the_tenant_gets_its_message(world: World) -> None:
    at = past(minutes=2)
    config = {
        "cron": f"{at.minute} {at.hour} * * *",
        "timezone": "UTC",
        "for_each": {"table": "jobs", "conditions": [{"field": "status", "operator": "equals", "value": "open"}]},
    }
    jobs = [world.job("open"), world.job("open"), world.job("completed")]
    world.job("open", organization_id="south", client_id="C-3")
    step = {"type": "email", "config": {"subject": "Open", "message": "{{ job.id }} of {{ trigger.scheduled_for }}"}}
    saved = at - timedelta(minutes=1)
    workflow = world.app.workflow(step, name="Open", trigger_type="schedule", trigger_config=config, created_at=saved)
    world.app.database.sql(
        "update automation_workflow_versions set saved_at = %s where workflow_id = %s", saved, workflow
    )
    assert [world.drain()["completed"] for _ in range(2)] == [2, 0]
    assert sorted(world.mails()) == [("hotel@example.com", f"{job} of {at:%Y-%m-%dT%H:%M:%S}Z") for job in jobs[:2]]


def test_a_schedule_that_never_fires_is_named_everywhere(world: World) -> None:
    for name, config in (
        ("February", {"cron": "0 9 30 2 *"}),
        ("Seconds", {"cron": "* * * * * *"}),
        ("Mars", {"cron": "0 9 * * *", "timezone": "Mars/Olympus"}),
        ("Nowhere", {"every": "1 day", "for_each": {"table": "nowhere"}}),
    ):
        world.app.workflow(REPORT, name=name, trigger_type="schedule", trigger_config=config)
    world.minutehand.run_once()
    said = {
        "February": "a day that none of its months has",
        "Seconds": "seconds are not scheduled",
        "Mars": "there is no zone 'Mars/Olympus'",
        "Nowhere": "table nowhere is not watched",
    }
    listed = {row["name"]: row for row in json.loads(world.minutehand("workflows", "ls", "-o", "json").stdout)}
    lint = world.minutehand("workflows", "lint").stdout
    for name, words in said.items():
        assert listed[name]["state"] == "will never run"
        assert any(words in problem for problem in listed[name]["problems"]), listed[name]["problems"]
        assert words in lint
    status = world.minutehand("status").stdout
    assert "will never run" in status
