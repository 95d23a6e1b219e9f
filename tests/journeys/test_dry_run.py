"""A dry run of a workflow on a row: everything is shown, and nothing leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from minutehand.scheduler.demo.receivers import HttpReceiver, SmtpReceiver
from tests.journeys.app import App, Minutehand, email, webhook
from tests.servers import Database

TELL = {
    "name": "Tell the office",
    "organization_id": "north",
    "trigger": "job_completed",
    "conditions": [{"field": "title", "operator": "contains", "value": "repair"}],
}


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


def dry_run(minutehand: Minutehand, *arguments: str, **environment: str) -> tuple[int, Any]:
    """Dry-run a workflow: the exit code, and what was printed."""
    environment["PYTHONPATH"] = search_path(minutehand)
    done = minutehand("workflows", "test", *arguments, "-o", "json", **environment)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def test_a_dry_run_shows_everything_and_the_network_sees_nothing(
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
    code, told = dry_run(
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
    assert (steps["8"]["result"]["held"], told["stops"]) == (True, [])
    assert told["execution"]["status"] == "pending"
    assert (recorder.read_text(), shop.requests, post.messages) == ("", [], [])
    assert (database.sql("select * from jobs"), app.executions(), app.sends()) == before
    # And the recorder does record: a run of the same is seen by it and by the receivers.
    minutehand("run-once", PYTHONPATH=search_path(minutehand))
    assert f"{post.port}" in recorder.read_text()
    assert len(post.messages) == 1


def test_a_dry_run_fails_a_step_as_a_run_would(app: App, minutehand: Minutehand, post: SmtpReceiver) -> None:
    app.workflow(
        email(),
        email(to="office@example.com", message="{{ job.colour }}"),
        {"type": "update_record", "config": {"table": "clients", "id": "C-2", "values": {"name": "x"}}},
        email(to="office@example.com") | {"name": "Office"},
    )
    job = app.complete(client="C-2")
    code, told = dry_run(minutehand, "Thank the client", "--row", job)
    assert code == 3
    assert [step.get("code") for step in told["steps"]] == ["no_recipient", "unresolved_variable", "not_writable", None]
    minutehand.run_once("--drain")
    ran = [step.get("code") for step in app.execution()["actions_executed"]]
    assert ran == [step.get("code") for step in told["steps"]]
    text = minutehand("workflows", "test", "Thank the client", "--row", job).stdout
    assert "FAILS: no_recipient: the client has no e-mail address" in text
    assert "Office: email to office@example.com, from no-reply@example.com" in text
    assert text.endswith("3 of 4 steps would fail; nothing was sent, nothing was written\n")


def test_a_dry_run_of_a_payload_is_one_of_an_enqueue(app: App, minutehand: Minutehand) -> None:
    app.workflow(webhook("https://example.com/{{ trigger.payload.id }}"), trigger_type="manual")
    code, told = dry_run(minutehand, "Thank the client", "--payload", '{"id": 7}')
    assert (code, told["steps"][0]["message"]["recipient"]) == (0, "https://example.com/7")
    assert minutehand("workflows", "test", "Thank the client").returncode == 2
    assert minutehand("workflows", "test", "Thank the client", "--row", "J-9").returncode == 2


def test_files_and_dry_runs_work_with_a_projects_url_and_key(
    project: Any, minutehand: Minutehand, recorder: Path, shop: HttpReceiver
) -> None:
    app = App(project.owner)
    minutehand.environment |= {"SUPABASE_URL": project.url, "SUPABASE_SERVICE_ROLE_KEY": project.secret_key}
    del minutehand.environment["DATABASE_URL"]
    file = json.dumps(TELL | {"steps": [webhook(shop.url, body={"job": "{{ job.id }}"})]})
    assert minutehand.fed(file, "workflows", "apply", "-").stdout.split()[4] == "created"
    assert "unchanged" in minutehand.fed(minutehand("workflows", "export").stdout, "workflows", "apply", "-").stdout
    assert minutehand("workflows", "lint").returncode == 0
    job = app.complete()
    code, told = dry_run(minutehand, "Tell the office", "--row", job)
    assert (code, json.loads(told["steps"][0]["message"]["content"]["body"])) == (0, {"job": job})
    called = {line for line in recorder.read_text().splitlines() if line.startswith("socket.connect")}
    assert called == {f"socket.connect {(url.hostname, url.port)}" for url in (urlsplit(project.url),)}
    assert shop.requests == []
    assert minutehand("workflows", "pause", "Tell the office").returncode == 0
    assert minutehand("workflows", "resume", "Tell the office").returncode == 0
    minutehand.run_once()
    assert len(shop.requests) == 1


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2027-03-26T18:30", "Monday 2027-03-29 09:0"),
        ("2027-03-28T02:30", "Monday 2027-03-29 09:0"),
        ("2027-10-29T16:30:00Z", "Monday 2027-11-01 09:0"),
        ("2027-03-26T16:59", None),
    ],
)
def test_a_dry_run_can_be_of_another_moment(
    app: App, minutehand: Minutehand, recorder: Path, at: str, until: str | None
) -> None:
    window = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}
    app.workflow(email(), settings={"window": window, "timezone": "Europe/Berlin"})
    job = app.complete()
    text = " ".join(minutehand("workflows", "test", "Thank the client", "--row", job, "--at", at).stdout.split())
    assert f"waits until {until}" in text if until else "outside the window" not in text, text
    assert app.database.one("select count(*) as n from automation_execution_logs where status = 'pending'") == {"n": 1}
    refused = minutehand("workflows", "test", "Thank the client", "--row", job, "--at", "tomorrow")
    assert (refused.returncode, "can't read 'tomorrow'" in refused.stderr) == (2, True)
