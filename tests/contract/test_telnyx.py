"""Texts by Telnyx, against a server that speaks its API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from minutehand.executor.outcome import OnUncertain, Send, StepResult, Verdict
from tests.contract.step_run import StubRun, act, step_run
from tests.providers.api import reply
from tests.providers.telnyx import KEY, TelnyxServer

TO = "+12025550123"


@pytest.fixture
def telnyx() -> Iterator[TelnyxServer]:
    with TelnyxServer() as running:
        yield running


def run_of(telnyx: TelnyxServer, **more: Any) -> StubRun:
    return step_run("sms", {"message": "Done, {{name}}"}, **telnyx.settings | more)


def test_the_client_gets_a_text(telnyx):
    run = run_of(telnyx)
    result = act(run)
    (sent,) = telnyx.messages
    assert sent.body == {"from": "+12025550101", "to": TO, "text": "Done, Zoë <b>"}
    send = Send(channel="sms", recipient=TO, sender="+12025550101", key=f"e1/1/sms/{TO}", external_id=sent.id)
    assert result == StepResult.done(
        send=send, status=200, delivery="handed to Telnyx, queued", segments=1, encoding="UCS-2"
    )
    assert run.asked == [OnUncertain.HOLD]


@pytest.mark.parametrize(
    ("error", "verdict", "code"),
    [
        ("40310", Verdict.PERMANENT, "bad_recipient"),
        ("40001", Verdict.PERMANENT, "bad_recipient"),
        ("40300", Verdict.SKIPPED, "opted_out"),
        ("40305", Verdict.PERMANENT, "not_configured"),
        ((401, "10009"), Verdict.PERMANENT, "not_configured"),
        ((403, "10010"), Verdict.PERMANENT, "not_configured"),
        ((403, "20100"), Verdict.PERMANENT, "no_credits"),
        ((422, "99999"), Verdict.PERMANENT, "refused"),
        ((429, "10011"), Verdict.DEFERRED, "busy"),
        ("40318", Verdict.DEFERRED, "busy"),
        ((500, "10007"), Verdict.UNKNOWN, "uncertain_send"),
        ((504, "10008"), Verdict.UNKNOWN, "uncertain_send"),
    ],
)
def test_its_errors_are_known_and_quoted(telnyx, error, verdict, code):
    telnyx.refuse(TO, error)
    result = act(run_of(telnyx))
    number = error[1] if isinstance(error, tuple) else error
    assert (result.verdict, result.code) == (verdict, code)
    assert f"{number} Not to this one: See the documentation." in result.reason
    assert result.result["provider_code"] == number
    assert telnyx.messages == []


def test_a_yes_that_was_lost_is_unknown(telnyx):
    telnyx.lose()
    assert act(run_of(telnyx)).verdict is Verdict.UNKNOWN
    assert len(telnyx.messages) == 1


def test_a_message_that_failed_at_once_was_not_sent(telnyx):
    to = [{"phone_number": TO, "status": "sending_failed"}]
    errors = [{"code": "40001", "title": "Not routable"}]
    telnyx.then(reply(200, {"data": {"id": "x", "to": to, "errors": errors}}))
    result = act(run_of(telnyx))
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "bad_recipient")


def test_its_key_is_not_shown(telnyx):
    telnyx.then(reply(401, {"errors": [{"code": "10009", "title": f"{KEY} is wrong"}]}))
    assert KEY not in repr(act(run_of(telnyx)))
