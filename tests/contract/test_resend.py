"""E-mail by Resend, against a server that speaks its API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from minutehand.executor.outcome import OnUncertain, Send, StepResult, Verdict
from minutehand.scheduler.demo.receivers import Answer
from tests.contract.step_run import CLIENT, CONFIG, StubRun, act, step_run
from tests.providers.api import reply
from tests.providers.resend import KEY, ResendServer


@pytest.fixture
def resend() -> Iterator[ResendServer]:
    with ResendServer() as running:
        yield running


def run_of(resend: ResendServer, config: dict[str, Any] | None = None, **more: Any) -> StubRun:
    return step_run("email", CONFIG | (config or {}), **resend.settings | more)


def test_the_client_gets_a_letter_with_text_and_html(resend):
    run = run_of(resend)
    result = act(run)
    (sent,) = resend.messages
    assert sent.body == {
        "from": "Acme <no-reply@acme.example>",
        "to": ["client@example.com"],
        "subject": "Hello Zoë <b>",
        "text": "Dear Zoë <b>,\nyour job & more is done.",
        "html": "Dear Zoë &lt;b&gt;,<br>\nyour job &amp; more is done.",
        "headers": {"Auto-Submitted": "auto-generated"},
    }
    key = "e1/1/email/client@example.com"
    assert sent.key == key
    send = Send(
        channel="email",
        recipient="client@example.com",
        sender="no-reply@acme.example",
        key=key,
        external_id=sent.id,
    )
    assert result == StepResult.done(send=send, status=200, delivery="handed to Resend")
    assert (run.asked, run.reserved) == ([OnUncertain.RESEND], [True])


def test_headers_and_the_address_to_reply_to_are_told(resend):
    url = "https://acme.example/u/" + "t" * 300
    act(run_of(resend, {"marketing": True, "unsubscribe": url, "reply_to": "office@acme.example", "to": "b@x.example"}))
    body = resend.messages[0].body
    assert body["reply_to"] == "office@acme.example"
    assert body["headers"]["List-Unsubscribe"] == f"<{url}>"
    assert body["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_what_a_client_typed_adds_no_header_and_no_recipient(resend):
    act(run_of(resend, client=CLIENT | {"name": "x\r\nBcc: evil@example.com\x00\ud800"}))
    (sent,) = resend.messages
    assert sent.body["subject"] == "Hello x Bcc: evil@example.com"
    assert sent.body["to"] == ["client@example.com"]


def test_a_yes_that_was_lost_is_sent_again_and_arrives_once(resend):
    resend.lose()
    first, again = act(run_of(resend)), act(run_of(resend))
    assert (first.verdict, first.on_uncertain) == (Verdict.UNKNOWN, None)  # the channel says: resend
    assert again.verdict is Verdict.DONE
    assert again.send is not None
    assert [again.send.external_id] == [sent.id for sent in resend.messages]
    assert len(resend.requests) == 2


def test_another_letter_under_the_same_key_waits_for_a_person(resend):
    resend.lose()
    act(run_of(resend))
    result = act(run_of(resend, client=CLIENT | {"name": "Zoe"}))
    assert (result.verdict, result.on_uncertain) == (Verdict.UNKNOWN, OnUncertain.HOLD)
    assert result.result["provider_code"] == "invalid_idempotent_request"
    assert len(resend.messages) == 1


@pytest.mark.parametrize(
    ("status", "name", "verdict", "code"),
    [
        (401, "missing_api_key", Verdict.PERMANENT, "not_configured"),
        (401, "restricted_api_key", Verdict.PERMANENT, "not_configured"),
        (403, "invalid_api_key", Verdict.PERMANENT, "not_configured"),
        (403, "validation_error", Verdict.PERMANENT, "not_configured"),  # the domain is not verified
        (422, "invalid_from_address", Verdict.PERMANENT, "not_configured"),
        (400, "validation_error", Verdict.PERMANENT, "refused"),
        (422, "missing_required_field", Verdict.PERMANENT, "refused"),
        (404, "not_found", Verdict.PERMANENT, "refused"),
        (409, "concurrent_idempotent_requests", Verdict.RETRY, "busy"),
        (429, "rate_limit_exceeded", Verdict.DEFERRED, "busy"),
        (429, "daily_quota_exceeded", Verdict.DEFERRED, "quota_exceeded"),
        (429, "monthly_quota_exceeded", Verdict.PERMANENT, "no_credits"),
        (429, "a_new_name", Verdict.DEFERRED, "busy"),
        (500, "application_error", Verdict.UNKNOWN, "uncertain_send"),
        (500, "invalid_api_key", Verdict.UNKNOWN, "uncertain_send"),
    ],
)
def test_its_errors_are_known(resend, status, name, verdict, code):
    resend.refuse("client@example.com", (status, name, "In its own words."))
    result = act(run_of(resend))
    assert (result.verdict, result.code) == (verdict, code)
    assert result.result == {"status": status, "provider_code": name, "provider_message": "In its own words."}
    assert f"{name} In its own words." in result.reason
    assert resend.messages == []


def test_a_recipient_that_it_refuses_is_told_apart(resend):
    resend.refuse("client@example.com", (422, "validation_error", "Invalid `to` field. The email address is wrong."))
    assert act(run_of(resend)).code == "bad_recipient"


def test_it_is_asked_again_when_it_says(resend):
    error = {"statusCode": 429, "name": "rate_limit_exceeded", "message": "Too many requests."}
    resend.then(reply(429, error, Retry_After="7"), reply(503, {}, Retry_After="9"))
    assert [act(run_of(resend)).retry_after_seconds for _ in range(2)] == [7.0, 9.0]
    resend.refuse("client@example.com", (429, "daily_quota_exceeded", "x"))
    assert act(run_of(resend)).retry_after_seconds is None


def test_a_wrong_key_is_not_shown(resend):
    resend.then(reply(403, {"name": "invalid_api_key", "message": f"The key {KEY} is invalid"}))
    result = act(run_of(resend))
    assert result.code == "not_configured"
    assert "The key *** is invalid" in result.reason
    assert KEY not in repr(result)


def test_redirects_are_not_followed_with_the_key(resend):
    with ResendServer() as other:
        resend.then(Answer(status=307, headers={"Location": other.url + "/emails"}))
        assert act(run_of(resend)).code == "redirect"
        assert other.requests == []


def test_several_recipients_stand_in_one_letter(resend):
    result = act(run_of(resend, {"to": ["b@example.com", "a@example.com"]}))
    assert resend.messages[0].body["to"] == ["b@example.com", "a@example.com"]
    assert result.send is not None
    assert result.send.recipient == "a@example.com, b@example.com"


def test_the_same_letter_is_the_same_request(resend):
    act(run_of(resend))
    act(run_of(resend))
    first, second = (json.loads(request.body) for request in resend.requests)
    assert first == second
    assert len(resend.messages) == 1
