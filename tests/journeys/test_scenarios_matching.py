"""Which change starts which workflow, and how its row is read: scenarios that operators asked for, on both backends."""

from __future__ import annotations

import json
from typing import Any

from psycopg.types.json import Jsonb

from tests.journeys.app import email, webhook
from tests.journeys.world import LAKEVIEW, World, sms
from tests.providers.api import reply


def with_conditions(*conditions: dict[str, Any]) -> dict[str, Any]:
    """A trigger_config with these conditions."""
    return {"conditions": list(conditions)}


def test_a_status_matches_in_every_spelling_and_a_respelling_is_not_a_change(world: World) -> None:
    """Scenario 1: a workflow for "In Progress" starts once for each spelling, and not for a change of spelling."""
    trigger_config = with_conditions({"field": "status", "value": "In Progress"})
    world.app.workflow(webhook(world.shop.url + "/{{job.id}}"), trigger_type="job_in_progress")
    world.app.workflow(email(), trigger_type="job_status_changed", trigger_config=trigger_config)
    jobs = [world.job(spelling) for spelling in ("in_progress", "in-progress", "IN PROGRESS", "In Progress")]
    world.drain()
    assert sorted(world.hooks()) == [f"/{job}" for job in jobs]
    assert len(world.mails()) == 4
    world.move(jobs[0], "In Progress")
    assert world.drain()["claimed"] == 0
    assert world.ends() == {("completed", None): 8}, "nothing was skipped"


def test_all_conditions_must_be_true_and_each_is_shown(world: World) -> None:
    """Scenario 2: a plumbing job does not start a workflow for HVAC; a dry run shows wanted and actual value."""
    trigger_config = with_conditions({"field": "status", "value": "completed"}, {"field": "job_type", "value": "HVAC"})
    world.app.workflow(email(), trigger_type="job_status_changed", trigger_config=trigger_config)
    plumbing = world.job(job_type="Plumbing")
    assert (world.app.executions(), world.drain()["claimed"]) == ([], 0)
    done = world.minutehand("workflows", "test", "Thank the client", "--row", plumbing, "-o", "json")
    report = json.loads(done.stdout)
    assert report["conditions"]["held"] is False
    assert [(leaf["field"], leaf["held"], leaf["wanted"], leaf["actual"]) for leaf in report["conditions"]["all"]] == [
        ("status", True, "completed", "completed"),
        ("job_type", False, "HVAC", "Plumbing"),
    ]
    world.job(job_type="HVAC")
    assert world.drain()["completed"] == 1


def test_null_is_compared_as_documented(world: World) -> None:
    """Scenario 3: null equals no text, so `not_equals` is true for it (docs/workflows.md); nothing raises."""
    for name, operator, value in (
        ("equal", "equals", "X"),
        ("not equal", "not_equals", "X"),
        ("more", "greater_than", 1),
    ):
        trigger_config = with_conditions({"field": "service", "operator": operator, "value": value})
        world.app.workflow(webhook(world.shop.url), name=name, trigger_config=trigger_config)
    world.job(service=None)
    (ran,) = world.drain()["executions"]
    assert (ran["workflow"], ran["status"]) == ("not equal", "completed")
    world.job(service="x")
    assert [ran["workflow"] for ran in world.drain()["executions"]] == ["equal"]
    assert world.app.database.sql("select from automation_events where error is not null or matched_at is null") == []


def test_an_unknown_operator_or_step_is_reported_and_affects_no_other_workflow(world: World) -> None:
    """Scenario 4: lint and status name an unknown operator or step; nothing of that workflow is sent, others run."""
    odd = with_conditions({"field": "title", "operator": "starts_withh", "value": "Boiler"})
    world.app.workflow(email(), name="Misspelt", trigger_config=odd)
    world.app.workflow(email(), {"type": "gift_card", "config": {"amount": 50}}, name="Generous")
    world.app.workflow(webhook(world.shop.url), name="Sound")
    world.job()
    linted = world.minutehand("workflows", "lint", "-o", "json")
    report = {
        one["workflow"]: [it["text"] for it in one["findings"] if it["level"] == "error"]
        for one in json.loads(linted.stdout)
    }
    assert (linted.returncode, report["Sound"]) == (3, [])
    assert 'unknown operator "starts_withh"' in report["Misspelt"][0]
    assert "there is no action `gift_card`" in report["Generous"][0]
    checked = world.minutehand("status", "--check")
    assert (checked.returncode, "workflow 'Misspelt' will never run" in checked.stdout) == (3, True)
    summary = world.drain()
    assert (summary["completed"], summary["failed"]) == (1, 1)
    assert (len(world.shop.requests), world.mails()) == (1, [])
    assert world.ends() == {("completed", None): 1, ("failed", "bad_workflow"): 1}


