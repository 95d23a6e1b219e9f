"""The README's commands, run as they stand there, on an embedded PostgreSQL."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.servers import temporary_folder

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), flags=re.DOTALL | re.MULTILINE)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("minutehand ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.fixture
def environment():
    with temporary_folder() as folder:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "MINUTEHAND_HOME": str(folder / "home"),
            "SMTP_URL": "smtp://127.0.0.1:9",
            "EMAIL_FROM": "app@example.com",
            "TWILIO_ACCOUNT_SID": "AC0",
            "TWILIO_AUTH_TOKEN": "a-token",
            "TWILIO_FROM": "+12025550100",
            "TWILIO_BASE_URL": "http://127.0.0.1:9",
        }
        yield environment
        minutehand(["db", "stop"], environment)


def minutehand(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "minutehand.scheduler.cli.main", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=180, cwd=environment["HOME"]
    )


def test_every_command_of_the_readme_works_in_its_order(environment):
    url = minutehand(["db", "url"], environment).stdout.strip()
    with psycopg.connect(url, autocommit=True) as app:
        app.execute(blocks("sql")[0])
        (Path(environment["HOME"]) / "thanks.yaml").write_text(blocks("yaml")[0])
        for arguments in commands():
            if arguments[0] in ("start", "worker", "serve"):
                assert_starts_and_stops(arguments[0], environment)
                continue
            done = minutehand(arguments, environment)
            assert done.returncode == 0, (arguments, done.stdout, done.stderr)
            if arguments[:2] == ["workflows", "apply"]:
                app.execute("update jobs set status = 'completed'")
            if arguments[:2] == ["workflows", "test"]:
                assert "Thank you, Lakeview Hotel!" in done.stdout
            if arguments[0] == "run-once":
                # Nobody listens on port 9: the e-mail is tried again later, and nothing else is claimed to have been.
                assert "1 retried" in done.stdout
        assert app.execute("select count(*) from automation_execution_logs").fetchone() == (1,)


def assert_starts_and_stops(command: str, environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "minutehand.scheduler.cli.main", command],
        env=environment | {"MINUTEHAND_API_TOKEN": "a-token"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    deadline = time.monotonic() + 120
    while {"start": "tick_completed", "worker": "worker_started", "serve": "server_started"}[
        command
    ] not in process.stderr.readline():
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=120)
    assert process.returncode == 0, rest


def test_every_file_that_the_readme_names_exists():
    named = re.findall(r"\]\(([^)#:]+)\)", README.read_text())
    assert len(named) > 8
    assert [name for name in named if not (README.parent / name).exists()] == []
