"""E-mail and texts by the app's own edge functions, against a server with their habits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from minutehand.executor.outcome import OnUncertain, Send, StepResult, Verdict
from minutehand.scheduler.demo.receivers import Answer
from tests.contract.step_run import CONFIG, StubRun, act, step_run
from tests.providers.api import reply
from tests.providers.functions import KEY, FunctionsServer

TO = "+12025550123"


@pytest.fixture
def functions() -> Iterator[FunctionsServer]:
    with FunctionsServer() as running:
        yield running


def mail_of(functions: FunctionsServer, config: dict[str, Any] | None = None, **more: Any) -> StubRun:
    return step_run("email", CONFIG | (config or {}), **functions.settings | more)


def text_of(functions: FunctionsServer, **more: Any) -> StubRun:
    return step_run("sms", {"message": "Done, {{name}}"}, **functions.settings | more)


def metadata(key: str) -> dict[str, str]:
    return {"executionId": "e1", "workflowId": "w1", "step": "1", "idempotencyKey": key}


def test_mailgun_email_gets_its_body(functions):
    run = mail_of(functions)
    result = act(run)
    (sent,) = functions.messages
    key = "e1/1/email/client@example.com"
    assert sent.body == {
        "to": "client@example.com",
        "subject": "Hello Zoë <b>",
        "text": "Dear Zoë <b>,\nyour job & more is done.",
        "html": "Dear Zoë &lt;b&gt;,<br>\nyour job &amp; more is done.",
        "userId": "u1",
        "organizationId": "o1",
        "clientId": "c1",
        "metadata": metadata(key),
    }
    (request,) = functions.requests
    assert request.headers["idempotency-key"] == request.headers["webhook-id"] == key
    assert request.headers["x-minutehand-cause"] == "e1"
    assert request.headers["apikey"] == KEY
    send = Send(channel="email", recipient="client@example.com", sender="mailgun-email", key=key, external_id=sent.id)
    assert result == StepResult.done(send=send, status=200)
    assert (run.asked, run.reserved) == ([OnUncertain.HOLD], [True])


def test_mailgun_email_gets_what_else_is_said(functions):
    config = {
        "unsubscribe": "https://acme.example/u",
        "reply_to": "office@acme.example",
        "to": "a@x.example,b@x.example",
    }
    result = act(mail_of(functions, config, email_from="Acme <no-reply@acme.example>"))
    body = functions.messages[0].body
    assert (body["from"], body["to"]) == ("Acme <no-reply@acme.example>", "a@x.example, b@x.example")
    assert (body["replyTo"], body["headers"]["List-Unsubscribe"]) == ("office@acme.example", "<https://acme.example/u>")
    assert result.send is not None
    assert result.send.sender == "no-reply@acme.example"


def test_a_long_letter_is_not_cut(functions):
    act(mail_of(functions, {"message": "ü" * 200_000}))
    assert functions.messages[0].body["text"] == "ü" * 200_000
    act(mail_of(functions, {"message": '"' * 140_000}))  # which JSON and HTML make to more than a megabyte
    assert functions.messages[1].body["text"] == '"' * 140_000
    assert len(functions.requests[1].body) > 1024 * 1024


def test_telnyx_sms_gets_its_body(functions):
    result = act(text_of(functions))
    (sent,) = functions.messages
    key = f"e1/1/sms/{TO}"
    assert sent.body == {
        "recipientPhone": TO,
        "message": "Done, Zoë <b>",
        "user_id": "u1",
        "metadata": metadata(key),
    }
    send = Send(channel="sms", recipient=TO, sender="telnyx-sms", key=key, external_id=sent.id)
    assert result == StepResult.done(send=send, status=200, segments=1, encoding="UCS-2")


def test_pretending_is_shown_as_such(functions):
    functions.test_mode = True
    result = act(mail_of(functions))
    assert (result.verdict, result.result["simulated"]) == (Verdict.DONE, True)
    assert result.send is not None
    assert result.send.external_id is None
    functions.then(reply(200, {"success": True, "messageId": "x", "message": "Email sent (Test Mode)"}))
    assert act(mail_of(functions)).result["simulated"] is True
    functions.then(reply(200, {"success": True, "messageId": "x", "message": "Sent the latest modern thing"}))
    assert "simulated" not in act(mail_of(functions)).result


@pytest.mark.parametrize(
    ("status", "error", "verdict", "code"),
    [
        (200, "No sender number", Verdict.PERMANENT, "refused"),
        (400, "Phone is not E.164", Verdict.PERMANENT, "refused"),
        (402, "Insufficient SMS credits", Verdict.PERMANENT, "no_credits"),
        (401, "Invalid JWT", Verdict.PERMANENT, "not_configured"),
        (404, "Client not found", Verdict.PERMANENT, "refused"),
        (429, "Slow down", Verdict.DEFERRED, "busy"),
        (503, "Provider billing", Verdict.RETRY, "busy"),
        (500, "Telnyx timed out", Verdict.UNKNOWN, "uncertain_send"),
        (546, "CPU limit", Verdict.UNKNOWN, "uncertain_send"),
    ],
)
def test_a_no_is_a_no_and_its_words_are_kept(functions, status, error, verdict, code):
    functions.refuse(TO, (status, error))
    result = act(text_of(functions))
    assert (result.verdict, result.code) == (verdict, code)
    assert "telnyx-sms" in result.reason
    assert error in result.reason
    assert functions.messages == []


@pytest.mark.parametrize(
    ("answer", "verdict", "code"),
    [
        (
            reply(404, {"code": "NOT_FOUND", "message": "Requested function was not found"}),
            "permanent",
            "not_configured",
        ),
        (reply(503, {"code": "BOOT_ERROR", "message": "Function failed to start"}), "retry", "busy"),
        (reply(504, {"code": "IDLE_TIMEOUT"}), "unknown", "uncertain_send"),
        (reply(200, {"error": {"code": "x", "message": "No"}}), "permanent", "refused"),
        (reply(200, {"data": {"id": "m1"}}), "done", ""),
        (reply(200, {"success": True}), "done", ""),
        (reply(200, {}), "unknown", "uncertain_send"),
        (reply(200, []), "unknown", "uncertain_send"),
        (Answer(body=b"ok"), "unknown", "uncertain_send"),
        (Answer(status=400, body=b"<html>no</html>"), "permanent", "refused"),
    ],
)
def test_what_it_may_say_besides(functions, answer, verdict, code):
    functions.then(answer)
    result = act(text_of(functions))
    assert (result.verdict, result.code) == (verdict, code)


def test_a_function_on_a_private_address_is_the_operators_choice(functions):
    run = text_of(functions, allow_private_addresses=False)
    assert act(run).verdict is Verdict.DONE


def test_a_yes_that_was_lost_is_unknown(functions):
    functions.lose()
    assert act(text_of(functions)).verdict is Verdict.UNKNOWN
    assert json.loads(functions.requests[0].body)["recipientPhone"] == TO