THANKS = {"subject": "Thanks", "message": "Job {{job.id}} of {{client_name}}"}
BRIEF = {"message": "Done: {{job.id}}"}
#: The same e-mail and SMS in each of the seven dialects, by the column that holds the steps.
DIALECTS: dict[str, dict[str, Any]] = {
    "a": {"steps": [
        {"id": "1", "type": "action", "config": {"actionType": "email", "sendTime": "immediate", **THANKS}},
        {"id": "2", "type": "action", "config": {"actionType": "sms", "delay": 0, **BRIEF}},
    ]},
    "b": {"steps": [
        {"type": "email", "config": THANKS},
        {"type": "sms", "config": {"delayValue": 0, "delayUnit": "hours", **BRIEF}},
    ]},
    "c": {"steps": [
        {"type": "send_email", "name": "Thanks", "config": {
            "to": "{{client.email}}", "subject": "Thanks", "body": "Job {{job.id}} of {{customer_name}}"}},
        {"type": "send_sms", "name": "Brief", "config": {
            "to": "{{client.phone}}", "continue_on_error": True, **BRIEF}},
    ]},
    "d": {"workflow_config": {"steps": [
        {"type": "action", "subType": "email", "config": {
            "subject": "Thanks", "body": THANKS["message"], "sendToClient": True}},
        {"type": "action", "subType": "sms", "config": {"body": BRIEF["message"], "sendToClient": True}},
    ]}},
    "e": {"steps": [
        {"id": "t", "type": "trigger", "config": {"triggerType": "job_completed"}, "connections": ["m"]},
        {"id": "m", "type": "action", "position": {"x": 1}, "connections": ["s"],
         "config": {"action_type": "send_email", "to": "client", "subject": "Thanks",
                    "message": "Job {job.id} of {client.name}"}},
        {"id": "s", "type": "action", "connections": [],
         "config": {"action_type": "send_sms", "to": "client", "message": "Done: {job.id}"}},
    ]},
    "f": {"template_config": {
        "triggers": [{"trigger_type": "job_completed", "event_type": "update", "conditions": []}],
        "actions": [
            {"action_type": "send_email", "action_config": {"delay": 0, **THANKS}},
            {"action_type": "send_sms", "action_config": BRIEF},
        ],
    }},
    # This dialect has a single action, so it needs two workflows.
    "g": {"template_config": {
        "trigger": {"type": "job_completed"}, "conditions": {"operator": "AND", "rules": []},
        "action": {"type": "email", "config": THANKS, "delay": {"type": "hours", "value": 0}},
    }},
    "g, legacy": {"action_type": "send_sms", "action_config": BRIEF},
}  # fmt: skip
#: Steps of each dialect that could only be guessed at, and the reason for which they are refused.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a": ({"type": "action", "config": {"actionType": "task", "title": "Call"}}, "task"),
    "b": ({"type": "gift_card", "config": {"amount": 50}}, "there is no action `gift_card`"),
    "e": (
        {"type": "delay", "config": {"delay_until": "relative", "relative_hours": -2}},
        "does not say relative to which date",
    ),
    "f": ({"type": "send_email", "delay": "a_day_before_appointment", **THANKS}, "cannot read the delay"),
}


