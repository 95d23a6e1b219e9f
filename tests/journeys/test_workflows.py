"""Workflows as files, from `new` to the message, and rehearsed with nothing leaving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scheduler.demo.receivers import HttpReceiver, SmtpReceiver
from tests.journeys.app import App, Minutehand, email, webhook
from tests.servers import Database

FOLLOW_UP = """
name: Tell the office
organization_id: north
trigger: job_completed
conditions: [{field: title, operator: contains, value: repair}]
steps:
  - type: webhook
    config: {url: "%s", body: {job: "{{ job.id }}"}}
"""


def write(minutehand: Minutehand, name: str, text: str) -> str:
    (minutehand.folder / name).write_text(text)
    return name


def test_an_example_is_written_checked_saved_and_run(
    app: App, minutehand: Minutehand, post: SmtpReceiver, database: Database
) -> None:
    new = minutehand("workflows", "new")
    file = write(minutehand, "thanks.yaml", new.stdout)
    assert minutehand("workflows", "lint", file, DATABASE_URL=None).returncode == 0
    dry = minutehand("workflows", "apply", file, "--organization", "north", "--dry-run")
    assert (dry.returncode, "would create" in dry.stdout) == (0, True), dry.stderr
    assert database.sql("select from automation_workflows") == []
    for answer in ("created", "unchanged"):
        done = minutehand("workflows", "apply", file, "--organization", "north", "-o", "json")
        assert (done.returncode, [one["answer"] for one in json.loads(done.stdout)]) == (0, [answer]), done.stderr
    write(minutehand, file, new.stdout.replace("for: 2 days", "for: 3 days"))
    assert (
        json.loads(minutehand("workflows", "apply", file, "--organization", "north", "-o", "json").stdout)[0]["version"]
        == 2
    )
    app.complete()
    minutehand.run_once()
    assert [mail.message["subject"] for mail in post.messages] == ["Boiler repair: done"]
    (listed,) = json.loads(minutehand("workflows", "ls", "-o", "json").stdout)
    assert (listed["name"], listed["state"]) == ("Thank the client", "on")
    assert listed["steps"] == "email, wait, condition, sms, stop"
    shown = minutehand("workflows", "show", "Thank the client").stdout
    assert "e-mail the client: '{{ job.title }}: done'" in shown
    assert "versions     2 (" in shown


def test_nothing_of_any_file_is_saved_when_one_has_an_error(
    minutehand: Minutehand, app: App, shop: HttpReceiver, database: Database
) -> None:
    good = write(minutehand, "good.yaml", FOLLOW_UP % shop.url)
    bad = write(
        minutehand,
        "bad.json",
        json.dumps([{"name": "Torn", "trigger": "job_completed", "steps": [email(), email(subject="{{ job.")]}]),
    )
    done = minutehand("workflows", "apply", good, bad)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Torn (bad.json)\n  error: step 2: `subject`: line 1:" in done.stderr
    assert "nothing was saved" in done.stderr
    assert database.sql("select from automation_workflows") == []
    unknown = minutehand("workflows", "apply", write(minutehand, "typo.yaml", "name: x\nsteps: []\nstepz: []\n"))
    assert (unknown.returncode, "typo.yaml:3: unknown key 'stepz'" in unknown.stderr) == (2, True)


def test_what_is_exported_applies_as_unchanged(app: App, minutehand: Minutehand, database: Database) -> None:
    app.workflow(email(message="two\nlines\n", html="<p>{{ job.id }}</p>"), name="Two lines: no, 12:30")
    app.workflow(email(), name="Twice", is_active=False, settings={"rate_limit": None})
    app.workflow(webhook("https://example.com/"), name="Twice", organization_id="south")
    app.workflow(
        {"id": "a", "type": "action", "config": {"actionType": "email", "subject": "s", "message": "m"}},
        name="Twice",
        trigger_config={"conditions": {"field": "title", "value": "x"}, "statuses": ["no", 1, None, "2026-01-01"]},
    )
    before = database.sql("select * from automation_workflows order by id")
    exported = minutehand("workflows", "export")
    assert (exported.returncode, exported.stderr) == (0, "")
    written = minutehand("workflows", "export", "--dir", "out").stdout.split()
    assert written == ["out/twice.yaml", "out/twice-2.yaml", "out/twice-3.yaml", "out/two-lines-no-12-30.yaml"]
    for applied in (
        minutehand("workflows", "apply", *written, "-o", "json"),
        minutehand.fed(exported.stdout, "workflows", "apply", "-", "-o", "json"),
    ):
        assert applied.returncode == 0, applied.stderr
        assert [one["answer"] for one in json.loads(applied.stdout)] == ["unchanged"] * 4
    assert database.sql("select * from automation_workflows order by id") == before
    assert minutehand("workflows", "export", "Nobody").returncode == 2


def test_lint_says_which_workflow_which_step_and_what_it_would_do(app: App, minutehand: Minutehand) -> None:
    app.workflow(email(), name="Good")
    app.workflow(email(), {"type": "gift_card", "config": {}}, name="Unknown step")
    app.workflow(email(message="{{ job.title|shout }}"), name="Bad template")
    condition = {
        "type": "condition",
        "config": {"conditions": [{"field": "a", "operator": "starts_withh", "value": 1}]},
    }
    app.workflow(condition | {"then": [{"type": "stop"}]}, name="Bad branch")
    app.workflow(email(), name="Bad conditions", trigger_config={"conditions": [{"field": "a", "operator": "is"}]})
    app.workflow(email(), name="Unheard", trigger_type="invoice_paid")
    done = minutehand("workflows", "lint", "-o", "json")
    assert done.returncode == 3
    told = {one["workflow"]: one for one in json.loads(done.stdout)}

    def errors(name: str) -> list[tuple[str | None, str]]:
        return [(one["step"], one["text"]) for one in told[name]["findings"] if one["level"] == "error"]

    assert errors("Good") == errors("Unheard") == []
    assert told["Good"]["does"] == ["1  e-mail the client: '{{job.title}}: done'"]
    (unknown,) = errors("Unknown step")
    assert "gift_card" in unknown[1]
    ((step, text),) = errors("Bad template")
    assert (step, text.startswith("`message`: line 1: the filter shout is not known")) == ("1", True)
    ((step, text),) = errors("Bad branch")
    assert (step, "starts_withh" in text) == ("1", True)
    ((step, text),) = errors("Bad conditions")
    assert (step, text.startswith("conditions: ")) == (None, True)
    (warning,) = [one for one in told["Unheard"]["findings"] if one["level"] == "warning"]
    assert "no watched table has changes of type invoice_paid" in warning["text"]
    assert minutehand("workflows", "lint", "Good").returncode == 0
    assert minutehand("workflows", "lint", "Nothing").returncode == 2


@pytest.fixture
def recorder(minutehand: Minutehand) -> Path:
    """Notes every connection that a command's process opens, but those of libpq, and every process that it starts."""
    record = minutehand.folder / "connections"
    (minutehand.folder / "sitecustomize.py").write_text(
        "import sys\n"
        "def note(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.sendto', 'socket.getaddrinfo', 'subprocess.Popen'):\n"
        f"        with open({str(record)!r}, 'a') as file:\n"
        "            print(event, arguments[1] if event == 'socket.connect' else arguments, file=file)\n"
        "sys.addaudithook(note)\n"
    )
    record.touch()
    return record


