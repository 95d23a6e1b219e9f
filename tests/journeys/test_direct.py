"""Direct mode, from the UPDATE to the message: the database calls, the callee claims, a tick runs what was lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import httpx
import pytest

from minutehand.executor.step_run import send_key
from minutehand.scheduler.demo.receivers import Answer
from tests.dashboard.served import PATH, Serve, Served
from tests.docs.pages import DOCS
from tests.journeys.app import App, Gate, wait_until, webhook
from tests.supabase.net_standin import delivering, install

FUNCTION = DOCS / "edge-function" / "automation-executor"


@pytest.fixture
def app(database) -> App:
    """The app, on a database with pg_net and Vault."""
    install(database)
    return App(database)


@contextmanager
def serving(app: App, minutehand) -> Iterator[Served]:
    """Direct mode is on, pg_net delivers its calls, and `serve` answers them."""
    token = token_of(minutehand("direct", "on", "--url", "http://127.0.0.1:9/"))
    with Serve(minutehand)(MINUTEHAND_DIRECT_TOKEN=token) as served:
        assert minutehand("direct", "on", "--url", served.url + PATH).returncode == 0
        with delivering(app.database):
            yield served


def token_of(done) -> str:
    """The token in a command's output."""
    assert done.returncode == 0, done.stderr
    return done.stdout.split("MINUTEHAND_DIRECT_TOKEN=")[1].split()[0]


def responses(app: App) -> list[dict]:
    """The responses that pg_net received, oldest first."""
    return app.database.sql("select status_code, content from net._http_response order by id")


def heard_more_than(app: App, count: int) -> bool:
    return len(responses(app)) > count


def completed(app: App) -> bool:
    return {row["status"] for row in app.executions()} == {"completed"}


def test_a_change_sends_a_message_at_once_without_a_tick(app, minutehand, shop):
    app.workflow(webhook(shop.url))
    with serving(app, minutehand):
        app.complete()
        wait_until(lambda: len(responses(app)) == 1, "the reply")
    assert [row["status_code"] for row in responses(app)] == [200]
    assert json.loads(responses(app)[0]["content"]) == {
        "success": True,
        "executionId": str(app.execution()["id"]),
        "status": "completed",
    }
    assert len(shop.requests) == 1
    assert minutehand.run_once()["claimed"] == 0


def test_a_repeated_call_or_a_tick_at_the_same_time_changes_nothing(app, minutehand, shop):
    app.workflow(webhook(shop.url))
    gate = Gate()
    shop.then(Answer(after=gate))
    with serving(app, minutehand) as served:
        with app.database.connection.transaction():
            app.complete()
            app.database.sql(
                "insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)"
                " select method, url, headers, body, timeout_milliseconds from net.http_request_queue,"
                " generate_series(1, 20)"
            )
        wait_until(gate.reached.is_set, "the message")
        assert minutehand.run_once()["claimed"] == 0
        gate.set()
        wait_until(lambda: len(responses(app)) == 21, "the replies")
        assert served.running.process.poll() is None
    assert {row["status_code"] for row in responses(app)} == {200}
    assert len(shop.requests) == 1


def test_after_a_lost_call_the_next_tick_sends_the_message(app, minutehand, shop):
    app.workflow(webhook(shop.url))
    assert minutehand("direct", "on", "--url", "http://127.0.0.1:9/").returncode == 0
    app.complete()
    app.database.sql("delete from net.http_request_queue")  # as a crash of the server leaves it
    app.complete()
    with delivering(app.database):
        wait_until(lambda: len(responses(app)) == 1, "the refusal")
    assert minutehand.run_once()["completed"] == 2
    assert len(shop.requests) == 2


