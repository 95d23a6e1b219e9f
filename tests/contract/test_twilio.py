"""Texts by Twilio, against a server that speaks its API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from minutehand.executor.outcome import OnUncertain, Send, StepResult, Verdict
from tests.contract.step_run import StubRun, act, step_run
from tests.providers.api import reply
from tests.providers.twilio import TOKEN, TwilioServer

TO = "+12025550123"


@pytest.fixture
def twilio() -> Iterator[TwilioServer]:
    with TwilioServer() as running:
        yield running


def run_of(twilio: TwilioServer, **more: Any) -> StubRun:
    return step_run("sms", {"message": "Done & paid, {{name}} + 1"}, **twilio.settings | more)


def test_the_client_gets_a_text(twilio):
    run = run_of(twilio)
    result = act(run)
    (sent,) = twilio.messages
    assert sent.body == {"To": TO, "From": "+12025550100", "Body": "Done & paid, Zoë <b> + 1"}
    send = Send(channel="sms", recipient=TO, sender="+12025550100", key=f"e1/1/sms/{TO}", external_id=sent.id)
    assert result == StepResult.done(
        send=send, status=201, delivery="handed to Twilio, queued", segments=1, encoding="UCS-2"
    )
    assert (run.asked, run.reserved) == ([OnUncertain.HOLD], [True])


@pytest.mark.parametrize("sender", ["MG" + "1" * 32, "MG" + "aF" * 16])
def test_a_messaging_service_chooses_the_number(twilio, sender):
    act(run_of(twilio, twilio_from=sender))
    assert twilio.messages[0].body["MessagingServiceSid"] == sender
    assert "From" not in twilio.messages[0].body


@pytest.mark.parametrize(
    "sender", ["MG Motors", "MGM", "MG" + "1" * 31, "MG" + "g" * 32, "mg" + "1" * 32, "+12025550100"]
)
def test_any_other_sender_is_a_number_or_a_name(twilio, sender):
    act(run_of(twilio, twilio_from=sender))
    assert twilio.messages[0].body["From"] == sender
    assert "MessagingServiceSid" not in twilio.messages[0].body


@pytest.mark.parametrize(
    ("error", "verdict", "code"),
    [
        (21211, Verdict.PERMANENT, "bad_recipient"),
        (21614, Verdict.PERMANENT, "bad_recipient"),
        (21635, Verdict.PERMANENT, "bad_recipient"),
        (21610, Verdict.SKIPPED, "opted_out"),
        (21617, Verdict.PERMANENT, "message_too_long"),
        (21606, Verdict.PERMANENT, "not_configured"),
        (21408, Verdict.PERMANENT, "not_configured"),
        ((401, 20003), Verdict.PERMANENT, "not_configured"),
        ((404, 20404), Verdict.PERMANENT, "not_configured"),
        (99999, Verdict.PERMANENT, "refused"),
        ((429, 20429), Verdict.DEFERRED, "busy"),
        ((429, 63038), Verdict.DEFERRED, "quota_exceeded"),
        (21611, Verdict.DEFERRED, "busy"),
        ((500, 20500), Verdict.UNKNOWN, "uncertain_send"),
        ((503, 20503), Verdict.UNKNOWN, "uncertain_send"),
        ((500, 21610), Verdict.UNKNOWN, "uncertain_send"),
    ],
)
def test_its_errors_are_known_and_quoted(twilio, error, verdict, code):
    twilio.refuse(TO, error)
    result = act(run_of(twilio))
    number = str(error[1] if isinstance(error, tuple) else error)
    assert (result.verdict, result.code) == (verdict, code)
    assert f"{number} No text to '{TO}'" in result.reason
    assert (result.result["provider_code"], result.result["provider_message"]) == (number, f"No text to '{TO}'")
    assert twilio.messages == []


def test_a_yes_that_was_lost_is_unknown(twilio):
    twilio.lose()
    result = act(run_of(twilio))
    assert (result.verdict, result.code) == (Verdict.UNKNOWN, "uncertain_send")
    assert len(twilio.messages) == 1


def test_a_message_that_failed_at_once_was_not_sent(twilio):
    twilio.then(reply(201, {"sid": "SM1", "status": "failed", "error_code": 21610, "error_message": "Stopped"}))
    result = act(run_of(twilio))
    assert (result.verdict, result.code) == (Verdict.SKIPPED, "opted_out")


def test_a_wrong_token_is_not_shown(twilio):
    result = act(run_of(twilio, twilio_auth_token="hush"))
    assert (result.code, result.result["provider_code"]) == ("not_configured", "20003")
    assert "hush" not in repr(result)
    twilio.then(reply(401, {"code": 20003, "message": f"{TOKEN} is wrong"}))
    assert TOKEN not in repr(act(run_of(twilio)))