def search_path(minutehand: Minutehand) -> str:
    """Where a command's process finds its sitecustomize."""
    return f"{minutehand.folder}:{Path(__file__).parents[2]}"


def rehearsed(minutehand: Minutehand, *arguments: str, **environment: str) -> tuple[int, Any]:
    """Rehearse a workflow: the exit code, and what was printed."""
    environment["PYTHONPATH"] = search_path(minutehand)
    done = minutehand("workflows", "test", *arguments, "-o", "json", **environment)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def test_a_rehearsal_shows_all_and_the_network_sees_nothing(
    app: App, minutehand: Minutehand, recorder: Path, shop: HttpReceiver, post: SmtpReceiver, database: Database
) -> None:
    database.sql("alter table clients add phone text; update clients set phone = '+14155550123'")
    database.call("automation_trigger_add", p_table="jobs", p_writable=True)
    conditions = [{"field": "title", "operator": "contains", "value": "boiler"}]
    app.workflow(
        email(),
        {"type": "sms", "config": {"message": "Done: {{ job.title }}"}},
        webhook(shop.url, body={"job": "{{ job.id }}"}),
        {"type": "function", "config": {"name": "tell-office"}},
        {"type": "notify", "config": {"message": "{{ client.name }}"}},
        {"type": "update_record", "config": {"table": "jobs", "values": {"title": "{{ job.title }}!"}}},
        {"type": "wait", "config": {"for": "2 days"}},
        {
            "type": "condition",
            "config": {"conditions": conditions},
            "then": [webhook(shop.url, method="DELETE"), {"type": "stop"}],
            "else": [email(to="else@example.com")],
        },
        email(to="never@example.com"),
    )
    job = app.complete()
    before = database.sql("select * from jobs"), app.executions(), app.sends()
    code, told = rehearsed(
        minutehand, "Thank the client", "--row", job,
        TWILIO_ACCOUNT_SID="AC" + "0" * 32, TWILIO_AUTH_TOKEN="t", TWILIO_FROM="+14155550100", TWILIO_BASE_URL=shop.url,
        MINUTEHAND_FUNCTIONS="tell-office", SUPABASE_URL=shop.url, SUPABASE_SERVICE_ROLE_KEY="sb_secret_x",
        MINUTEHAND_NOTIFY_URLS=shop.url.replace("http://", "json://"),
    )  # fmt: skip
    assert code == 0, told
    steps = {step["step"]: step for step in told["steps"]}
    assert list(steps) == ["1", "2", "3", "4", "5", "6", "7", "8", "8.then.1", "8.then.2"]
    message = steps["1"]["message"]
    assert (message["channel"], message["recipient"]) == ("email", "hotel@example.com")
    assert message["content"]["subject"] == "Boiler repair: done"
    assert message["content"]["text"].strip() == f"Dear Lakeview Hotel, job {job} is done."
    assert (steps["2"]["message"]["recipient"], steps["2"]["message"]["content"]["text"]) == (
        "+14155550123",
        "Done: Boiler repair",
    )
    assert [steps[path]["message"]["channel"] for path in ("3", "4", "5")] == ["webhook", "function", "notify"]
    assert steps["6"]["write"] == {
        "table": "jobs",
        "operation": "update",
        "id": job,
        "values": {"title": "Boiler repair!"},
    }
    assert (steps["8"]["result"]["held"], told["stops"][0]["code"]) == (True, "rate_limited")
    assert (recorder.read_text(), shop.requests, post.messages) == ("", [], [])
    assert (database.sql("select * from jobs"), app.executions(), app.sends()) == before
    # And the recorder does record: a run of the same is seen by it and by the receivers.
    minutehand("run-once", PYTHONPATH=search_path(minutehand))
    assert f"{post.port}" in recorder.read_text()
    assert len(post.messages) == 1