def test_without_its_token_serve_warns_and_what_it_refused_is_shown(app, minutehand, shop):
    app.workflow(webhook(shop.url))
    token = token_of(minutehand("direct", "on", "--url", "http://127.0.0.1:9/"))
    for environment, endpoint, status in (
        ({}, "closed", 403),
        ({"MINUTEHAND_API_TOKEN": "an-api-token"}, "open", 401),
        ({"MINUTEHAND_DIRECT_TOKEN": "another-token"}, "open", 401),
    ):
        with Serve(minutehand)(**environment) as served:
            (warning,) = [line for line in served.running.heard().splitlines() if "direct_calls_refused" in line]
            assert (json.loads(warning)["endpoint"], token in warning) == (endpoint, False)
            assert minutehand("direct", "on", "--url", served.url + PATH).returncode == 0
            with delivering(app.database):
                before = len(responses(app))
                app.complete()
                wait_until(partial(heard_more_than, app, before), "the reply")
        assert responses(app)[-1]["status_code"] == status
        said = minutehand("direct", "status").stdout
        assert "refused in the last hour; the last refused" in said
        assert f"the last with {status}: set MINUTEHAND_DIRECT_TOKEN where serve runs" in said
        shown = minutehand("executions", "show", str(app.executions()[-1]["id"])).stdout
        assert f"the executor refused the call ({status})" in shown
        assert "on, but the executor refuses its calls" in minutehand("doctor").stdout
    with Serve(minutehand)(MINUTEHAND_DIRECT_TOKEN=token) as served:
        assert "direct_calls_refused" not in served.running.heard()
        assert minutehand("direct", "on", "--url", served.url + PATH).returncode == 0
        with delivering(app.database):
            app.complete()
            wait_until(lambda: len(responses(app)) == 4, "the reply")
    said = minutehand("direct", "status").stdout
    assert ("1 accepted, 3 refused in the last hour; the last accepted (200)" in said, "!" in said) == (True, False)
    assert minutehand.run_once()["completed"] == 3


def test_a_rotated_token_is_valid_beside_the_old_one_and_then_alone(app, minutehand, shop):
    app.workflow(webhook(shop.url))
    old = token_of(minutehand("direct", "on", "--url", "http://127.0.0.1:9/"))
    both = token_of(minutehand("direct", "rotate"))
    new = both.split(",")[0]
    assert both == f"{new},{old}"
    for tokens, status in ((old, 401), (both, 200), (new, 200)):
        with Serve(minutehand)(MINUTEHAND_DIRECT_TOKEN=tokens) as served:
            assert minutehand("direct", "on", "--url", served.url + PATH).returncode == 0
            before = len(responses(app))
            with delivering(app.database):
                app.complete()
                wait_until(partial(heard_more_than, app, before), "the reply")
            assert responses(app)[-1]["status_code"] == status
    # Without a gap: the receiver gets the new token first.
    done = minutehand("direct", "rotate", MINUTEHAND_DIRECT_TOKEN=f"newest,{new}")
    assert token_of(done) == f"newest,{new}"
    assert minutehand.run_once()["completed"] == 1
    assert len(shop.requests) == 3


def test_the_command_says_what_is_on_what_is_missing_and_what_it_replaces(app, minutehand):
    assert minutehand("direct", "off").stdout == "direct mode was not on\n"
    app.database.sql(
        "create function handle_job_automation_triggers_direct() returns trigger language plpgsql as"
        " $$ begin return new; end $$"
    )
    on = ("direct", "on", "--url", "https://automations.example.com/x", "--timeout", "3s")
    refused = minutehand(*on)
    assert (refused.returncode, "--replace" in refused.stderr) == (2, True)
    done = minutehand(*on, "--replace", "--no-claim", MINUTEHAND_DIRECT_TOKEN="from-the-environment,older")
    assert "begin return new; end" in done.stdout
    assert "calls https://automations.example.com/x (timeout 3 s)" in done.stdout
    assert "MINUTEHAND_DIRECT_TOKEN" not in done.stdout, "a token from the environment is not printed"
    assert "the function must mark the log itself" in done.stderr
    app.database.sql("delete from vault.secrets")
    status = minutehand("direct", "status")
    assert "! Vault has no token" in status.stdout
    status = json.loads(minutehand("direct", "status", "-o", "json").stdout)
    assert (status["on"], status["no_claim"], status["secret"]) == (True, True, False)
    assert minutehand("direct", "off").stdout == "direct mode is off; ticks run what is due\n"
    for verb in (("on", "--url", "https://automations.example.com/x"), ("rotate",)):
        shared = minutehand("direct", *verb, MINUTEHAND_DIRECT_TOKEN="both", MINUTEHAND_API_TOKEN="new,both")
        assert (shared.returncode, "in common" in shared.stderr) == (78, True)
    bad = minutehand("direct", "on", "--url", "ftp://x")
    assert (bad.returncode, "is no URL" in bad.stderr) == (2, True)


# --- an edge function of the project ----------------------------------------------------------------------------------


@pytest.fixture
def hosted(project) -> App:
    """The app in a Supabase project, whose owner is not a superuser."""
    project.install_net()
    return App(project.owner)


