"""crontab.example, as it stands but for its paths, run by Debian's cron."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.journeys.app import COMMAND, email, wait_until
from tests.servers import require

EXAMPLE = Path(__file__).parents[2] / "crontab.example"
#: Cron looks at its table each minute.
NEXT_MINUTE_SECONDS = 75.0


@contextmanager
def installed_crontab(text: str) -> Iterator[None]:
    """Root's crontab for as long as the block runs; what was there comes back."""
    before = subprocess.run(["crontab", "-l"], capture_output=True, text=True)
    subprocess.run(["crontab", "-"], input=text, text=True, check=True)
    try:
        yield
    finally:
        if before.returncode == 0:
            subprocess.run(["crontab", "-"], input=before.stdout, text=True, check=True)
        else:
            subprocess.run(["crontab", "-r"], check=True)


@contextmanager
def running_cron() -> Iterator[None]:
    """A cron: the machine's own, else one of this test's."""
    cron = subprocess.Popen(["cron", "-f"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield  # where one runs already, this one has ended by itself
    finally:
        cron.terminate()
        cron.wait()


def filled_in(values: dict[str, str]) -> str:
    """The example with the values of its variables replaced, and nothing else."""
    lines = EXAMPLE.read_text().splitlines()
    for name, value in values.items():
        (number,) = [n for n, line in enumerate(lines) if line.startswith(f"{name}=")]
        lines[number] = f"{name}={value}"
    return "\n".join(lines) + "\n"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """One path that is the command."""
    script = tmp_path / "minutehand"
    script.write_text("#!/bin/sh\nexec " + " ".join(COMMAND) + ' "$@"\n')
    script.chmod(0o755)
    return script


def test_the_example_runs_under_cron(app, minutehand, post, program, tmp_path):
    require(shutil.which("cron") and shutil.which("crontab") and os.geteuid() == 0, "cron, and root to run it")
    app.workflow(email())
    app.complete()
    settings = minutehand.environment
    (tmp_path / "database-url").write_text(settings["DATABASE_URL"] + "\n")
    (tmp_path / "smtp-url").write_text(settings["SMTP_URL"] + "\n")
    log = tmp_path / "minutehand.log"
    table = filled_in(
        {
            "MINUTEHAND": str(program),
            "LOG": str(log),
            "DATABASE_URL_FILE": str(tmp_path / "database-url"),
            "SMTP_URL_FILE": str(tmp_path / "smtp-url"),
        }
    )
    with installed_crontab(table), running_cron():
        wait_until(lambda: post.messages, "cron's minute", NEXT_MINUTE_SECONDS)
        wait_until(lambda: app.execution()["status"] == "completed", "the end of the run")
        wait_until(lambda: "1 claimed: 1 completed" in log.read_text(), "the log")
    assert post.messages[0].sender == "no-reply@example.com"


def test_every_line_of_the_example_is_one_that_cron_takes():
    """Also those that are commented out: they are there to be used."""
    require(shutil.which("crontab"), "crontab")
    text = EXAMPLE.read_text()
    offered = "\n".join(line.removeprefix("# ") if line.startswith("# *") else line for line in text.splitlines())
    assert offered.count("run-once") == 3 + text.count("`run-once`") + text.count("`minutehand run-once")
    checked = subprocess.run(["crontab", "-n", "-"], input=offered + "\n", capture_output=True, text=True)
    require("invalid option" not in checked.stderr, "a crontab that can check only (-n)")
    assert checked.returncode == 0, checked.stderr
