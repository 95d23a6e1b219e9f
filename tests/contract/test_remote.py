"""The executor elsewhere, against a real HTTP server and a real database."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from minutehand.executor.outcome import Ended, OnUncertain, Outcome
from minutehand.executor.remote import RemoteExecutor, call_body
from minutehand.executor.settings import ExecutorSettings, Remote
from minutehand.executor.step_run import send_key
from minutehand.scheduler.demo.receivers import Answer, HttpReceiver
from minutehand.store import Context, LeaseLost, Store
from minutehand.store.json import Unwritable
from tests.journeys.app import App, webhook
from tests.servers import CLAIM, Database
from tests.unit.executions import execution

#: No action knows this step: it is the callee's to run.
STEP = {"type": "action", "config": {"actionType": "gift_card"}}


@pytest.fixture
def app(database: Database) -> App:
    return App(database)


@pytest.fixture
def callee() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


def said(**body: Any) -> Answer:
    return Answer(headers={"Content-Type": "application/json"}, body=json.dumps({"success": True, **body}).encode())


def hand_over(
    app: App,
    url: str,
    *,
    before: str = "",
    token: str | None = None,
    seconds: float = 10.0,
    stopping: bool = False,
    settle: bool = True,
) -> Outcome:
    """Claim one execution, let `before` happen, hand it over, and settle."""

    async def go() -> Outcome:
        store = Store.postgres(app.database.url)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        remote = Remote(url=url, headers=headers, timeout_seconds=seconds)
        try:
            (claimed,) = (await store.claim(1, **CLAIM)).executions
            if before:
                app.database.sql(before)
            async with RemoteExecutor(store, ExecutorSettings(remote=remote), stopping=lambda: stopping) as executor:
                ended = await executor.execute(claimed)
            if settle:
                await store.settle([ended.as_json()])
            return ended
        finally:
            await store.close()

    return asyncio.run(go())


def test_it_is_called_as_the_apps_executor_is(app: App, callee: HttpReceiver) -> None:
    workflow = app.workflow(STEP)
    job = app.complete()
    callee.then(said())
    assert hand_over(app, f"{callee.url}/run", token="let me in").ended is Ended.DONE
    (request,) = callee.requests
    body = json.loads(request.body)
    one = str(app.execution()["id"])
    assert (request.method, request.path) == ("POST", "/run")
    assert set(body) == {"workflowId", "executionId", "context"}
    assert (body["workflowId"], body["executionId"]) == (workflow, one)
    context = body["context"]
    assert (context["job_id"], context["jobId"], context["job"]["id"]) == (job, job, job)
    assert (context["job"]["status"], context["old"]["status"]) == ("completed", "scheduled")
    assert context["client"]["email"] == "hotel@example.com"
    assert context["trigger_data"]["new_status"] == "completed"
    assert context["workflow"] == {"id": workflow, "name": "Thank the client"}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer let me in"
    assert request.headers["x-minutehand-cause"] == one
    assert request.headers["idempotency-key"] == request.headers["webhook-id"] == send_key(one, "", "executor", "")


def test_done_without_items_is_completed_and_items_become_records(app: App, callee: HttpReceiver) -> None:
    app.workflow(STEP)
    app.complete()
    app.complete()
    good = {"stepId": "1", "status": "success", "result": {"type": "email", "status": "sent"}}
    bad = {"stepId": "2", "name": "Text", "status": "failed", "error": "no phone"}
    callee.then(said(), said(results=[good, bad]))
    for _ in range(2):
        hand_over(app, callee.url)
    ends = [(row["status"], row["code"], row["reason"], row["actions_executed"]) for row in app.executions()]
    assert ends == [("completed", None, None, []), ("failed", "partial", "step Text: no phone", [good, bad])]


ENDS: dict[str, tuple[Answer, str, str]] = {
    "says no": (Answer(body=b'{"success": false, "error": "not active"}'), "failed", "executor_failed"),
    "HTML": (Answer(body=b"<!DOCTYPE html><title>Hello"), "failed", "uncertain_send"),
    "nothing": (Answer(body=b""), "failed", "uncertain_send"),
    "no JSON": (Answer(body=b"done!"), "failed", "uncertain_send"),
    "2 MB": (Answer(body=b'{"success": true, "x": "' + b"y" * 2_000_000 + b'"}'), "failed", "uncertain_send"),
    "breaks off": (Answer(body=b'{"success": true}', missing_bytes=9), "failed", "uncertain_send"),
    "hangs up": (Answer(hang_up=True), "failed", "uncertain_send"),
    "a server's error": (Answer(status=500, body=b'{"success": false}'), "failed", "uncertain_send"),
    "a wrong key": (Answer(status=401), "pending", "executor_denied"),
    "no function": (Answer(status=404, body=b'{"code": "NOT_FOUND"}'), "pending", "no_executor"),
    "no boot": (Answer(status=503, headers={"sb-error-code": "BOOT_ERROR"}), "pending", "executor_broken"),
    "held": (Answer(status=409), "pending", "held_elsewhere"),
    "busy": (Answer(status=429, headers={"Retry-After": "90"}), "pending", "busy"),
    "refuses": (Answer(status=422), "failed", "refused"),
    "moved": (Answer(status=308, headers={"Location": "/there"}), "failed", "redirect"),
}


@pytest.mark.parametrize("case", ENDS)
def test_each_kind_of_reply_has_its_end(app: App, callee: HttpReceiver, case: str) -> None:
    answer, status, code = ENDS[case]
    app.workflow(STEP)
    app.complete()
    callee.then(answer)
    hand_over(app, callee.url)
    stored = app.execution()
    assert (stored["status"], stored["code"]) == (status, code)
    assert stored["reason"]
    assert stored["actions_executed"] == []
    assert len(callee.requests) == 1


def test_no_reply_in_time_is_uncertain(app: App, callee: HttpReceiver) -> None:
    app.workflow(STEP)
    app.complete()
    gate = threading.Event()
    callee.then(Answer(after=gate))
    try:
        hand_over(app, callee.url, seconds=2)
    finally:
        gate.set()
    assert app.execution()["code"] == "uncertain_send"
    assert app.execution()["reason"].endswith("no reply in time; the request may have arrived")


def test_a_refused_connection_is_tried_again_under_the_same_key(app: App, callee: HttpReceiver) -> None:
    app.workflow(STEP)
    app.complete()
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    hand_over(app, nobody)
    assert (app.execution()["status"], app.execution()["code"]) == ("pending", "unreachable")
    callee.then(Answer(status=429), said())
    for _ in range(2):
        app.make_due()
        hand_over(app, callee.url)
    first, second = callee.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert app.execution()["status"] == "completed"


@pytest.mark.parametrize(("word", "status"), [("resend", "pending"), ("drop", "failed"), ("hold", "failed")])
def test_a_workflow_may_say_what_becomes_of_an_uncertain_call(
    app: App, callee: HttpReceiver, word: str, status: str
) -> None:
    app.workflow(STEP, settings={"on_uncertain": word})
    app.complete()
    callee.then(Answer(status=500))
    assert hand_over(app, callee.url).on_uncertain == OnUncertain(word)
    assert (app.execution()["status"], app.execution()["code"]) == (status, "uncertain_send")


def lose_the_worker(app: App, url: str) -> None:
    """Call, and vanish before the end is told."""
    hand_over(app, url, settle=False)
    app.expire_leases()
    app.database.call("automation_tick")
    app.make_due()


def test_after_a_worker_vanished_in_its_call_the_callee_is_not_called_again(app: App, callee: HttpReceiver) -> None:
    app.workflow(STEP)
    app.complete()
    callee.then(said())
    lose_the_worker(app, callee.url)
    hand_over(app, callee.url)
    assert len(callee.requests) == 1
    assert (app.execution()["status"], app.execution()["code"]) == ("failed", "uncertain_send")
    assert "an earlier worker stopped after calling" in app.execution()["reason"]


def test_after_a_worker_vanished_a_workflow_that_resends_calls_again(app: App, callee: HttpReceiver) -> None:
    app.workflow(STEP, settings={"on_uncertain": "resend"})
    app.complete()
    callee.then(said(), said())
    lose_the_worker(app, callee.url)
    hand_over(app, callee.url)
    assert len({request.headers["idempotency-key"] for request in callee.requests}) == 1
    assert (len(callee.requests), app.execution()["status"]) == (2, "completed")


def test_what_the_callee_marked_stands_though_its_reply_was_lost(app: App, callee: HttpReceiver) -> None:
    app.workflow(STEP)
    app.complete()
    callee.then(Answer(hang_up=True))
    mark = "update automation_execution_logs set status = 'completed'"
    hand_over(app, callee.url, before=mark)
    assert (app.execution()["status"], app.execution()["code"]) == ("completed", None)


def test_after_a_persons_retry_the_callee_hears_what_is_done(app: App, callee: HttpReceiver) -> None:
    app.workflow(STEP)
    app.complete()
    items = [{"stepId": "mail", "status": "success"}, {"stepId": "text", "status": "failed", "error": "no phone"}]
    callee.then(said(results=items), said(results=[{"stepId": "text", "status": "success"}]))
    hand_over(app, callee.url)
    assert app.execution()["code"] == "partial"
    app.database.call("automation_retry", p_ids=[str(app.execution()["id"])])
    hand_over(app, callee.url)
    contexts = [json.loads(request.body)["context"] for request in callee.requests]
    assert [context.get("completed_steps") for context in contexts] == [None, ["mail"]]
    assert app.execution()["status"] == "completed"
    assert [item["stepId"] for item in app.execution()["actions_executed"]] == ["mail", "text"]


STOPS = {
    "off": ("update automation_workflows set is_active = false", "skipped", "workflow_off"),
    "gone": ("delete from jobs", "skipped", "row_gone"),
    "another's": ("update jobs set organization_id = 'south'", "failed", "other_tenant"),
    "paused": ("insert into automation_control (scope) values ('all')", "pending", "paused"),
}


@pytest.mark.parametrize("case", STOPS)
def test_the_last_look_is_obeyed_before_the_call(app: App, callee: HttpReceiver, case: str) -> None:
    before, status, code = STOPS[case]
    app.workflow(STEP)
    app.complete()
    hand_over(app, callee.url, before=before)
    assert (app.execution()["status"], app.execution()["code"]) == (status, code)
    assert callee.requests == []


def test_without_the_lease_nothing_is_called(app: App, callee: HttpReceiver) -> None:
    app.workflow(STEP)
    app.complete()
    with pytest.raises(LeaseLost):
        hand_over(app, callee.url, before="update automation_execution_logs set lease_token = gen_random_uuid()")
    assert callee.requests == []


def test_a_stop_releases_what_was_not_called(app: App, callee: HttpReceiver) -> None:
    app.workflow(STEP)
    app.complete()
    assert hand_over(app, callee.url, stopping=True).ended is Ended.RELEASED
    assert (app.execution()["status"], app.execution()["attempt"], callee.requests) == ("pending", 0, [])


def test_an_execution_without_a_row_is_handed_over_with_its_trigger_data(app: App, callee: HttpReceiver) -> None:
    app.workflow(webhook("http://127.0.0.1:9/"), name="By hand")
    app.database.call("automation_enqueue", p_workflow="By hand", p_payload={"ref": 7})
    callee.then(said())
    hand_over(app, callee.url)
    context = json.loads(callee.requests[0].body)["context"]
    assert context["trigger_data"]["payload"] == {"ref": 7}
    assert "job_id" not in context


def test_a_context_that_is_no_json_is_refused_by_name() -> None:
    row = {"id": "J-1", "price": float("nan")}
    context = Context(id="e1", held=True, stop=None, type="job", row=row, old=None, links={})
    with pytest.raises(Unwritable, match=r"^context\.job\.price is not a finite number"):
        call_body(execution(), context)
