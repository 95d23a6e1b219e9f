"""One row from the UPDATE to the message, and the records of it."""

from __future__ import annotations

import re
import signal
import threading

import pytest
from standardwebhooks import Webhook

from minutehand.scheduler.demo.receivers import Answer, Trouble
from tests.journeys.app import Gate, email, wait_until, webhook


def test_a_completed_job_sends_an_email_to_its_client(app, minutehand, post):
    app.workflow(email())
    job = app.complete()
    assert minutehand.run_once()["completed"] == 1
    (mail,) = post.messages
    assert mail.recipients == ("hotel@example.com",)
    assert mail.message["subject"] == "Boiler repair: done"
    body = mail.message.get_body(("plain",))
    assert body is not None
    assert f"Dear Lakeview Hotel, job {job} is done." in body.get_content()

    execution = app.execution()
    assert (execution["status"], execution["code"], execution["reason"]) == ("completed", None, None)
    (step,) = execution["actions_executed"]
    assert (step["stepId"], step["status"]) == ("1", "success")
    result = step["result"]
    assert (result["type"], result["status"], result["recipient"]) == ("email", "sent", "hotel@example.com")
    (send,) = app.sends()
    assert (send["status"], send["channel"], send["recipient"]) == ("sent", "email", "hotel@example.com")
    assert send["external_id"] == "000001"
    assert send["sent_at"] is not None
    assert str(send["execution_id"]) == str(execution["id"])


def test_a_webhook_is_signed_and_says_what_happened(app, minutehand, shop):
    workflow = app.workflow(webhook(f"{shop.url}/books/{{{{job.id}}}}"))
    job = app.complete()
    minutehand.run_once()
    (request,) = shop.requests
    assert (request.method, request.path) == ("POST", f"/books/{job}")
    key = request.headers["webhook-id"]
    Webhook(minutehand("webhook-secret", "show", "--organization", "north").stdout.strip()).verify(
        request.body, request.headers
    )
    assert request.headers["idempotency-key"] == key
    assert workflow.encode() in request.body
    assert b"Lakeview Hotel" in request.body
    (send,) = app.sends()
    assert (send["status"], send["channel"], send["idempotency_key"]) == ("sent", "webhook", key)


def test_the_apps_own_builder_shape_is_read(app, minutehand, post):
    app.workflow({"type": "action", "id": "a1", "config": {"actionType": "email", "subject": "Hi", "message": "Hello"}})
    app.complete()
    assert minutehand.run_once()["completed"] == 1
    assert app.execution()["actions_executed"][0]["stepId"] == "a1"
    assert len(post.messages) == 1


def test_a_processor_killed_after_data_leaves_one_copy_and_an_uncertain_send(app, minutehand, post):
    gate = Gate()
    post.then(Trouble(at="CONTENT", reply="250 2.0.0 Ok: queued as LATE", after=gate))
    app.workflow(email())
    app.complete()
    with minutehand.running("run-once") as processor:
        wait_until(gate.reached.is_set, "the message's content")
        processor.end(signal.SIGKILL)
    gate.set()
    app.expire_leases()
    assert minutehand.run_once()["claimed"] == 0  # it came back with a backoff
    assert app.execution()["lost_leases"] == 1
    app.make_due()
    assert minutehand.run_once()["uncertain"] == 1
    assert (app.execution()["status"], app.execution()["code"]) == ("failed", "uncertain_send")
    assert [send["status"] for send in app.sends()] == ["uncertain"]
    assert (post.connections, post.messages) == (1, [])


def test_a_processor_killed_during_a_webhook_repeats_it_under_the_same_id(app, minutehand, shop):
    released = threading.Event()
    shop.then(Answer(after=released))
    app.workflow(webhook(shop.url))
    app.complete()
    with minutehand.running("run-once") as processor:
        wait_until(lambda: shop.requests, "the first request")
        processor.end(signal.SIGKILL)
    released.set()
    app.expire_leases()
    minutehand.run_once()
    app.make_due()
    assert minutehand.run_once()["completed"] == 1
    first, second = shop.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert [send["status"] for send in app.sends()] == ["sent"]


