"""Every command over a project's REST API, with two environment variables."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from minutehand.scheduler.demo.receivers import HttpReceiver, SmtpReceiver
from tests.dashboard.served import PATH, Serve
from tests.journeys.app import SECRET, App, Minutehand, email, wait_until, webhook
from tests.supabase.net_standin import delivering

#: The newer and the older key of a project.
with_either_key = pytest.mark.parametrize("minutehand", ["secret_key", "service_role_jwt"], indirect=True)


@pytest.fixture
def minutehand(request: pytest.FixtureRequest, project: Any, post: SmtpReceiver, tmp_path: Path) -> Minutehand:
    """The command with a project's URL and a key, and a mail server."""
    return Minutehand(
        tmp_path,
        {
            "SUPABASE_URL": project.url,
            "SUPABASE_SERVICE_ROLE_KEY": getattr(project, getattr(request, "param", "secret_key")),
            "SMTP_URL": post.url,
            "EMAIL_FROM": "app@example.com",
            "MINUTEHAND_WEBHOOK_SECRET": SECRET,
            "MINUTEHAND_ALLOW_PRIVATE_ADDRESSES": "1",
        },
    )


@with_either_key
def test_every_command_works_with_a_projects_url_and_key(
    project: Any, minutehand: Minutehand, shop: HttpReceiver, post: SmtpReceiver
) -> None:
    app = App(project.owner)
    assert minutehand("trigger", "rm", "jobs").stdout.startswith("jobs is no longer watched on supabase ")
    assert minutehand("trigger", "add", "jobs").stdout.startswith("watching jobs: job_created")
    assert json.loads(minutehand("trigger", "ls", "-o", "json").stdout)[0]["table"] == "jobs"
    app.workflow(email(), webhook(shop.url))
    job = app.complete()
    summary = minutehand.run_once()
    assert (summary["backend"], summary["completed"], summary["executions"][0]["entity_id"]) == ("supabase", 1, job)
    assert [mail.recipients for mail in post.messages] == [("hotel@example.com",)]
    assert len(shop.requests) == 1
    assert "supabase 127.0.0.1:" in minutehand("status").stdout
    (listed,) = json.loads(minutehand("executions", "ls", "-o", "json").stdout)
    assert minutehand("executions", "show", listed["id"][:13]).stdout.startswith("Thank the client for")
    assert "started before" not in minutehand("enqueue", "Thank the client", "--row", job, "--key", "k").stdout
    assert "was already started" in minutehand("enqueue", "Thank the client", "--row", job, "--key", "k").stdout
    (pending,) = json.loads(minutehand("executions", "ls", "--status", "pending", "-o", "json").stdout)
    assert minutehand("executions", "cancel", pending["id"]).returncode == 0
    assert minutehand("executions", "retry", pending["id"]).returncode == 2
    assert minutehand("run-once").stdout.startswith("nothing due (supabase 127.0.0.1:")


def test_start_ticks_over_rest_until_it_is_stopped(project: Any, minutehand: Minutehand, post: SmtpReceiver) -> None:
    App(project.owner).workflow(email())
    with minutehand.running("start", "--every", "1s") as running:
        wait_until(lambda: "scheduler_started" in running.heard(), "the first tick")
        project.owner.sql("insert into jobs (id, organization_id, client_id) values ('J-1', 'north', 'C-1')")
        project.owner.sql("update jobs set status = 'completed' where id = 'J-1'")
        wait_until(lambda: post.messages, "the message")
        assert running.end(signal.SIGTERM)[0] == 0


@with_either_key
def test_direct_mode_and_serve_work_over_rest(project: Any, minutehand: Minutehand, shop: HttpReceiver) -> None:
    project.install_net()
    app = App(project.owner)
    app.workflow(webhook(shop.url))
    output = minutehand("direct", "on", "--url", "http://127.0.0.1:9/").stdout
    token = output.split("MINUTEHAND_DIRECT_TOKEN=")[1].split()[0]
    with Serve(minutehand)(MINUTEHAND_DIRECT_TOKEN=token) as served:
        assert minutehand("direct", "on", "--url", served.url + PATH).returncode == 0
        with delivering(project.database):
            app.complete()
            wait_until(lambda: app.execution()["status"] == "completed", "the execution that the database called for")
    assert len(shop.requests) == 1
    (reply,) = project.database.sql("select status_code, content from net._http_response")
    assert reply["status_code"] == 200
    assert set(json.loads(reply["content"])) == {"success", "executionId", "status"}
    refused = minutehand("serve", "--port", "0", MINUTEHAND_API_TOKEN=token)
    assert (refused.returncode, "MINUTEHAND_DIRECT_TOKEN" in refused.stderr) == (78, True)
    assert json.loads(minutehand("direct", "status", "-o", "json").stdout)["problems"] == []
    assert json.loads(minutehand("doctor", "-o", "json").stdout)["kind"] == "rest"


def test_many_processors_never_run_an_execution_twice(project: Any, minutehand: Minutehand, shop: HttpReceiver) -> None:
    app = App(project.owner)
    app.workflow(webhook(shop.url))
    app.complete_many(25)
    summaries: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: summaries.append(minutehand.run_once())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(summary["completed"] for summary in summaries) == 25
    assert len({request.headers["webhook-id"] for request in shop.requests}) == len(shop.requests) == 25


def test_a_command_that_rest_cannot_run_says_how_to_run_it(minutehand: Minutehand) -> None:
    done = minutehand("migrate")
    assert (done.returncode, done.stdout) == (78, "")
    assert "migrate --print" in done.stderr
    assert "Session pooler" in done.stderr


def test_a_wrong_key_and_a_publishable_key_are_named(project: Any, minutehand: Minutehand) -> None:
    for key, message in (
        ("sb_secret_of_another_project", "refuses the key"),
        (project.publishable_key, "the anon (publishable) key"),
        (project.anon_jwt, "the anon key"),
        ("sb_secret_with\na newline", "is not a key"),
    ):
        done = minutehand("run-once", SUPABASE_SERVICE_ROLE_KEY=key)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1), done.stderr
        assert message in done.stderr
        assert key not in done.stderr
    assert minutehand("run-once", SUPABASE_SERVICE_ROLE_KEY=None).returncode == 78
    assert minutehand("run-once", SUPABASE_URL="https://project.invalid").returncode == 69


def test_a_project_without_our_schema_says_what_to_do(project: Any, minutehand: Minutehand) -> None:
    project.owner.sql("drop schema minutehand cascade")
    project.owner.sql("drop owned by current_user cascade; notify pgrst, 'reload schema'")
    done = minutehand("run-once")
    assert (done.returncode, done.stdout) == (78, "")
    assert "minutehand migrate" in done.stderr
