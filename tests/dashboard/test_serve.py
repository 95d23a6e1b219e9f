"""`minutehand serve`: a caller names an execution, it is claimed and run once, and the caller hears how it ended."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from minutehand.scheduler.demo.receivers import Answer
from tests.dashboard.served import PATH, completed, problem
from tests.journeys.app import Gate, wait_until

# --- an execution is run ----------------------------------------------------------------------------------------------


def test_a_call_runs_the_named_execution_alone_and_tells_its_end(app, shop, served):
    first, second = completed(app, shop, 2)
    answer = served.call(second)
    assert answer.status_code == 200
    body = answer.json()
    (step,) = body.pop("results")
    assert body == {"success": True, "executionId": second, "status": "completed", "code": None, "reason": None}
    assert (step["status"], step["result"]["type"]) == ("success", "webhook")
    assert [json.loads(request.body)["executionId"] for request in shop.requests] == [second]
    assert [row["status"] for row in app.executions() if str(row["id"]) == first] == ["pending"]
    wait_until(lambda: "execution_settled" in served.running.heard(), "the log")
    assert second in served.running.heard()


def test_a_failure_is_told_with_code_and_reason(app, served):
    app.workflow({"type": "email", "config": {"subject": "x", "message": "y"}})
    app.complete(client=None)
    body = served.call(app.execution()["id"]).json()
    assert (body["success"], body["status"], body["code"]) == (False, "failed", "no_recipient")
    assert body["reason"]


def test_a_retry_is_told_as_pending(app, shop, served):
    (one,) = completed(app, shop)
    shop.then(Answer(status=429, headers={"Retry-After": "600"}))
    body = served.call(one).json()
    assert (body["success"], body["status"], body["code"]) == (False, "pending", "busy")
    again = problem(served.call(one), 409)
    assert again["detail"].startswith("it is not due before 20")
    assert len(shop.requests) == 1


def test_a_doubled_call_changes_nothing_and_is_told_what_stands(app, shop, served):
    (one,) = completed(app, shop)
    first, second = served.call(one), served.call(one.upper())
    assert (second.status_code, second.json()) == (200, first.json())
    assert len(shop.requests) == 1


def test_of_two_hundred_calls_at_once_exactly_one_runs_it(app, shop, served):
    (one,) = completed(app, shop)
    with ThreadPoolExecutor(200) as callers:
        answers = list(callers.map(lambda _: served.call(one), range(200)))
    assert {(answer.status_code, answer.json()["status"]) for answer in answers} == {(200, "completed")}
    assert len(shop.requests) == 1
    assert app.execution()["attempt"] == 1


def test_of_two_processes_one_runs_it_and_the_other_says_who_holds_it(app, shop, serve):
    (one,) = completed(app, shop)
    gate = Gate()
    shop.then(Answer(after=gate))
    with serve() as left, serve() as right, ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(left.call, one)
        wait_until(gate.reached.is_set, "the request")
        assert problem(right.call(one), 409)["status"] == 409
        gate.set()
        assert waiting.result().json()["success"]
        assert right.call(one).json()["success"]
    assert len(shop.requests) == 1


def test_a_caller_that_hangs_up_does_not_stop_it(app, shop, served):
    (one,) = completed(app, shop)
    gate = Gate()
    shop.then(Answer(after=gate))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            served.url + PATH,
            json={"executionId": one},
            headers={"Authorization": "Bearer a-new-token"},
            timeout=httpx.Timeout(5, read=0.3),
        )
    wait_until(gate.reached.is_set, "the request")
    gate.set()
    wait_until(lambda: app.execution()["status"] == "completed", "its end")
    assert len(shop.requests) == 1


def test_what_may_not_run_now_is_refused_with_why(app, shop, served):
    (one,) = completed(app, shop)
    for change, undo, words in (
        ("scheduled_at = now() + interval '1 hour'", "scheduled_at = null", "it is not due before"),
        ("lost_leases = 2", "lost_leases = 0", "two workers were lost"),
    ):
        app.database.sql(f"update automation_execution_logs set {change}")
        assert words in problem(served.call(one), 409)["detail"]
        app.database.sql(f"update automation_execution_logs set {undo}")
    app.database.sql("insert into automation_control (scope) values ('all')")
    assert problem(served.call(one), 409)["detail"] == "everything is paused"
    app.database.sql("delete from automation_control")
    app.database.sql("update automation_execution_logs set status = 'running'")
    assert problem(served.call(one), 409)["detail"] == "another processor is running it"
    assert shop.requests == []


def test_what_the_claim_itself_ends_is_told(app, served):
    row = app.database.one(
        "insert into automation_execution_logs (workflow_id) values (gen_random_uuid()) returning id"
    )
    body = served.call(row["id"]).json()
    assert (body["status"], body["code"]) == ("failed", "unreadable")


# --- when it cannot ---------------------------------------------------------------------------------------------------


def test_with_all_lanes_busy_it_says_when_to_come_back(app, shop, serve):
    first, second = completed(app, shop, 2)
    gate = Gate()
    shop.then(Answer(after=gate))
    with serve("--concurrency", "1") as served, ThreadPoolExecutor(2) as callers:
        waiting = [callers.submit(served.call, first) for _ in range(2)]  # a double takes no lane
        wait_until(gate.reached.is_set, "the request")
        refusal = served.call(second)
        assert problem(refusal, 503)
        assert int(refusal.headers["retry-after"]) > 0
        gate.set()
        assert [answer.result().status_code for answer in waiting] == [200, 200]
        assert served.call(second).json()["success"]


def test_it_is_alive_without_a_database_and_ready_with_one(serve, database):
    away = "postgresql://127.0.0.1:1/none?connect_timeout=2"
    with serve(DATABASE_URL=away) as served:
        assert served.get("/healthz").json() == {"status": "alive"}
        refusal = served.get("/readyz")
        assert problem(refusal, 503)["failed"] == "database"
        assert int(refusal.headers["retry-after"]) > 0
        call = served.call("00000000-0000-4000-8000-000000000000")
        assert problem(call, 503)["executionId"]
        assert int(call.headers["retry-after"]) > 0
        assert "127.0.0.1:1" not in call.text + refusal.text
        assert "call_failed" in served.running.heard()
    with serve() as served:
        assert served.get("/readyz").json() == {"status": "ready"}
        database.sql("insert into automation_migrations (name, checksum) values ('9999_later', 'x')")
        wait_until(lambda: served.get("/readyz").status_code != 200, "the end of what is known for a second")
        assert problem(served.get("/readyz"), 503)["failed"] == "schema"
        assert served.get("/healthz").status_code == 200


NO_TOKENS = dict.fromkeys(("MINUTEHAND_API_TOKEN", "MINUTEHAND_DIRECT_TOKEN", "MINUTEHAND_METRICS_TOKEN"))


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("--no-dashboard",), NO_TOKENS, "set MINUTEHAND_API_TOKEN"),
        (("--no-dashboard",), NO_TOKENS | {"MINUTEHAND_API_TOKEN": " , "}, "set MINUTEHAND_API_TOKEN"),
        ((), {"MINUTEHAND_API_TOKEN": "two\nlines"}, "line break"),
        (("--no-dashboard", "--host", "203.0.113.1"), {}, "cannot listen on 203.0.113.1:0"),
        (("--no-dashboard", "--host", "nowhere.invalid"), {}, "cannot listen on nowhere.invalid:0"),
    ],
)
def test_what_cannot_be_served_ends_at_once_with_what_to_do(minutehand, serve, arguments, environment, words):
    done = minutehand("serve", "--port", "0", *arguments, **environment)
    assert (done.returncode, words in done.stderr) == (78, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_and_a_schema_of_another_version_end_at_once(minutehand, served, database):
    done = minutehand("serve", "--port", served.url.rsplit(":", 1)[1])
    assert (done.returncode, "--port" in done.stderr) == (78, True)
    database.sql("insert into automation_migrations (name, checksum) values ('9999_later', 'x')")
    done = minutehand("serve", "--port", "0")
    assert (done.returncode, "upgrade minutehand" in done.stderr) == (78, True)