@pytest.mark.parametrize("status", [500, 408])
def test_a_busy_receiver_is_tried_again_later_and_no_other_step_is(app, minutehand, shop, post, status):
    shop.then(Answer(status=status))
    app.workflow(email(), webhook(shop.url))
    app.complete()
    assert minutehand.run_once()["retried"] == 1
    waiting = app.database.one("select status, attempt, scheduled_at > now() as later from automation_execution_logs")
    assert waiting == {"status": "pending", "attempt": 1, "later": True}
    assert minutehand.run_once()["claimed"] == 0
    app.make_due()
    assert minutehand.run_once()["completed"] == 1
    assert len(post.messages) == 1
    assert len({request.headers["webhook-id"] for request in shop.requests}) == 1
    assert len(shop.requests) == 2


def test_being_asked_to_slow_down_spends_no_attempt_and_ends_after_give_up_after(app, minutehand, shop, post):
    shop.then(Answer(status=429), Answer(status=429))
    app.workflow(webhook(shop.url) | {"give_up_after": "2 hours"}, email())
    app.complete()
    for _ in range(2):
        assert minutehand.run_once("--max-attempts", "1")["waiting"] == 1
        waiting = app.database.one("select status, attempt, code from automation_execution_logs")
        assert waiting == {"status": "pending", "attempt": 0, "code": "busy"}
        app.make_due()
    assert len({request.headers["webhook-id"] for request in shop.requests}) == 1
    app.database.sql("update automation_execution_logs set deferred_since = now() - interval '2 hours 1 second'")
    shop.then(Answer(status=429))
    minutehand.run_once("--drain")
    ended = app.execution()
    assert (ended["status"], ended["code"], len(post.messages)) == ("failed", "partial", 1)
    assert re.search(r"(it answered 429|asked to slow down) \(given up after 2 hours", ended["reason"])


def test_retry_after_of_the_receiver_wins(app, minutehand, shop):
    shop.then(Answer(status=429, headers={"Retry-After": "3600"}))
    app.workflow(webhook(shop.url))
    app.complete()
    minutehand.run_once()
    wait = app.database.one("select extract(epoch from scheduled_at - now()) as seconds from automation_execution_logs")
    assert 3500 < wait["seconds"] <= 3600


def test_a_step_without_attempts_left_fails_and_the_following_steps_run(app, minutehand, shop, post):
    shop.then(Answer(status=408), Answer(status=408))
    app.workflow(webhook(shop.url), email())
    app.complete()
    assert minutehand.run_once("--max-attempts", "2")["retried"] == 1
    assert post.messages == []
    app.make_due()
    minutehand.run_once("--max-attempts", "2")
    assert len(post.messages) == 1
    assert (app.execution()["status"], app.execution()["code"]) == ("failed", "partial")
    assert len(shop.requests) == 2


def test_a_step_that_fails_for_good_does_not_stop_the_others(app, minutehand, shop, post):
    shop.then(Answer(status=404))
    app.workflow(webhook(f"{shop.url}/gone"), webhook(f"{shop.url}/there"), email())
    app.complete()
    assert minutehand.run_once()["failed"] == 1
    execution = app.execution()
    assert (execution["status"], execution["code"]) == ("failed", "partial")
    assert "404" in execution["reason"]
    assert execution["error_message"] == execution["reason"]
    assert [step["status"] for step in execution["actions_executed"]] == ["failed", "success", "success"]
    assert [request.path for request in shop.requests] == ["/gone", "/there"]
    assert len(post.messages) == 1


def test_stop_on_error_stops_the_following_steps(app, minutehand, shop, post):
    shop.then(Answer(status=404))
    app.workflow(webhook(shop.url) | {"stop_on_error": True}, email())
    app.complete()
    minutehand.run_once()
    assert (app.execution()["status"], app.execution()["code"]) == ("failed", "refused")
    assert post.messages == []


def test_a_persons_retry_runs_what_failed_and_not_what_succeeded(app, minutehand, shop, post):
    shop.then(Answer(status=404))
    app.workflow(email(), webhook(shop.url))
    app.complete()
    minutehand.run_once()
    assert minutehand("executions", "retry", str(app.execution()["id"])).returncode == 0
    assert minutehand.run_once()["completed"] == 1
    assert len(post.messages) == 1
    assert len(shop.requests) == 2


def test_a_client_without_an_address_fails_its_step_and_the_other_steps_run(app, minutehand, shop, post):
    app.workflow(email(), webhook(shop.url))
    job = app.complete(client="C-2")
    minutehand.run_once()
    status, code, reason = app.end_of(job)
    assert (status, code) == ("failed", "partial")
    assert "client has no e-mail address" in str(reason)
    assert post.messages == []
    assert len(shop.requests) == 1


