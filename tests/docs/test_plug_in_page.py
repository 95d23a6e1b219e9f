"""docs/plug-ins.md: the package on the page is built, installed beside Minutehand, and run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from minutehand.scheduler.demo.receivers import HttpReceiver
from tests.docs.pages import blocks, page
from tests.journeys.app import App, Minutehand
from tests.servers import Database


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the page's package is installed, from its wheel."""
    source, target = tmp_path_factory.mktemp("tickets"), tmp_path_factory.mktemp("site")
    text = page("plug-ins.md")
    (source / "tickets.py").write_text(blocks(text, "python plug-in")[0])
    (source / "pyproject.toml").write_text(blocks(text, "toml plug-in")[0])
    quiet = ["-qq", "--no-deps", "--no-build-isolation", "--no-index"]
    command = [sys.executable, "-m", "pip", "install", *quiet, "--target", str(target), str(source)]
    subprocess.run(command, check=True, timeout=120)
    return target


def test_the_action_on_the_page_opens_a_ticket_under_a_key(database: Database, installed: Path, tmp_path: Path) -> None:
    with HttpReceiver() as tickets:
        code = (installed / "tickets.py").read_text()
        (tmp_path / "site").mkdir()
        for found in installed.iterdir():
            (tmp_path / "site" / found.name).symlink_to(found)
        (tmp_path / "site" / "tickets.py").unlink()
        (tmp_path / "site" / "tickets.py").write_text(code.replace("http://127.0.0.1:8400", tickets.url.rstrip("/")))
        minutehand = Minutehand(tmp_path, {"DATABASE_URL": database.url, "PYTHONPATH": str(tmp_path / "site")})
        app = App(database)
        app.workflow({"type": "ticket", "config": {"title": "Check {{ job.id }}"}})
        job = app.complete()
        assert minutehand.run_once()["completed"] == 1
        (request,) = tickets.requests
        assert json.loads(request.body) == {"title": f"Check {job}"}
        (send,) = app.sends()
        assert (send["channel"], send["status"]) == ("ticket", "sent")
        assert request.headers["idempotency-key"] == send["idempotency_key"]


def test_a_config_that_cannot_work_is_refused_by_the_plug_in(
    database: Database, installed: Path, tmp_path: Path
) -> None:
    minutehand = Minutehand(tmp_path, {"DATABASE_URL": database.url, "PYTHONPATH": str(installed)})
    app = App(database)
    app.workflow({"type": "ticket", "config": {}})
    app.complete()
    assert minutehand.run_once()["failed"] == 1
    assert "`title` is missing" in app.execution()["reason"]


def test_the_example_is_twenty_lines() -> None:
    code = blocks(page("plug-ins.md"), "python plug-in")[0]
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith(("import", "from"))]
    assert len(lines) <= 20
