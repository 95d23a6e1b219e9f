"""`minutehand status`: for monitors, for a scraper's textfile, and again and again."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from contextlib import suppress
from select import select

import pytest

from tests.dashboard.prometheus import parse
from tests.docs.pages import blocks, page
from tests.journeys.app import COMMAND, DEADLINE_SECONDS, Minutehand, wait_until
from tests.servers import Database
from tests.unit.conftest import Call


@pytest.fixture
def status(call, database) -> Call:
    """Call it on the test's database."""
    return lambda *arguments: call("status", *arguments, DATABASE_URL=database.url)


def one(database: Database, status: str, age: str) -> None:
    database.sql(
        f"insert into automation_execution_logs (status, created_at) values (%s, now() - interval '{age}')", status
    )


OLD, FAILED = "! the oldest due execution waits for ", "! 2 failed in the last hour: "


@pytest.mark.parametrize(
    ("arguments", "code", "problems"),
    [
        ("", 0, [OLD, FAILED]),
        ("--check", 3, [OLD, FAILED]),
        ("--check --max-age 9m --max-failed 2", 3, [OLD]),
        ("--check --max-age 11m --max-failed 1", 3, [FAILED]),
        ("--check --max-age 11m --max-failed 2", 0, []),
        ("--max-failed 2", 3, [OLD]),
        ("--max-age 11m", 3, [FAILED]),
        ("--max-age 11m --max-failed 2", 0, []),
    ],
)
def test_a_monitor_hears_by_the_exit_code_what_is_over_its_limits(status, database, arguments, code, problems):
    for state in ("pending", "failed", "failed"):
        one(database, state, "10 minutes")
    said = status(*arguments.split())
    assert said.code == code
    told = [line for line in said.out.splitlines() if line.startswith("! ")]
    assert [line[: len(problem)] for line, problem in zip(told, problems, strict=True)] == problems


def test_a_textfile_has_the_figures_and_the_check_its_code(status, database):
    one(database, "failed", "1 minute")
    said = status("-o", "prometheus")
    assert (said.code, said.err) == (0, "")
    assert parse(said.out)["minutehand_executions_last_hour"][("failed",)] == 1
    assert status("-o", "prometheus", "--check").code == 3


def test_the_textfile_of_the_page_is_replaced_whole_or_left(minutehand, tmp_path):
    """As cron runs it; a run that fails leaves nothing behind."""
    file = tmp_path / "minutehand.prom"
    (told,) = [block for block in blocks(page("operations.md"), "sh") if "prometheus" in block]
    script = re.sub("^file=.*", f"file={file}", told)
    program = tmp_path / "minutehand"
    program.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **minutehand.environment}

    def run(**more: str) -> None:
        subprocess.run(["sh", "-c", script], env=environment | more, cwd=tmp_path, capture_output=True, timeout=60)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["minutehand", "minutehand.prom"]

    run()
    first = file.read_text()
    assert "minutehand_due" in parse(first)
    run(DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert file.read_text() == first


@pytest.mark.parametrize(
    "arguments",
    [("--watch", "--check"), ("--watch", "-o", "prometheus"), ("--watch", "0"), ("--watch", "--max-age", "1m")],
)
def test_what_a_watch_cannot_do_is_exit_2(status, arguments):
    said = status(*arguments)
    assert (said.code, said.out, "--watch" in said.err) == (2, "", True)


def test_a_watch_says_a_line_for_each_look_and_ends_on_what_no_waiting_mends(minutehand, database):
    with minutehand.running("status", "--watch", "0.1s") as running:
        wait_until(lambda: running.out.read_text().count("\n") > 1, "two looks")
        assert re.fullmatch(
            r"[-\d]{10} [:\d]{8}  due 0, pending 0, processing 0; last hour: nothing",
            running.out.read_text().splitlines()[0],
        )
        one(database, "failed", "1 minute")
        wait_until(lambda: "1 failed  ! 1 failed in the last hour: " in running.out.read_text(), "the failure")
        database.sql("alter function automation_metrics rename to automation_gone")
        wait_until(lambda: running.process.poll() is not None, "its end")
        code, _, err = running.end()
    assert (code, "Traceback" in err) == (78, False)


def test_a_watch_in_json_is_an_object_a_line(minutehand, database):
    with minutehand.running("status", "--watch", "0.1s", "-o", "json") as running:
        wait_until(lambda: running.out.read_text().count("\n") > 1, "two looks")
        code, out, err = running.end(signal.SIGINT)
    assert (code, "Traceback" in err) == (130, False)
    assert {json.loads(line)["due"] for line in out.splitlines()} == {0}


def test_a_watch_goes_on_when_the_database_is_away(minutehand):
    away = "postgresql://127.0.0.1:1/none?connect_timeout=1"
    with minutehand.running("status", "--watch", "0.1s", DATABASE_URL=away) as running:
        wait_until(lambda: running.heard().count("! ") > 1, "two tries")
        assert running.process.poll() is None
        assert running.out.read_text() == ""


def test_at_a_terminal_a_watch_draws_over_what_it_drew(minutehand):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "status", "--watch", "0.1s"],
        env={"PATH": os.environ["PATH"], "TERM": "xterm", **minutehand.environment},
        cwd=minutehand.folder,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
    )
    os.close(theirs)
    seen = b""
    try:
        with suppress(OSError):  # the terminal's word for an end
            while seen.count(b"\x1b[H") < 3 and len(seen) < 2000 and select([ours], [], [], DEADLINE_SECONDS)[0]:
                seen += os.read(ours, 4096)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    first, second, *_ = seen.decode().split("\x1b[H")[1:]
    for frame in (first, second):
        assert "every 0.1 s" in frame
        assert "due         0 (pending 0, processing 0)\x1b[K" in frame
        assert frame.endswith("\x1b[J")


@pytest.fixture
def minutehand(database, tmp_path) -> Minutehand:
    """The command in a process of its own."""
    return Minutehand(tmp_path, {"DATABASE_URL": database.url})