def test_without_a_client_there_is_no_recipient(app, minutehand, post):
    app.workflow(email(message="Hello"))
    job = app.complete(client=None)
    minutehand.run_once()
    assert app.end_of(job)[:2] == ("failed", "no_recipient")
    assert post.messages == []


def test_an_unresolved_variable_is_never_sent_as_braces(app, minutehand, post):
    app.workflow(email(message="Dear {{client.nickname}}"))
    job = app.complete()
    minutehand.run_once()
    status, code, reason = app.end_of(job)
    assert (status, code) == ("failed", "unresolved_variable")
    assert "client.nickname" in str(reason)
    assert post.messages == []


def test_a_setting_lets_unresolved_variables_be_blank(app, minutehand, post):
    app.workflow(email(message="Dear {{client.nickname}}!"), settings={"unresolved": "blank"})
    app.complete()
    assert minutehand.run_once()["completed"] == 1
    assert "Dear !" in str(post.messages[0].message.get_body(("plain",)))


@pytest.mark.parametrize("scope", ["all", "tenant", "workflow"])
def test_a_paused_execution_runs_after_the_pause(app, minutehand, post, scope):
    workflow = app.workflow(email())
    app.complete()
    target = {"all": "", "tenant": "north", "workflow": workflow}[scope]
    app.database.sql("insert into automation_control (scope, target) values (%s, %s)", scope, target)
    assert minutehand.run_once()["claimed"] == 0
    assert app.execution()["status"] == "pending"
    app.database.sql("delete from automation_control")
    assert minutehand.run_once()["completed"] == 1
    assert len(post.messages) == 1


def test_a_pause_between_two_steps_stops_the_second(app, minutehand, shop, post):
    released = threading.Event()
    shop.then(Answer(after=released))
    app.workflow(webhook(shop.url), email())
    app.complete()
    with minutehand.running("run-once", "-o", "json") as processor:
        wait_until(lambda: shop.requests, "the first step")
        app.database.sql("insert into automation_control (scope) values ('all')")
        released.set()
        code, out, _ = processor.end()
    assert (code, '"released": 1' in out) == (0, True)
    assert post.messages == []
    paused = app.execution()
    assert (paused["status"], paused["attempt"]) == ("pending", 0)
    app.database.sql("delete from automation_control")
    assert minutehand.run_once()["completed"] == 1
    assert (len(shop.requests), len(post.messages)) == (1, 1)


def test_an_opted_out_client_gets_no_email_and_the_other_steps_run(app, minutehand, shop, post):
    app.database.sql("insert into automation_opt_outs (channel, address) values ('email', 'Hotel@example.com')")
    app.workflow(email(), webhook(shop.url))
    job = app.complete()
    minutehand.run_once()
    assert app.end_of(job) == ("completed", None, None)
    skipped, done = app.execution()["actions_executed"]
    assert (skipped["status"], skipped["code"], done["status"]) == ("skipped", "opted_out", "success")
    assert (post.messages, len(shop.requests)) == ([], 1)


def test_an_execution_is_skipped_if_its_workflow_was_switched_off(app, minutehand, post):
    app.workflow(email())
    job = app.complete()
    app.database.sql("update automation_workflows set is_active = false")
    assert minutehand.run_once()["skipped"] == 1
    assert app.end_of(job)[:2] == ("skipped", "workflow_off")
    assert post.messages == []


def test_an_execution_is_skipped_if_its_row_was_deleted(app, minutehand, post):
    app.workflow(email())
    job = app.complete()
    app.database.sql("delete from jobs")
    minutehand.run_once()
    assert app.end_of(job) == ("skipped", "row_gone", f"job {job} is gone")
    assert post.messages == []


def test_a_client_of_another_tenant_is_not_read(app, minutehand, post):
    app.workflow(email(message="Hello"))
    job = app.complete(client="C-3")
    minutehand.run_once()
    assert app.end_of(job)[:2] == ("failed", "link_other_tenant")
    assert post.messages == []


def test_a_job_of_another_tenant_starts_nothing(app, minutehand):
    app.workflow(email())
    app.complete(client="C-3", organization="south")
    assert minutehand.run_once()["claimed"] == 0
    assert app.executions() == []


def test_a_job_that_moved_to_another_tenant_is_refused(app, minutehand, post):
    app.workflow(email())
    job = app.complete()
    app.database.sql("update jobs set organization_id = 'south'")
    minutehand.run_once()
    assert app.end_of(job)[:2] == ("failed", "other_tenant")
    assert post.messages == []
