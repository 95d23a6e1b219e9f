"""docs/extending.md: the package on the page is built, installed beside Minutehand, and run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minutehand as face
from minutehand.scheduler.demo.receivers import Answer, HttpReceiver
from tests.docs.pages import page
from tests.journeys.app import App, Minutehand
from tests.servers import Database


def files() -> dict[str, str]:
    """The files on the page, by name."""
    found = re.findall(r"^```\w+ plug-in (\S+)\n(.*?)^```", page("extending.md"), flags=re.DOTALL | re.MULTILINE)
    return dict(found)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the page's package is installed, from its wheel."""
    source, target = tmp_path_factory.mktemp("extras"), tmp_path_factory.mktemp("site")
    for name, text in files().items():
        (source / name).write_text(text)
    quiet = ["-qq", "--no-deps", "--no-build-isolation", "--no-index"]
    command = [sys.executable, "-m", "pip", "install", *quiet, "--target", str(target), str(source)]
    subprocess.run(command, check=True, timeout=120)
    return target


def changed(installed: Path, tmp_path: Path, name: str, code: str) -> Path:
    """A folder with the package, but with other code in one of its files."""
    site = tmp_path / "site"
    site.mkdir()
    for found in installed.iterdir():
        if found.name != name:
            (site / found.name).symlink_to(found)
    (site / name).write_text(code)
    return site


@pytest.fixture
def minutehand(database: Database, installed: Path, tmp_path: Path) -> Minutehand:
    return Minutehand(tmp_path, {"DATABASE_URL": database.url, "PYTHONPATH": str(installed)})


def test_the_action_on_the_page_opens_a_ticket_under_a_key(database: Database, installed: Path, tmp_path: Path) -> None:
    with HttpReceiver() as tickets:
        code = (installed / "tickets.py").read_text()
        code = code.replace("http://127.0.0.1:8400", tickets.url.rstrip("/"))
        site = changed(installed, tmp_path, "tickets.py", code)
        minutehand = Minutehand(tmp_path, {"DATABASE_URL": database.url, "PYTHONPATH": str(site)})
        app = App(database)
        app.workflow({"type": "ticket", "config": {"title": "Check {{ job.id }}"}})
        job = app.complete()
        assert minutehand.run_once()["completed"] == 1
        (request,) = tickets.requests
        assert json.loads(request.body) == {"title": f"Check {job}"}
        (send,) = app.sends()
        assert (send["channel"], send["status"]) == ("ticket", "sent")
        assert request.headers["idempotency-key"] == send["idempotency_key"]


def test_a_config_that_cannot_work_is_refused_by_the_action(database: Database, minutehand: Minutehand) -> None:
    app = App(database)
    app.workflow({"type": "ticket", "config": {}})
    app.complete()
    assert minutehand.run_once()["failed"] == 1
    assert "`title` is missing" in app.execution()["reason"]


def test_the_provider_on_the_page_is_chosen_by_its_settings_and_sends(
    database: Database, minutehand: Minutehand, tmp_path: Path
) -> None:
    app = App(database)
    app.workflow({"type": "sms", "config": {"to": "+12025550123", "message": "Job {{ job.id }}"}})
    job = app.complete()
    (tmp_path / "key").write_text("hush\n")
    with HttpReceiver() as pigeon:
        pigeon.then(Answer(status=200, body=b'{"id": "m-1"}'))
        environment = {"PIGEON_API_KEY_FILE": str(tmp_path / "key"), "PIGEON_BASE_URL": pigeon.url}
        assert minutehand.run_once(PIGEON_FROM="+12025550100", **environment)["completed"] == 1
    (request,) = pigeon.requests
    assert (request.path, request.headers["authorization"]) == ("/messages", "Bearer hush")
    assert json.loads(request.body) == {"from": "+12025550100", "to": "+12025550123", "text": f"Job {job}"}
    (send,) = app.sends()
    assert (send["status"], send["external_id"]) == ("sent", "m-1")


