"""The sms action: whom it writes to, what it costs, and what is set up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.actions.sms import SmsAction
from minutehand.executor.outcome import StepResult, Verdict
from tests.contract.step_run import CLIENT, LeaseLost, act, step_run
from tests.providers.telnyx import TelnyxServer
from tests.providers.twilio import TwilioServer

TWILIO = {"twilio_account_sid": "AC1", "twilio_auth_token": "hush", "twilio_from": "+12025550100"}
TELNYX = {"telnyx_api_key": "hush", "telnyx_from": "+12025550101"}


@pytest.fixture
def telnyx() -> Iterator[TelnyxServer]:
    with TelnyxServer() as running:
        yield running


def text(telnyx: TelnyxServer, config: dict[str, Any] | None = None, **more: Any) -> StepResult:
    return act(step_run("sms", {"message": "Hello {{name}}"} | (config or {}), **telnyx.settings | more))


@pytest.mark.parametrize(
    ("config", "client"),
    [
        ({}, CLIENT),
        ({"to": "{{phone}}"}, CLIENT),
        ({"to": "+1 202 555 0123"}, None),
        ({}, {"name": "x", "phone": 12025550123}),
        ({}, {"name": "x", "phone": "\u202a(202) 555-0123\u202c"}),
    ],
)
def test_every_way_to_write_a_number_leads_to_one_recipient(telnyx, config, client):
    result = text(telnyx, config, client=client, phone_region="US")
    assert result.send is not None
    assert result.send.recipient == telnyx.messages[0].recipient == "+12025550123"


def test_the_customer_of_a_row_is_its_client(telnyx):
    run = step_run("sms", {"message": "Hello"}, **telnyx.settings)
    run.context = {"client": None, "customer": CLIENT}
    assert act(run).verdict is Verdict.DONE


@pytest.mark.parametrize(
    ("client", "config", "words"),
    [
        (None, {}, "no client"),
        ({}, {}, "no client"),
        ({"name": "x"}, {}, "client has no phone number"),
        ({"phone": None}, {}, "client has no phone number"),
        ({"phone": "  "}, {}, "client has no phone number"),
        ({"phone": ["+12025550123"]}, {}, "client has no phone number"),
        (CLIENT | {"other": ""}, {"to": "{{other}}"}, "`to` is empty"),
    ],
)
def test_nobody_to_write_to_is_said_and_nobody_is_invented(telnyx, client, config, words):
    result = text(telnyx, config, client=client)
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "no_recipient")
    assert words in result.reason
    assert telnyx.requests == []


@pytest.mark.parametrize("phone", ["n/a", "(202) 555-0123", "\u202e+12025550123", "+1 202 555 0123, +1 202 555 0124"])
def test_what_is_no_number_is_refused_before_anything_is_said(telnyx, phone):
    result = text(telnyx, client=CLIENT | {"phone": phone})
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "bad_recipient")
    assert telnyx.requests == []


def test_the_region_is_asked_for_by_name(telnyx):
    client = CLIENT | {"phone": "(202) 555-0123"}
    assert "MINUTEHAND_PHONE_REGION" in text(telnyx, client=client).reason
    assert text(telnyx, client=client, phone_region="nowhere").code == "not_configured"
    assert text(telnyx, client=client, phone_region="US").verdict is Verdict.DONE


def test_what_is_too_long_is_refused_and_never_cut(telnyx):
    assert text(telnyx, {"message": "a" * 1530}).result["segments"] == 10
    assert telnyx.messages[0].body["text"] == "a" * 1530
    for message in ("a" * 1531, "ж" * 671, "a" * 10_000_000):
        result = text(telnyx, {"message": message})
        assert (result.verdict, result.code) == (Verdict.PERMANENT, "message_too_long")
        assert f"takes {result.result['segments']} segments" in result.reason
    assert len(telnyx.requests) == 1


def test_what_is_empty_once_filled_in_is_not_sent(telnyx):
    result = text(telnyx, {"message": "{{void}}"}, client=CLIENT | {"void": " \n"})
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "empty_message")
    assert telnyx.requests == []


def test_what_is_about_to_leave_is_told_before_it_does(telnyx):
    run = step_run("sms", {"message": "Grüße\r\nan {{name}}\x00"}, client=CLIENT | {"name": "Zo€"}, **telnyx.settings)
    run.lost = True
    with pytest.raises(LeaseLost):
        act(run)
    (message,) = run.messages
    assert (message.channel, message.recipient, message.sender) == ("sms", "+12025550123", "+12025550101")
    assert message.content == {"text": "Grüße\nan Zo€", "segments": 1, "encoding": "GSM-7"}
    assert telnyx.requests == []


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"message": None}, "message"),
        ({"message": " "}, "message"),
        ({"message": 5}, "message"),
        ({"to": ""}, "to"),
        ({"to": ["+12025550123"]}, "to"),
        ({"to": {"a": "b"}}, "to"),
        ({"to": 12025550123}, "to"),
    ],
)
def test_a_config_that_can_never_work_is_refused_by_name(config, named):
    with pytest.raises(BadStep, match=f"`{named}`"):
        SmsAction().check({"message": "Hello"} | config)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM, or TELNYX_API_KEY and TELNYX_FROM"),
        ({"sms_via": "twilio"} | TELNYX, "TWILIO_ACCOUNT_SID"),
        ({"sms_via": "telnyx"} | TWILIO, "TELNYX_API_KEY"),
        (TWILIO | {"twilio_auth_token": None}, "TWILIO_AUTH_TOKEN"),
        (TWILIO | {"twilio_from": ""}, "TWILIO_FROM"),
        (TWILIO | {"twilio_account_sid": "../AC1"}, "TWILIO_ACCOUNT_SID"),
        (TWILIO | {"twilio_auth_token": "hush\nhush"}, "TWILIO_AUTH_TOKEN"),
        (TWILIO | {"twilio_base_url": "api.twilio.com"}, "TWILIO_BASE_URL"),
        (TELNYX | {"telnyx_from": None}, "TELNYX_FROM"),
        (TELNYX | {"telnyx_base_url": "https://h/?x=1"}, "TELNYX_BASE_URL"),
        ({"sms_via": "telnyx-sms"}, "SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY"),
        ({"sms_via": "a/../b", "functions_url": "https://h"}, "MINUTEHAND_SMS_VIA"),
    ],
)
def test_what_is_not_set_up_is_named_and_no_secret_shown(settings, named):
    result = act(step_run("sms", {"message": "Hello"}, **settings))
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "not_configured")
    assert named in result.reason
    assert "hush" not in repr(result)


def test_twilio_comes_before_telnyx_and_a_name_before_both(telnyx):
    with TwilioServer() as twilio:
        both = twilio.settings | telnyx.settings
        assert act(step_run("sms", {"message": "Hello"}, **both)).verdict is Verdict.DONE
        assert (len(twilio.messages), len(telnyx.messages)) == (1, 0)
        assert act(step_run("sms", {"message": "Hello"}, **both, sms_via="telnyx")).verdict is Verdict.DONE
        assert (len(twilio.messages), len(telnyx.messages)) == (1, 1)
