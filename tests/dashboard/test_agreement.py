"""The command line, the pages and the downloads say the same of an execution, a table and a change."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from minutehand.executor.checks.workflow import BROKEN, FAILS, NEVER
from minutehand.scheduler.demo.receivers import SmtpReceiver
from tests.dashboard.served import Served
from tests.journeys.app import App, Minutehand, email

PDF = email(to="office@app.example", attachments=["a.pdf"])
UNKNOWN = {"field": "title", "operator": "is_like", "value": "x"}
REPAIR = {"field": "title", "operator": "contains", "value": "repair"}
#: The columns of a workflow -> its state.  Whether one of NEVER starts nothing and one of FAILS fails, the queue shows.
STATES: dict[str, tuple[dict[str, Any], str]] = {
    "plain": ({}, "on"),
    "attachment": ({"steps": [PDF]}, FAILS),
    "second step": ({"steps": [email(to="office@app.example"), PDF]}, FAILS),
    "in a branch": (
        {"steps": [{"type": "condition", "config": {"conditions": [REPAIR]}, "then": [PDF], "else": []}]}, FAILS,
    ),
    "unknown type": ({"steps": [{"type": "gift_card"}]}, FAILS),
    "no message": ({"steps": [{"type": "email", "config": {"subject": "x"}}]}, FAILS),
    "wait of nothing": ({"steps": [{"type": "wait", "config": {}}]}, FAILS),
    "no text": ({"steps": [7]}, FAILS),
    "no steps": ({"steps": []}, NEVER),
    "steps off": ({"steps": [PDF | {"enabled": False}]}, NEVER),
    "steps as text": ({"steps": "send an e-mail"}, NEVER),
    "steps elsewhere": ({"steps": {"nodes": [PDF]}}, NEVER),
    "other type": ({"trigger_type": "jobs_completed"}, NEVER),
    "no type": ({"trigger_type": None}, NEVER),
    "unknown operator": ({"trigger_config": {"conditions": [UNKNOWN]}}, NEVER),
    "unread key": ({"trigger_config": {"days_overdue": 7}}, NEVER),
    "no tenant": ({"organization_id": None}, NEVER),
    "too large": ({"settings": {"note": "".join(map(str, range(120_000)))}}, NEVER),
    "bad setting": ({"settings": {"rate_limit": "often"}}, "on"),
}  # fmt: skip


@pytest.fixture(params=["postgres", "supabase"])
def shop_app(request: pytest.FixtureRequest, minutehand: Minutehand) -> App:
    """The app, and the command on each backend."""
    if request.param == "postgres":
        app: App = request.getfixturevalue("app")
        return app
    project = request.getfixturevalue("project")
    minutehand.environment |= {"SUPABASE_URL": project.url, "SUPABASE_SERVICE_ROLE_KEY": project.secret_key}
    del minutehand.environment["DATABASE_URL"]
    return App(project.owner)


def listed(minutehand: Minutehand, *command: str) -> Any:
    done = minutehand(*command, "-o", "json")
    assert done.returncode in (0, 3), done.stderr
    return json.loads(done.stdout)


def test_a_workflow_that_will_never_run_starts_nothing_and_one_that_will_fail_fails(
    shop_app: App, minutehand: Minutehand, post: SmtpReceiver
) -> None:
    for name, (columns, _) in STATES.items():
        shop_app.workflow(*(() if "steps" in columns else [email()]), name=name, **columns)
    shop_app.complete()
    minutehand.run_once("--drain")
    ends = {row["workflow"]: (row["status"], row["code"]) for row in listed(minutehand, "executions", "ls")}
    states = {row["name"]: row["state"] for row in listed(minutehand, "workflows", "ls")}
    assert states == {name: state for name, (_, state) in STATES.items()}
    for name, state in states.items():
        expected = {NEVER: None, FAILS: ("failed", "bad_workflow"), "on": ("completed", None)}[state]
        assert ends.get(name) == expected, name
    problems = listed(minutehand, "status")["problems"]
    broken = {name: state for name, state in states.items() if state in BROKEN}
    assert {name for name in broken if any(f"workflow {name!r} {broken[name]}: " in one for one in problems)} == set(
        broken
    )
    linted = {one["workflow"]: one["state"] for one in listed(minutehand, "workflows", "lint")}
    assert linted == states


@pytest.mark.parametrize("state", ["disable", "enable replica"])
def test_a_table_whose_trigger_is_disabled_is_watched_nowhere(
    app: App, minutehand: Minutehand, served: Served, state: str
) -> None:
    app.workflow(email())
    app.database.sql(f'alter table jobs {state} trigger "!minutehand_capture"')
    app.complete()
    assert app.database.sql("select from automation_events") == []
    remedy = 'alter table public.jobs enable trigger "!minutehand_capture";'
    why = f"jobs: its trigger is disabled: its changes are not recorded; {remedy}"
    (table,) = listed(minutehand, "trigger", "ls")
    assert (table["enabled"], table["remedy"]) == (False, remedy)
    assert f"! {why}" in minutehand("trigger", "ls").stdout
    status = minutehand("status").stdout
    assert "tables      none" in status
    assert f"! table jobs is not watched: {why.removeprefix('jobs: ')}" in status
    (one,) = listed(minutehand, "workflows", "ls")
    assert (one["state"], one["problems"]) == (NEVER, [f"{NEVER}: {why}"])
    (found,) = [row for row in listed(minutehand, "doctor")["checks"] if row["check"] == "triggers"]
    assert (found["level"], found["fact"], found["fix"]) == (
        "fail", "jobs: its trigger is disabled: its changes are not recorded", remedy,
    )  # fmt: skip
    page = served.get("/workflows").text
    assert "Watched: no tables" in page
    assert "jobs: its trigger is disabled" in page
    app.database.sql(remedy)
    app.complete()
    assert [one["state"] for one in listed(minutehand, "workflows", "ls")] == ["on"]
    assert len(listed(minutehand, "executions", "ls")) == 1


def test_what_a_pause_holds_says_so_everywhere(app: App, minutehand: Minutehand, served: Served) -> None:
    id_ = app.workflow(email())
    app.complete()
    (row,) = app.executions()
    pauses = {
        ("all", None, None): "everything is paused",
        ("tenant", "north", "audit"): "tenant north is paused: audit",
        ("workflow", id_, "holidays"): 'workflow "Thank the client" is paused: holidays',
    }
    for (scope, target, reason), words in pauses.items():
        app.database.call("automation_pause", p_scope=scope, p_target=target, p_reason=reason)
        (shown,) = listed(minutehand, "executions", "ls")
        assert (shown["paused"], shown["waits_for"]) == (words, words)
        assert listed(minutehand, "executions", "show", str(row["id"]))["waits_for"] == words
        assert words.partition(":")[0] in " ".join(minutehand("executions", "ls").stdout.split())
        assert words.replace('"', "&#34;") in re.sub("<[^>]*>", "", served.get("/executions").text)
        assert words.removesuffix(" is paused").replace(" is paused", "") in minutehand("status").stdout
        app.database.call("automation_resume", p_scope=scope, p_target=target)
    # Several, of one that is due later; a run that found the pause leaves no word of it once it is over.
    for scope, target, reason in pauses:
        app.database.call("automation_pause", p_scope=scope, p_target=target, p_reason=reason)
    app.database.sql("update automation_execution_logs set scheduled_at = now() + interval '2 days', code = 'paused'")
    (shown,) = listed(minutehand, "executions", "ls")
    assert shown["paused"] == "; ".join(reversed(pauses.values()))
    assert "everything is paused; due at " in shown["waits_for"]
    for scope, target, _ in pauses:
        app.database.call("automation_resume", p_scope=scope, p_target=target)
    (shown,) = listed(minutehand, "executions", "ls")
    assert (shown["paused"], shown["code"], shown["reason"]) == (None, None, None)
    assert shown["waits_for"].startswith("it is not due before")


def test_a_deleted_workflow_keeps_its_name(app: App, minutehand: Minutehand, served: Served) -> None:
    id_ = app.workflow(email(), name="Thanks, once")
    app.database.sql("update automation_workflows set name = 'Thanks' where id = %s", id_)
    app.complete(client="C-2")
    app.complete(client="C-2")
    app.database.call("automation_pause", p_scope="workflow", p_target=id_)
    app.database.sql("delete from automation_workflows where id = %s", id_)
    assert 'paused      workflow "Thanks"' in minutehand("status").stdout
    assert (
        app.database.call("automation_resume", p_scope="workflow", p_target=id_)["name"]
        == 'the deleted workflow "Thanks"'
    )
    minutehand.run_once("--drain")
    app.database.sql(
        "update automation_execution_logs set status = 'failed', code = 'no_recipient', completed_at = now()"
    )
    execution = str(app.executions()[0]["id"])
    assert {row["workflow"] for row in listed(minutehand, "executions", "ls")} == {"Thanks"}
    assert minutehand("executions", "show", execution).stdout.startswith("Thanks for J-")
    for path in ("/executions", f"/executions/{execution}", "/failures", "/executions.csv", "/executions.jsonl", "/"):
        assert "Thanks" in served.get(path).text, path
    figures = app.database.call("automation_metrics")["by_workflow"]
    assert [one["name"] for one in figures] == ["Thanks"]
    app.database.call("automation_alerts_claim", p_token=execution, p_share=0.1, p_age_seconds=60)
    summaries = [one["summary"] for one in app.database.call("automation_incidents")]
    assert any('"Thanks": 2 of 2 failed' in summary for summary in summaries), summaries
    # Another tenant's workflow under the same id gives the name to nobody else's executions.
    app.database.sql(
        "insert into automation_workflows (id, name, organization_id, trigger_type, steps)"
        " values (%s, 'Of south', 'south', 'job_completed', '[]')", id_,
    )  # fmt: skip
    assert {row["workflow"] for row in listed(minutehand, "executions", "ls")} == {"Thanks"}


def test_every_unmatched_change_is_counted(app: App, minutehand: Minutehand) -> None:
    app.complete()
    app.database.sql("update automation_events set matched_at = null")

    def said() -> tuple[str, str]:
        (row,) = [row for row in listed(minutehand, "doctor")["checks"] if row["check"] == "events"]
        return row["level"], row["fact"]

    assert said() == ("ok", "2 changes are not matched yet: the next tick matches them")
    assert "changes     2 changes are not matched yet" in minutehand("status").stdout
    app.database.sql("update automation_events set occurred_at = now() - interval '1 hour' where operation = 'UPDATE'")
    assert said() == ("warn", "2 changes are not matched yet; the oldest waits 1 h")


def test_what_was_enqueued_is_no_change_of_the_row(app: App, minutehand: Minutehand, served: Served) -> None:
    conditions = {"conditions": [{"field": "title", "operator": "equals", "value": "nothing has it"}]}
    app.workflow(email(), trigger_config=conditions)
    job = app.complete()
    minutehand("enqueue", "Thank the client", "--row", job, "--payload", '{"reason": "forgotten"}')
    execution = str(app.execution()["id"])
    shown, page = minutehand("executions", "show", execution).stdout, served.get(f"/executions/{execution}").text
    for text in (shown, page):
        assert "row changed" not in text
        assert "enqueued" in text
        assert "forgotten" in text
        assert not re.search("[Aa]ttempt *(<[^>]*>)* *0", text)
    assert "not met" not in page
    assert "Row change" not in page
    assert "<dt>Attempt</dt><dd>not started yet</dd>" in page


@pytest.mark.parametrize(
    ("operation", "words"), [("INSERT", "row created"), ("UPDATE", "row changed"), ("DELETE", "row deleted")]
)
def test_a_timeline_names_the_change_and_is_in_the_order_of_events(
    app: App, minutehand: Minutehand, post: SmtpReceiver, operation: str, words: str
) -> None:
    type_ = {"INSERT": "job_created", "UPDATE": "job_updated", "DELETE": "job_deleted"}[operation]
    app.workflow(email(to="office@app.example", subject="One", message="x"), trigger_type=type_)
    app.database.sql("update automation_workflows set created_at = now() - interval '1 day'")
    job = app.complete()
    app.database.sql("delete from jobs where id = %s", job) if operation == "DELETE" else None
    minutehand.run_once("--drain")
    (row,) = app.executions()
    lines = minutehand("executions", "show", str(row["id"])).stdout.splitlines()
    told = [found[1] for line in lines if (found := re.match(r"  \d{4}-\d\d-\d\d [\d:]+  (\w+ ?\w*)", line))]
    end = ["step 1", "completed"] if row["status"] == "completed" else told[4:]
    assert told == [words, "matched the", "created", "started on", *end], lines