def deploy(project, shop) -> str:
    """Deploy the function of docs/, and return its address."""
    project.deploy(
        "automation-executor",
        FUNCTION,
        MINUTEHAND_DIRECT_TOKEN="a-new-token,an-old-token",
        RESEND_API_KEY="re_123",
        RESEND_BASE_URL=shop.url,
        EMAIL_FROM="app@example.com",
    )
    return f"{project.url}/functions/v1/automation-executor"


def call(url: str, execution_id: object, token: str = "a-new-token") -> httpx.Response:
    return httpx.post(
        url, json={"executionId": str(execution_id)}, headers={"Authorization": f"Bearer {token}"}, timeout=20
    )


MAIL = {"type": "email", "config": {"subject": "{{job.title}}: done", "message": "Dear {{ client.name }}."}}


def test_the_edge_function_claims_and_settles_the_execution_of_the_call(hosted, project, shop):
    url = deploy(project, shop)
    hosted.database.call("automation_direct_on", p_url=url, p_token="a-new-token")
    shop.then(Answer(body=b'{"id": "mail-1"}'))
    hosted.workflow(MAIL)
    with delivering(project.database):
        hosted.complete()
        wait_until(lambda: completed(hosted), "its end")
    (request,) = shop.requests
    assert (request.method, request.path, request.headers["authorization"]) == ("POST", "/emails", "Bearer re_123")
    assert json.loads(request.body) == {
        "from": "app@example.com",
        "to": ["hotel@example.com"],
        "subject": "Boiler repair: done",
        "text": "Dear Lakeview Hotel.",
        "html": "Dear Lakeview Hotel.",
        "headers": {"Auto-Submitted": "auto-generated"},
    }
    (send,) = hosted.sends()
    assert (send["status"], send["recipient"], send["external_id"]) == ("sent", "hotel@example.com", "mail-1")
    assert send["idempotency_key"] == request.headers["idempotency-key"]
    assert hosted.execution()["worker"] == "edge"


def test_the_edge_function_accepts_two_tokens_and_no_other(hosted, project, shop):
    url = deploy(project, shop)
    shop.then(Answer(body=b'{"id": "mail-1"}'))
    hosted.workflow(MAIL)
    hosted.complete()
    one = hosted.execution()["id"]
    for token in ("-", "wrong", "a-new-token,an-old-token", project.secret_key):
        assert call(url, one, token).status_code == 401
    assert call(url, one, "an-old-token").json()["success"]
    again = call(url, one)
    assert (again.status_code, again.json()["success"]) == (409, False)
    assert httpx.post(url, content=b"{", headers={"Authorization": "Bearer a-new-token"}).status_code == 422
    assert len(shop.requests) == 1


def test_the_edge_function_repeats_a_send_under_the_same_key_and_reports_failures(hosted, project, shop):
    url = deploy(project, shop)
    hosted.workflow(MAIL, MAIL, {"type": "sms", "config": {"message": "x"}})
    hosted.complete()
    one = hosted.execution()["id"]
    shop.then(Answer(body=b'{"id": "mail-1"}'), Answer(status=502), Answer(body=b'{"id": "mail-2"}'))
    assert call(url, one).json() == {"executionId": str(one), "success": False, "status": "pending"}
    assert hosted.execution()["code"] == "uncertain_send"
    hosted.make_due()
    assert call(url, one).json() == {"executionId": str(one), "success": False, "status": "failed"}
    assert hosted.execution()["code"] == "partial"
    keys = [request.headers["idempotency-key"] for request in shop.requests]
    assert keys == [send_key(str(one), step, "email", "hotel@example.com") for step in ("1", "2", "2")]
    assert [step["status"] for step in hosted.execution()["actions_executed"]] == ["success", "success", "failed"]


def test_the_edge_function_claims_an_execution_that_lost_two_leases(hosted, project, shop):
    url = deploy(project, shop)
    hosted.workflow(MAIL)
    hosted.complete()
    hosted.database.sql("update automation_execution_logs set lost_leases = 2")
    shop.then(Answer(body=b'{"id": "mail-1"}'))
    assert call(url, hosted.execution()["id"]).json()["success"]


def test_the_edge_function_invents_no_recipient_and_sends_no_braces(hosted, project, shop):
    url = deploy(project, shop)
    hosted.workflow(MAIL)
    hosted.complete(client=None)
    assert call(url, hosted.execution()["id"]).json()["status"] == "failed"
    assert hosted.execution()["code"] == "no_recipient"
    assert shop.requests == []
