"""From the UPDATE to the message through the app's edge function: executors `function` and `http`."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from minutehand.scheduler.demo.receivers import Answer, HttpReceiver
from tests.journeys.app import App, Gate, Minutehand, wait_until
from tests.servers import Database

NAME = "automation-executor"


def action(type_: str, **more: Any) -> dict[str, Any]:
    """A step as the app's builder saves it."""
    return {"id": type_, "type": "action", "config": {"actionType": type_, "message": "Dear {{client.name}}", **more}}


@pytest.fixture
def app(project: Any) -> App:
    """The app in its project; its clients also have phones."""
    app = App(project.owner)
    project.owner.sql("alter table clients add column phone text")
    project.owner.sql("grant select on jobs, clients to service_role")
    project.owner.sql("notify pgrst, 'reload schema'")
    return app


@pytest.fixture(params=["function over REST", "function", "http"])
def minutehand(request: pytest.FixtureRequest, project: Any, tmp_path: Path) -> Minutehand:
    """The command with the two variables of a project, or on PostgreSQL with the same function."""
    environment = {"SUPABASE_URL": project.url, "SUPABASE_SERVICE_ROLE_KEY": project.secret_key}
    if request.param == "function":
        environment["DATABASE_URL"] = project.database.url
    if request.param == "http":
        environment = {
            "DATABASE_URL": project.database.url,
            "MINUTEHAND_EXECUTOR_URL": f"{project.url}/functions/v1/{NAME}",
            "MINUTEHAND_API_TOKEN": f"{project.service_role_jwt},an-older-one",
        }
    executor = request.param.split(" ")[0]
    return Minutehand(tmp_path, environment | {"MINUTEHAND_EXECUTOR": executor})


over_rest = pytest.mark.parametrize("minutehand", ["function over REST"], indirect=True)


