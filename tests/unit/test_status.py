"""`minutehand status`: for monitors, for a scraper's textfile, and again and again."""

from __future__ import annotations

import doctest
import json
import os
import pty
import re
import signal
import stat
import subprocess
from contextlib import suppress
from select import select

import pytest
from psycopg.types.json import Jsonb

from minutehand.scheduler.cli import output
from tests.dashboard.prometheus import check_metrics, parse
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
        "insert into automation_execution_logs (status, created_at, completed_at)"
        f" values (%s, now() - interval '{age}', case when %s then now() end)",
        status,
        status != "pending",
    )


OLD, FAILED = "! the oldest due execution has waited ", "! 2 failed in the last hour: "


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


def test_the_figures_are_printed_for_prometheus_and_the_check_has_its_code(status, database):
    one(database, "failed", "1 minute")
    said = status("-o", "prometheus")
    assert (said.code, said.err) == (0, "")
    check_metrics(said.out)
    assert parse(said.out)["minutehand_executions_last_hour"][("failed",)] == 1
    assert status("-o", "prometheus", "--check").code == 3


def test_a_textfile_is_replaced_whole_or_left(status, database, tmp_path, call):
    file = tmp_path / "minutehand.prom"
    file.write_text("old")
    with file.open() as reader:
        assert status("-o", "prometheus", "--write", str(file)).out == ""
        assert reader.read() == "old", "who had it open reads on in the old one"
    first = file.read_text()
    check_metrics(first)
    assert stat.S_IMODE(file.stat().st_mode) & 0o444 == 0o444, "the node exporter is another user"
    away = call("status", "-o", "prometheus", "--write", str(file), DATABASE_URL="postgresql://127.0.0.1:1/none")
    assert (away.code, file.read_text()) == (69, first)
    (tmp_path / "folder.prom").mkdir()
    for place in (tmp_path / "none" / "minutehand.prom", file / "minutehand.prom", tmp_path / "folder.prom"):
        said = status("-o", "prometheus", "--write", str(place))
        assert (said.code, str(place) in said.err, "Traceback" in said.err) == (2, True, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.prom", "minutehand.prom"]
    assert status("--write", str(file)).code == 2


def test_the_cron_line_of_the_page_writes_the_textfile(minutehand, tmp_path):
    (line,) = [line for line in "\n".join(blocks(page("monitoring.md"), "sh")).splitlines() if "--write" in line]
    file = tmp_path / "minutehand.prom"
    command = re.sub("--write [^ ]+", f"--write {file}", line.removeprefix("* * * * * "))
    program = tmp_path / "minutehand"
    program.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **minutehand.environment}
    subprocess.run(["sh", "-c", command], env=environment, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert "minutehand_due" in parse(file.read_text())


def test_one_and_several_are_told_in_words_of_their_own(status, database):
    assert doctest.testmod(output).failed == 0
    told = {
        "uncertain": "insert into automation_execution_logs (status, code, completed_at)"
        " values ('failed', 'uncertain_send', now())",
        "processing under": "insert into automation_execution_logs (status) values ('processing')",
        "could not be recorded": "select nextval('minutehand.lost_events')",
        "set aside": "insert into automation_events (occurred_at, table_name, operation, types, match_attempts)"
        " values (now(), 'jobs', 'UPDATE', '{}', 5)",
        "no tenant": "insert into automation_events"
        " (occurred_at, table_name, entity_id, operation, types, matched_at, error)"
        " values (now(), 'jobs', 'J-9', 'UPDATE', '{}', now(), 'no tenant: organization_id is null')",
    }
    ones: list[str] = []
    twos: list[str] = []
    for said in (ones, twos):
        for statement in told.values():
            database.sql(statement)
        problems = [line for line in status().out.splitlines() if line.startswith("! ")]
        said += [line for words in told for line in problems if words in line]
    assert [line[2:].split(":")[0] for line in ones] == [
        "1 send unconfirmed",
        "1 row is processing under another processor",
        "1 change could not be recorded",
        "1 change was set aside, the last of table jobs; see",
        "1 change names no tenant, the last of row J-9 of jobs",
    ]
    assert [line[2:].split(":")[0] for line in twos] == [
        "2 sends unconfirmed",
        "2 rows are processing under another processor",
        "2 changes could not be recorded",
        "2 changes were set aside, the last of table jobs; see",
        "2 changes name no tenant, the last of row J-9 of jobs",
    ]


def test_a_workflow_whose_steps_cannot_be_read_is_a_problem_where_they_run_here(status, database, minutehand):
    insert = "insert into automation_workflows (name, trigger_type, steps, is_active) values (%s, 'manual', %s, %s)"
    unread = Jsonb([{"type": "email", "config": {"subject": "no message"}}])
    database.sql(insert, "unread", unread, True)
    database.sql(insert, "off", unread, False)
    database.sql(insert, "fine", Jsonb([{"type": "stop"}]), True)
    said = status("--check")
    assert said.code == 3
    (problem,) = [line for line in said.out.splitlines() if line.startswith("! ")]
    assert problem.startswith("! workflow 'unread' will fail: step 1 (email): ")
    found = json.loads(status("-o", "json").out)
    assert [workflow["state"] for workflow in found["workflows"]] == ["on", "off", "will fail"]
    assert not any("definition" in workflow for workflow in found["workflows"])
    assert parse(status("-o", "prometheus").out)["minutehand_workflows_broken"][()] == 1
    assert status("--check", "--executor", "function").code == 0
    with minutehand.running("status", "--watch", "0.1s") as running:
        wait_until(lambda: "'unread' will fail" in running.out.read_text(), "the look of a watch")


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