def test_a_rehearsal_fails_a_step_as_a_run_would(app: App, minutehand: Minutehand, post: SmtpReceiver) -> None:
    app.workflow(
        email(),
        email(to="office@example.com", message="{{ job.colour }}"),
        {"type": "update_record", "config": {"table": "clients", "id": "C-2", "values": {"name": "x"}}},
        email(to="office@example.com") | {"name": "Office"},
    )
    job = app.complete(client="C-2")
    code, told = rehearsed(minutehand, "Thank the client", "--row", job)
    assert code == 3
    assert [step.get("code") for step in told["steps"]] == ["no_recipient", "unresolved_variable", "not_writable", None]
    minutehand.run_once("--drain")
    ran = [step.get("code") for step in app.execution()["actions_executed"]]
    assert ran == [step.get("code") for step in told["steps"]]
    text = minutehand("workflows", "test", "Thank the client", "--row", job).stdout
    assert "FAILS: no_recipient: client has no e-mail address" in text
    assert "Office: email to office@example.com, from no-reply@example.com" in text
    assert text.endswith("3 of 4 steps would fail; nothing was sent, nothing was written\n")


def test_a_payload_is_rehearsed_as_an_enqueue(app: App, minutehand: Minutehand) -> None:
    app.workflow(webhook("https://example.com/{{ trigger.payload.id }}"), trigger_type="manual")
    code, told = rehearsed(minutehand, "Thank the client", "--payload", '{"id": 7}')
    assert (code, told["steps"][0]["message"]["recipient"]) == (0, "https://example.com/7")
    assert minutehand("workflows", "test", "Thank the client").returncode == 2
    assert minutehand("workflows", "test", "Thank the client", "--row", "J-9").returncode == 2


def test_a_workflow_is_paused_and_resumed(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    app.workflow(webhook(shop.url))
    app.complete()
    assert "Thank the client" in minutehand("workflows", "pause", "Thank the client", "--reason", "holidays").stdout
    assert minutehand.run_once()["completed"] == 0
    assert "paused (workflow)" in minutehand("workflows", "ls").stdout
    assert "holidays" in minutehand("workflows", "show", "Thank the client").stdout
    assert minutehand("workflows", "resume", "Thank the client").returncode == 0
    assert minutehand.run_once()["completed"] == 1
