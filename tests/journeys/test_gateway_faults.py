"""A gateway before a project answers some calls itself: what passes is repeated, and ends no process (R18)."""

from __future__ import annotations

import itertools
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minutehand.scheduler.demo.receivers import Answer, HttpReceiver, Request, SmtpReceiver
from tests.dashboard.served import Serve
from tests.journeys.app import App, Minutehand, email, wait_until
from tests.supabase.proxy import Proxy, function_of
from tests.supabase.stack import Project


def said(status: int, code: str, message: str, **headers: str) -> Answer:
    body = json.dumps({"code": code, "message": message}).encode()
    return Answer(status=status, headers={"Content-Type": "application/json", **headers}, body=body)


FUTURE = said(401, "PGRST303", "JWT issued at future")
RELOADING = said(404, "PGRST202", "Could not find the function in the schema cache")
#: What passes.
FAULTS = {
    "token of the future": FUTURE,
    "function not in the cache": RELOADING,
    "table not in the cache": said(404, "PGRST205", "Could not find the table in the schema cache"),
    "key refused": Answer(status=401, body=b'{"message": "Invalid API key"}'),
    "bad gateway": Answer(status=502, headers={"Content-Type": "text/html"}, body=b"<html><h1>502</h1></html>"),
    "no connection": said(503, "PGRST000", "Could not connect with the database"),
    "gateway timeout": Answer(status=504, body=b""),
    "origin timed out": Answer(status=522, body=b"<html>error code: 522</html>"),
    "paused": Answer(status=540, body=b'{"message": "Project paused"}'),
    "too many requests": Answer(status=429, headers={"Retry-After": "1"}, body=b'{"message": "slow down"}'),
    "gateway's own JSON": Answer(status=500, body=b'{"code": 10000, "message": "internal"}'),
}


class Faulty(Proxy):
    """Answers calls as `rule(function, number of the call)` says; None: passes them on."""

    rule: Callable[[str, int], Answer | None] = staticmethod(lambda function, number: None)

    def __init__(self, project: str) -> None:
        super().__init__(project)
        self.faults = 0
        self._numbers = itertools.count(1)

    def _fault(self, request: Request) -> Answer | None:
        fault = self.rule(function_of(request), next(self._numbers))
        self.faults += fault is not None
        return fault


@pytest.fixture
def gateway(project: Project) -> Any:
    with Faulty(project.url) as made:
        yield made


@pytest.fixture
def minutehand(project: Project, gateway: Faulty, post: SmtpReceiver, tmp_path: Path) -> Minutehand:
    return Minutehand(
        tmp_path,
        {
            "SUPABASE_URL": gateway.url,
            "SUPABASE_SERVICE_ROLE_KEY": project.secret_key,
            "SMTP_URL": post.url,
            "EMAIL_FROM": "app@example.com",
        },
    )


def complete(project: Project, jobs: int) -> App:
    app = App(project.owner)
    app.workflow(email(subject="{{ job.id }}"))
    app.complete_many(jobs)
    return app


def ends(app: App) -> set[tuple[Any, Any]]:
    return {(row["status"], row["code"]) for row in app.database.sql("select * from automation_execution_logs")}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fourth_call_that_a_gateway_answers_itself_costs_nothing(
    project: Project, gateway: Faulty, minutehand: Minutehand, post: SmtpReceiver, fault: str
) -> None:
    app = complete(project, 5)
    gateway.rule = lambda function, number: FAULTS[fault] if number % 4 == 0 else None
    summary = minutehand.run_once("--drain")
    assert (summary["completed"], ends(app)) == (5, {("completed", None)})
    assert len({str(mail.message["subject"]) for mail in post.messages}) == len(post.messages) == 5
    assert gateway.faults >= 1


@pytest.mark.parametrize("function", ["tick", "claim", "advance", "settle"])
@pytest.mark.parametrize("fault", [FUTURE, RELOADING], ids=["future", "reloading"])
def test_a_fault_of_seconds_at_any_call_costs_nothing(
    project: Project, gateway: Faulty, minutehand: Minutehand, post: SmtpReceiver, function: str, fault: Answer
) -> None:
    app = complete(project, 1)
    began: list[float] = []

    def rule(called: str, number: int) -> Answer | None:
        if called != function:
            return None
        began.append(time.monotonic())
        return fault if began[-1] - began[0] < 4 else None

    gateway.rule = rule
    assert (minutehand.run_once()["completed"], len(post.messages)) == (1, 1)
    assert ends(app) == {("completed", None)}
    assert gateway.faults >= 2


@pytest.mark.parametrize("command", ["worker", "start", "serve"])
def test_no_process_ends_by_a_fault_that_passes(
    project: Project, gateway: Faulty, minutehand: Minutehand, post: SmtpReceiver, command: str
) -> None:
    faults = itertools.cycle(FAULTS.values())
    gateway.rule = lambda function, number: next(faults) if number % 5 == 0 else None
    app = App(project.owner)
    app.workflow(email(subject="{{ job.id }}"))
    arguments = {"worker": ("worker", "--poll-seconds", "1s"), "start": ("start", "--every", "1s", "--drain")}
    if command == "serve":
        with Serve(minutehand)("--with-worker", "--poll-seconds", "1s", MINUTEHAND_API_TOKEN="t" * 32) as served:
            app.complete_many(10)
            wait_until(lambda: len(post.messages) == 10, "the messages")
            wait_until(lambda: ends(app) == {("completed", None)}, "their ends")
            assert served
        return
    with minutehand.running(*arguments[command]) as running:
        app.complete_many(10)
        wait_until(lambda: len(post.messages) == 10, "the messages")
        wait_until(lambda: ends(app) == {("completed", None)}, "their ends")
        gateway.rule = lambda function, number: None
        assert running.process.poll() is None
        assert running.end(signal.SIGTERM)[0] == 0
    assert len(post.messages) == 10


def test_a_key_that_was_never_accepted_is_refused_at_once(
    project: Project, gateway: Faulty, minutehand: Minutehand
) -> None:
    gateway.rule = lambda function, number: FAULTS["key refused"]
    for arguments in (("run-once",), ("worker",), ("start",), ("status",)):
        done = minutehand(*arguments)
        assert (done.returncode, done.stderr.count("\n")) == (78, 1), done.stderr
        assert "refuses the key (Invalid API key)" in done.stderr
    assert gateway.faults == 4


@pytest.mark.parametrize("body", [b'{"ok": true}', b"[]", b"<html>", b'{"now": 1, "due": 2}'])
def test_another_server_is_told_in_one_line(minutehand: Minutehand, body: bytes) -> None:
    with HttpReceiver() as other:
        other.answers.extend([Answer(body=body)] * 20)
        for arguments in (("run-once",), ("status",), ("doctor",), ("executions", "ls"), ("worker",)):
            done = minutehand(*arguments, SUPABASE_URL=other.url)
            assert done.returncode in (3, 78), done.stderr
            assert "does not answer as a Supabase project" in done.stdout + done.stderr
            assert "Traceback" not in done.stderr