def test_every_dialect_sends_the_same_or_is_refused_by_name(world: World) -> None:
    """Scenario 5: the seven dialects send the same e-mail and the same SMS."""
    database = world.app.database
    for column in ("template_config json", "workflow_config jsonb", "action_type text", "action_config json"):
        database.sql(f"alter table automation_workflows add column {column}")
    for name, columns in DIALECTS.items():
        row_columns = {key: Jsonb(value) if isinstance(value, dict) else value for key, value in columns.items()}
        world.app.workflow(name=name, **{"steps": [], **row_columns})
    for name, (step, _) in REFUSED.items():
        world.app.workflow(email(**THANKS), step, name=f"{name}, refused")
    before = database.sql("select * from automation_workflows order by id")
    job = world.job()
    world.drain()
    assert world.mails() == [("hotel@example.com", f"Job {job} of Lakeview Hotel")] * 7
    assert {str(mail.message["subject"]) for mail in world.post.messages} == {"Thanks"}
    assert world.sms() == [(LAKEVIEW, f"Done: {job}")] * 7
    assert world.ends() == {("completed", None): len(DIALECTS), ("failed", "bad_workflow"): len(REFUSED)}
    rows = database.sql(
        "select name, reason from automation_execution_logs join automation_workflows w on w.id = workflow_id"
        " where code = 'bad_workflow'"
    )
    for row in rows:
        assert REFUSED[row["name"].removesuffix(", refused")][1] in row["reason"], row
    assert database.sql("select * from automation_workflows order by id") == before, "no workflow is rewritten"


def test_three_shapes_of_payload_find_the_same_client(world: World) -> None:
    """Scenario 6: job_id, jobId, or record_id beside a new_record, in a log that the app's own trigger wrote."""
    workflow = world.app.workflow(
        email(message="Job {{job.id}} for {{client.name}}"), trigger_type="by the app's trigger"
    )
    jobs = [world.job() for _ in range(3)]
    shapes: list[dict[str, Any]] = [
        {"job_id": jobs[0], "old_status": "scheduled", "new_status": "completed", "userId": "u"},
        {"jobId": jobs[1], "job": {"client_id": "C-3"}},
        {"table_name": "jobs", "operation": "UPDATE", "record_id": jobs[2],
         "new_record": {"id": jobs[2], "client_id": "C-3"}},
    ]  # fmt: skip
    for shape in shapes:
        world.insert_log(workflow, status="pending", trigger_data=shape)
    assert world.drain()["completed"] == 3
    assert sorted(world.mails()) == [("hotel@example.com", f"Job {job} for Lakeview Hotel") for job in jobs]


def test_a_bad_row_affects_no_other_and_completed_means_sent(world: World) -> None:
    """Scenario 25: saving always succeeds; rejected rows are reported; only an execution that sent is completed."""
    database = world.app.database
    database.sql("alter table jobs alter column organization_id drop not null")
    world.app.workflow(email(), name="Object", trigger_config={"conditions": {"days_overdue": 7}})
    world.app.workflow(email(), name="List", trigger_config={"conditions": ["x"]})
    world.app.workflow(email(to="someone@example.com"), name="Sound")
    world.app.workflow(sms(), name="No phone")
    world.app.workflow({"type": "notify", "config": {"message": "{{job.id}}"}}, name="No target")
    job = world.job(client_id="C-4")
    orphan = world.job(organization_id=None)
    assert {row["status"] for row in database.sql("select status from jobs")} == {"completed"}, "both saves succeeded"
    summary = world.drain()
    assert (summary["completed"], summary["failed"]) == (1, 2)
    assert world.ends() == {("completed", None): 1, ("failed", "no_recipient"): 1, ("failed", "not_configured"): 1}
    assert [recipient for recipient, _ in world.mails()] == ["someone@example.com"]
    assert {row["entity_id"] for row in world.app.executions()} == {job}
    (rejected,) = database.sql("select distinct entity_id, error from automation_events where error is not null")
    assert rejected == {"entity_id": orphan, "error": "no tenant: organization_id is null"}
    checked = world.minutehand("status", "--check")
    assert checked.returncode == 3
    for problem in ("'Object' will never run", "'List' will never run", "name no tenant", "2 failed in the last hour"):
        assert problem in checked.stdout


def test_a_function_that_simulates_has_not_sent(world: World) -> None:
    """Scenario 25, second part: an edge function without its provider's key answers success, but sends nothing."""
    world.shop.then(reply(200, {"success": True, "testMode": True, "message": "Email logged (test mode)"}))
    world.app.workflow(email(), sms())
    job = world.job()
    world.minutehand.run_once(**world.email_by_function("mailgun-email"))
    assert world.app.end_of(job)[:2] == ("failed", "partial")
    assert [step.get("code") for step in world.app.execution()["actions_executed"]] == ["simulated", None]
    assert {send["channel"]: send["status"] for send in world.app.sends()} == {"email": "simulated", "sms": "sent"}
