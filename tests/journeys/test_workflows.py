"""Workflows as files, from `new` to the message, and a dry run that sends nothing."""

from __future__ import annotations

import json

from minutehand.scheduler.demo.receivers import HttpReceiver, SmtpReceiver
from tests import adopted
from tests.journeys.app import App, Minutehand, email, webhook
from tests.servers import Database
from tests.sql.jobs import adopt

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
        json.dumps(
            [
                {
                    "name": "Torn",
                    "organization_id": "north",
                    "trigger": "job_completed",
                    "steps": [email(), email(subject="{{ job.")],
                }
            ]
        ),
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
        trigger_config={"conditions": {"field": "title", "value": "x"}, "metadata": ["no", 1, None, "2026-01-01"]},
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
        "config": {"conditions": [{"field": "title", "operator": "starts_withh", "value": 1}]},
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
    assert (step, text.startswith("will never run: conditions: ")) == (None, True)
    (warning,) = [one for one in told["Unheard"]["findings"] if one["level"] == "warning"]
    assert "no watched table emits 'invoice_paid'" in warning["text"]
    assert minutehand("workflows", "lint", "Good").returncode == 0
    assert minutehand("workflows", "lint", "Nothing").returncode == 2


def test_a_workflow_is_paused_and_resumed(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    app.workflow(webhook(shop.url))
    app.complete()
    assert "Thank the client" in minutehand("workflows", "pause", "Thank the client", "--reason", "holidays").stdout
    assert minutehand.run_once()["completed"] == 0
    assert "paused (workflow)" in minutehand("workflows", "ls").stdout
    assert "holidays" in minutehand("workflows", "show", "Thank the client").stdout
    assert minutehand("workflows", "resume", "Thank the client").returncode == 0
    assert minutehand.run_once()["completed"] == 1


def test_an_apps_own_rows_are_exported_in_place(empty_database: Database, minutehand: Minutehand) -> None:
    adopted.old_app(empty_database)
    adopt(empty_database)
    step = {
        "id": 1,
        "type": "action",
        "subType": "email",
        "config": {"subject": "s", "body": "b", "sendToClient": True},
    }
    empty_database.call("automation_trigger_add", p_table="jobs")
    adopted.workflow(
        empty_database, "Builder's", steps=None, template_config={"steps": [step]}, trigger_config={"conditions": []},
        status="paused", enabled=False, settings={"timezone": "customer_local"},
    )  # fmt: skip
    before = empty_database.sql("select * from automation_workflows order by id")
    minutehand.environment["DATABASE_URL"] = empty_database.url
    (file,) = minutehand("workflows", "export", "Builder's", "--dir", ".").stdout.split()
    assert "template_config:" in (minutehand.folder / file).read_text()
    applied = minutehand("workflows", "apply", file)
    assert applied.stdout.split()[4:5] == ["unchanged"], applied.stderr
    assert empty_database.sql("select * from automation_workflows order by id") == before
    write(minutehand, "new.yaml", FOLLOW_UP % "https://example.com/")
    refused = minutehand("workflows", "apply", "new.yaml", "--user", adopted.ANNA)
    assert (refused.returncode, refused.stdout) == (2, "")
    text = (FOLLOW_UP % "https://example.com/").replace("organization_id: north\n", "")
    demanded = minutehand("workflows", "apply", write(minutehand, "new.yaml", text), "--user", adopted.ANNA)
    assert 'requires organization_id of workflow "Tell the office"' in demanded.stderr
    both = ("--user", adopted.ANNA, "--organization", adopted.NORTH)
    assert "created" in minutehand("workflows", "apply", "new.yaml", *both).stdout