def test_the_apps_own_function_sends_and_marks_the_log(
    project: Any, app: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    project.deploy(NAME, MAIL_URL=shop.url)
    app.workflow(action("email"))
    job = app.complete()
    assert minutehand.run_once()["completed"] == 1
    (request,) = shop.requests
    assert json.loads(request.body) == {
        "type": "email", "recipient": "hotel@example.com", "message": "Dear Lakeview Hotel"
    }  # fmt: skip
    stored = app.execution()
    assert (stored["entity_id"], stored["status"], stored["lease_expires_at"]) == (job, "completed", None)
    assert request.headers["x-minutehand-cause"] == str(stored["id"])
    assert [item["stepId"] for item in stored["actions_executed"]] == ["email"]


@over_rest
@pytest.mark.parametrize(
    ("steps", "code", "reason"),
    [
        ([action("email"), action("sms")], "partial", "step sms: the client has no sms address"),
        ([action("sms")], "step_failed", "step sms: the client has no sms address"),
        ([action("email"), action("gift_card")], "partial", "step gift_card: skipped"),
    ],
)
def test_completed_becomes_failed_where_a_step_did_not_send(
    project: Any, app: App, minutehand: Minutehand, shop: HttpReceiver, steps: list[Any], code: str, reason: str
) -> None:
    project.deploy(NAME, MAIL_URL=shop.url)
    app.workflow(*steps)
    job = app.complete()
    assert minutehand.run_once()["failed"] == 1
    assert app.end_of(job) == ("failed", code, reason)


@over_rest
def test_after_a_timeout_the_status_that_the_function_wrote_stands(
    project: Any, app: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    project.deploy(NAME, MAIL_URL=shop.url, REPLY="silent")
    app.workflow(action("email"))
    job = app.complete()
    summary = minutehand.run_once("--executor-timeout", "4s")
    assert (summary["completed"], summary["uncertain"]) == (1, 0)
    assert (app.end_of(job), len(shop.requests)) == (("completed", None, None), 1)


@over_rest
def test_after_a_timeout_without_a_status_the_call_is_uncertain(
    project: Any, app: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    gate = Gate()
    shop.then(Answer(after=gate))
    project.deploy(NAME, MAIL_URL=shop.url)
    app.workflow(action("email"))
    job = app.complete()
    try:
        assert minutehand.run_once("--executor-timeout", "2s")["uncertain"] == 1
    finally:
        gate.set()
    wait_until(lambda: app.end_of(job)[0] == "completed", "the function's own word, late as it is")
    assert minutehand.run_once()["claimed"] == 0


@over_rest
def test_a_killed_processor_leaves_a_lease_that_outlasts_the_function(
    project: Any, app: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    gate = Gate()
    shop.then(Answer(after=gate))
    project.deploy(NAME, MAIL_URL=shop.url)
    app.workflow(action("email"))
    job = app.complete()
    with minutehand.running("run-once") as running:
        wait_until(gate.reached.is_set, "the function to send")
        running.kill(signal.SIGKILL)
    lease = app.database.one(
        "select extract(epoch from lease_expires_at - started_at) as seconds from automation_execution_logs"
    )
    assert lease["seconds"] >= 460
    gate.set()
    wait_until(lambda: app.end_of(job)[0] == "completed", "the function to mark the log")
    app.database.sql("update automation_execution_logs set lease_expires_at = now() - interval '1 s'")
    assert minutehand.run_once()["claimed"] == 0
    assert (app.execution()["status"], app.execution()["lease_expires_at"]) == ("completed", None)
    assert len(shop.requests) == 1


@over_rest
def test_a_refusal_by_the_platform_is_tried_again_and_named(
    project: Any, app: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    app.workflow(action("email"))
    job = app.complete()

    def code() -> str | None:
        app.make_due()
        assert minutehand.run_once()["retried"] == 1
        return app.end_of(job)[1]

    assert code() == "no_executor"
    project.route(NAME, "http://127.0.0.1:1")
    assert code() == "executor_broken"
    project.deploy(NAME, MAIL_URL=shop.url, verify_jwt=True)
    assert code() == "executor_denied"
    assert "verify_jwt = false" in str(app.end_of(job)[2])
    project.deploy(NAME, MAIL_URL=shop.url)
    app.make_due()
    assert minutehand.run_once()["completed"] == 1
    assert len(shop.requests) == 1


@over_rest
def test_a_function_that_the_platform_ended_is_uncertain(
    stack: Any, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    gate = Gate()
    with stack.project(function_idle_ms=1_000) as project:
        app = App(project.owner)
        shop.then(Answer(after=gate))
        project.deploy(NAME, MAIL_URL=shop.url)
        project.owner.sql("alter table clients add column phone text")
        project.owner.sql("grant select on jobs, clients to service_role")
        app.workflow(action("email"))
        job = app.complete()
        variables = {"SUPABASE_URL": project.url, "SUPABASE_SERVICE_ROLE_KEY": project.secret_key}
        try:
            assert minutehand.run_once(**variables)["uncertain"] == 1
        finally:
            gate.set()
        assert "504 IDLE_TIMEOUT" in str(app.execution()["reason"])
        wait_until(lambda: app.end_of(job)[0] == "completed", "the function's own word, late as it is")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"MINUTEHAND_EXECUTOR": "http"}, "set MINUTEHAND_EXECUTOR_URL"),
        ({"MINUTEHAND_EXECUTOR": "http", "MINUTEHAND_EXECUTOR_URL": "ftp://h"}, "must be http:// or https://"),
        ({"MINUTEHAND_EXECUTOR": "http", "MINUTEHAND_EXECUTOR_URL": "http://me:hush@h"}, "put them in a header"),
        (
            {"MINUTEHAND_EXECUTOR": "http", "MINUTEHAND_EXECUTOR_URL": "http://h", "MINUTEHAND_API_TOKEN": "hush\nb"},
            "MINUTEHAND_API_TOKEN has spaces, line breaks",
        ),
        ({"SUPABASE_URL": None}, "SUPABASE_URL is not set"),
        ({"SUPABASE_SERVICE_ROLE_KEY": None}, "SUPABASE_SERVICE_ROLE_KEY is not set"),
        ({"SUPABASE_SERVICE_ROLE_KEY": "sb_publishable_hush"}, "anon (publishable)"),
        ({"SUPABASE_SERVICE_ROLE_KEY": "sb_secret_hush\nb"}, "line breaks inside"),
        ({"MINUTEHAND_EXECUTOR_TIMEOUT": "0"}, "must be 1 s or more"),
    ],
)
def test_bad_configuration_exits_with_78_before_anything_is_claimed(
    database: Database, tmp_path: Path, environment: dict[str, str | None], message: str
) -> None:
    app = App(database)
    app.workflow(action("email"))
    app.complete()
    minutehand = Minutehand(
        tmp_path,
        {
            "DATABASE_URL": database.url,
            "SUPABASE_URL": "http://127.0.0.1:9",
            "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_x",
            "MINUTEHAND_EXECUTOR": "function",
        },
    )
    done = minutehand("run-once", **environment)
    assert (done.returncode, done.stdout) == (78, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "hush" not in done.stderr
    assert (app.execution()["status"], app.execution()["lease_token"]) == ("pending", None)