def test_the_provider_on_the_page_names_a_setting_that_is_missing(database: Database, minutehand: Minutehand) -> None:
    app = App(database)
    app.workflow({"type": "sms", "config": {"to": "+12025550123", "message": "Hello"}})
    app.complete()
    minutehand.run_once(MINUTEHAND_SMS_VIA="pigeon")
    assert (app.execution()["code"], "PIGEON_API_KEY is not set" in app.execution()["reason"]) == (
        "not_configured",
        True,
    )


def test_without_any_provider_the_reason_names_the_settings_of_the_one_on_the_page(
    database: Database, minutehand: Minutehand
) -> None:
    app = App(database)
    app.workflow({"type": "sms", "config": {"to": "+12025550123", "message": "Hello"}})
    app.complete()
    minutehand.run_once()
    assert "PIGEON_API_KEY and PIGEON_FROM" in app.execution()["reason"]


def test_a_provider_without_sender_is_a_crash_that_a_dry_run_logs_to_stderr(
    database: Database, installed: Path, tmp_path: Path
) -> None:
    code = (installed / "pigeon.py").read_text().replace("sender: str", "other: str")
    site = changed(installed, tmp_path, "pigeon.py", code)
    minutehand = Minutehand(tmp_path, {"DATABASE_URL": database.url, "PYTHONPATH": str(site)})
    app = App(database)
    app.workflow({"type": "sms", "config": {"to": "+12025550123", "message": "Hello"}}, name="Greet")
    job = app.complete()
    settings = {"PIGEON_API_KEY": "hush", "PIGEON_FROM": "+12025550100"}
    done = minutehand("workflows", "test", "Greet", "--row", job, "-o", "json", **settings)
    assert done.returncode == 3
    assert "action_crashed" in json.dumps(json.loads(done.stdout))
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["action_crashed"]
    assert "hush" not in done.stdout + done.stderr


def test_the_target_on_the_page_takes_what_notify_and_alerts_send(database: Database, minutehand: Minutehand) -> None:
    app = App(database)
    app.workflow({"type": "notify", "config": {"message": "Job {{ job.id }} is done", "title": "Done"}})
    job = app.complete()
    with HttpReceiver() as bells:
        url = f"bell://127.0.0.1:{bells.port}/office"
        assert minutehand.run_once(MINUTEHAND_NOTIFY_URLS=url)["completed"] == 1
        assert [(request.path, request.body.decode()) for request in bells.requests] == [
            ("/office", f"Done\nJob {job} is done")
        ]
        bells.then(Answer(status=500))
        done = minutehand("alerts", "test", MINUTEHAND_ALERT_URLS=f"{url} bell:// bell://[hush")
    assert done.returncode == 3
    assert "target 1: did not accept it: the bell answered 500" in done.stdout
    assert "target 2: nothing serves such a URL" in done.stdout
    assert "target 3: the target failed: ValueError" in done.stdout
    assert "hush" not in done.stdout + done.stderr


def test_a_target_that_does_not_load_is_named(installed: Path, tmp_path: Path) -> None:
    site = changed(installed, tmp_path, "bell.py", "import a_module_that_is_not_there")
    minutehand = Minutehand(tmp_path, {"PYTHONPATH": str(site)})
    done = minutehand("alerts", "test", MINUTEHAND_ALERT_URLS="bell://127.0.0.1:9/office")
    assert done.returncode == 3
    assert "the plug-in for the target `bell` (bell:Bell) does not load: ModuleNotFoundError" in done.stdout


def test_the_executor_on_the_page_skips_drafts_and_runs_the_rest(database: Database, minutehand: Minutehand) -> None:
    app = App(database)
    app.workflow({"type": "stop"}, name="Draft: thank the client")
    app.workflow({"type": "stop"}, name="Thank the client")
    app.complete()
    summary = minutehand.run_once("--executor", "no-drafts")
    assert (summary["completed"], summary["skipped"]) == (1, 1)


def test_the_action_on_the_page_is_twenty_lines() -> None:
    code = files()["tickets.py"]
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith(("import", "from"))]
    assert len(lines) <= 20


def test_every_name_that_the_face_offers_exists() -> None:
    assert [name for name in face.__all__ if getattr(face, name, None) is None] == []
