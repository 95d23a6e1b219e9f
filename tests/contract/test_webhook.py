"""The webhook action against a real receiver."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from minutehand.executor.actions.contract import BadStep, Message
from minutehand.executor.actions.webhook import WebhookAction
from minutehand.executor.outcome import OnUncertain, Send, StepResult, Verdict
from minutehand.executor.settings import ExecutorSettings
from minutehand.executor.webhook_secrets import secrets_of, signing_keys
from minutehand.scheduler.demo.receivers import Answer, HttpReceiver
from minutehand.store.records import WebhookTenant
from tests.contract.acting import acted

SECRET = "whsec_" + base64.b64encode(b"a secret of the receiver").decode()


WORDS = {"word": "blue"}
CONTEXT = {"job": {"id": "j1", "title": "Zoë"}}
_GIVEN: dict[str, Any] = {"context": CONTEXT, "words": WORDS}


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


def test_a_secret_that_is_rotated_signs_beside_the_old_one(receiver):
    other = "whsec_" + base64.b64encode(b"another secret of a receiver").decode()
    act({"url": receiver.url}, secret=f"{other}, {SECRET}")
    (request,) = receiver.requests
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    for secret in (SECRET, other):
        Webhook(secret).verify(request.body, request.headers, json_parse=False)


#: Pairs that a careless encoding of kind and id would mix up, and ids as hostile users may choose them.
TENANTS = [
    WebhookTenant(kind=kind, id=id_)
    for kind in ("organization", "user")
    for id_ in ("north", "North", "north ", "", "user\0north", "é", "e\u0301", "v1", "\U0001f600" * 9, "north,south")
]


def test_each_tenant_signs_with_a_secret_that_verifies_no_other_ones_webhooks(receiver):
    secrets = {tenant: secrets_of(SECRET, tenant)[0] for tenant in TENANTS} | {None: SECRET}
    assert len(set(secrets.values())) == len(TENANTS) + 1
    for tenant in (TENANTS[0], TENANTS[10], None):
        act({"url": receiver.url}, secret=SECRET, webhook_tenant=tenant)
        request = receiver.requests[-1]
        for other, secret in secrets.items():
            if other == tenant:
                Webhook(secret).verify(request.body, request.headers, json_parse=False)
            else:
                with pytest.raises(WebhookVerificationError):
                    Webhook(secret).verify(request.body, request.headers, json_parse=False)


def test_a_tenants_secret_is_hkdf_of_the_operators_and_never_changes():
    key, info = base64.b64decode(SECRET.removeprefix("whsec_")), b"minutehand webhook\0v1\0organization\0north"
    extracted = hmac.digest(b"\0" * 32, key, "sha256")
    expected = hmac.digest(extracted, info + b"\x01", "sha256")  # RFC 5869, one block
    assert signing_keys(SECRET, TENANTS[0]) == [expected]
    assert secrets_of(SECRET, TENANTS[0]) == ["whsec_zYLwIpLJcH9CrjZQdEOfmCku8wg3gKKpdhVABIqq+OI="]


def act(config: dict[str, Any], *, secret: str | None = None, seconds: float = 10.0, **more: Any) -> StepResult:
    settings = ExecutorSettings(allow_private_addresses=True, webhook_secret=secret, action_timeout_seconds=seconds)
    result, run = acted("webhook", config, settings=settings, **(_GIVEN | more))
    assert run.asked in ([], [(OnUncertain.RESEND, False)])  # its receiver takes the key: no reservation
    return result


def test_without_a_body_it_posts_what_happened_to_whom(receiver):
    result = act({"url": receiver.url + "/hook"})
    (request,) = receiver.requests
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "minutehand"
    assert json.loads(request.body) == {
        "workflowId": "w1",
        "executionId": "e1",
        "context": CONTEXT,
    }
    key = request.headers["idempotency-key"]
    assert key
    assert request.headers["x-minutehand-cause"] == "e1"
    assert result == StepResult.done(
        send=Send(channel="webhook", recipient=receiver.url + "/hook", sender="minutehand", key=key),
        status=200,
        response="ok",
    )


def test_the_url_the_headers_and_the_body_are_filled_in(receiver):
    config = {
        "url": receiver.url + "/{{word}}?w={{word}}",
        "method": "patch",
        "headers": {"X-Word": "{{word}}", "X-Number": 3, "Authorization": "Bearer t"},
        "body": {"{{word}}": ["{{word}}", 1, None]},
    }
    result = act(config)
    (request,) = receiver.requests
    assert (request.method, request.path) == ("PATCH", "/blue?w=blue")
    assert (request.headers["x-word"], request.headers["x-number"]) == ("blue", "3")
    assert request.headers["authorization"] == "Bearer t"
    assert json.loads(request.body) == {"{{word}}": ["blue", 1, None]}
    assert result.send is not None
    assert result.send.recipient == receiver.url + "/blue"


@pytest.mark.parametrize(
    ("body", "headers", "sent", "content_type"),
    [
        ("say {{word}}", {}, b"say blue", "text/plain; charset=utf-8"),
        ("<w>{{word}}</w>", {"Content-Type": "application/xml"}, b"<w>blue</w>", "application/xml"),
        (["{{word}}"], {}, b'["blue"]', "application/json"),
        ({}, {"content-type": "application/cloudevents+json"}, b"{}", "application/cloudevents+json"),
        (0, {}, b"0", "application/json"),
        ("", {}, b"", "text/plain; charset=utf-8"),
    ],
)
def test_text_goes_as_it_is_and_values_go_as_json(receiver, body, headers, sent, content_type):
    act({"url": receiver.url, "body": body, "headers": headers})
    (request,) = receiver.requests
    assert (request.body, request.headers["content-type"]) == (sent, content_type)


def test_a_get_carries_no_body(receiver):
    act({"url": receiver.url, "method": "GET"})
    (request,) = receiver.requests
    assert (request.method, request.body) == ("GET", b"")
    assert "content-type" not in request.headers


def test_the_key_is_equal_over_retries_and_differs_between_receivers(receiver):
    receiver.then(Answer(status=503), Answer(status=429))
    for path in ("/a?try=1", "/a?try=2", "/b"):
        act({"url": receiver.url + path})
    first, second, other = (request.headers for request in receiver.requests)
    assert first["idempotency-key"] == first["webhook-id"] == second["webhook-id"] == second["idempotency-key"]
    assert other["webhook-id"] != first["webhook-id"]


@pytest.mark.parametrize("body", [{"name": "Zoë"}, "plain ☃ text", ""])
def test_the_public_library_verifies_the_signature_and_notices_a_change(receiver, body):
    act({"url": receiver.url, "body": body}, secret=SECRET)
    (request,) = receiver.requests
    public = Webhook(SECRET)
    public.verify(request.body, request.headers, json_parse=False)
    for data, headers in (
        (request.body + b" ", {}),
        (request.body, {"webhook-id": "another"}),
        (request.body, {"webhook-timestamp": str(int(request.headers["webhook-timestamp"]) - 1)}),
    ):
        with pytest.raises(WebhookVerificationError):
            public.verify(data, request.headers | headers, json_parse=False)


def test_a_get_is_signed_too(receiver):
    act({"url": receiver.url, "method": "GET"}, secret=SECRET)
    Webhook(SECRET).verify(b"", receiver.requests[0].headers, json_parse=False)


def test_without_a_secret_nothing_is_signed(receiver):
    act({"url": receiver.url})
    assert "webhook-signature" not in receiver.requests[0].headers
    assert "webhook-timestamp" in receiver.requests[0].headers


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64!", "hush"])
def test_a_secret_of_another_form_is_named_but_not_shown(receiver, secret):
    result = act({"url": receiver.url}, secret=secret)
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "not_configured")
    assert "MINUTEHAND_WEBHOOK_SECRET" in result.reason
    assert "hush" not in result.reason
    assert receiver.requests == []


def test_being_told_to_wait_is_a_retry_with_that_wait(receiver):
    receiver.then(Answer(status=429, headers={"Retry-After": "7"}, body=b"slow down"))
    result = act({"url": receiver.url})
    assert (result.verdict, result.retry_after_seconds) == (Verdict.DEFERRED, 7.0)
    assert result.result == {"status": 429, "response": "slow down"}


def test_a_refusal_is_for_good_and_keeps_the_answer(receiver):
    receiver.then(Answer(status=422, body=b"no such field"))
    result = act({"url": receiver.url})
    assert (result.verdict, result.code, result.send) == (Verdict.PERMANENT, "refused", None)
    assert result.result == {"status": 422, "response": "no such field"}


def test_a_redirect_asks_for_the_final_address(receiver):
    receiver.then(Answer(status=302, headers={"Location": "/elsewhere"}))
    result = act({"url": receiver.url})
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "redirect")
    assert "it may have done its work" in result.reason.lower()
    assert "same webhook-id" in result.reason
    assert "use the final URL" in result.reason
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("answer", [Answer(status=500), Answer(hang_up=True)])
def test_what_may_have_worked_is_unknown_and_sent_again_under_its_key(receiver, answer):
    receiver.then(answer)
    result = act({"url": receiver.url + "/?token=hush"})
    assert (result.verdict, result.code) == (Verdict.UNKNOWN, "uncertain_send")
    assert result.on_uncertain is None  # as its channel says
    assert "hush" not in repr(result)


def test_silence_is_unknown(receiver):
    released = threading.Event()
    receiver.then(Answer(after=released))
    assert act({"url": receiver.url}, seconds=2).verdict is Verdict.UNKNOWN
    released.set()


def test_the_kept_answer_is_short_and_can_be_stored(receiver):
    receiver.then(Answer(body=b"\x00a\xed\xa0\x80\xff" + b"b" * 100_000))
    response = act({"url": receiver.url}).result["response"]
    assert len(response) == 500
    assert response.startswith("a")
    assert "\x00" not in response
    response.encode()


def test_where_nothing_may_leave_nothing_leaves_and_what_would_is_told(receiver):
    config = {"url": receiver.url + "/?token=hush", "headers": {"authorization": "hush"}, "body": {"a": "{{word}}"}}
    settings = ExecutorSettings(webhook_secret=SECRET)
    _, run = acted("webhook", config, settings=settings, delivers=False, words=WORDS)
    shown = receiver.url + "/"
    content = {"method": "POST", "url": shown, "body": '{"a": "blue"}'}
    assert run.messages == [Message(channel="webhook", recipient=shown, sender="minutehand", content=content)]
    assert receiver.requests == []


def test_a_body_of_more_than_5_mb_never_leaves_and_a_long_one_is_shown_in_part(receiver):
    with pytest.raises(BadStep, match="at most 5,000,000"):
        act({"url": receiver.url}, context={"job": {"notes": "x" * 5_000_000}})
    _, run = acted("webhook", {"url": receiver.url, "body": "y" * 100_000})
    assert len(run.messages[0].content["body"]) < 3000
    (request,) = receiver.requests
    assert len(request.body) == 100_000


@pytest.mark.parametrize("url", ["{{word}}", "ftp://example.com/{{word}}", "http://u:hush@example.com/{{word}}"])
def test_a_url_that_is_none_once_filled_in_fails_for_good(url):
    result = act({"url": url})
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "bad_url")
    assert "hush" not in result.reason


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({}, "url"),
        ({"url": ""}, "url"),
        ({"url": 5}, "url"),
        ({"url": "example.com/x"}, "url"),
        ({"url": "https://u:p@example.com/x"}, "url"),
        ({"url": "https://example.com", "method": "TRACE"}, "method"),
        ({"url": "https://example.com", "method": 7}, "method"),
        ({"url": "https://example.com", "method": "GET", "body": "x"}, "body"),
        ({"url": "https://example.com", "headers": ["a"]}, "headers"),
        ({"url": "https://example.com", "headers": {"a b": "c"}}, "headers"),
        ({"url": "https://example.com", "headers": {"a\r\nb": "c"}}, "headers"),
        ({"url": "https://example.com", "headers": {"": "c"}}, "headers"),
        ({"url": "https://example.com", "headers": {"Host": "inside"}}, "Host"),
        ({"url": "https://example.com", "headers": {"content-LENGTH": "1"}}, "content-LENGTH"),
        ({"url": "https://example.com", "headers": {"Transfer-Encoding": "chunked"}}, "Transfer-Encoding"),
        ({"url": "https://example.com", "headers": {"Connection": "close"}}, "Connection"),
        ({"url": "https://example.com", "headers": {"Proxy-Anything": "x"}}, "Proxy-Anything"),
        ({"url": "https://example.com", "headers": {"webhook-id": "mine"}}, "webhook-id"),
        ({"url": "https://example.com", "headers": {"Idempotency-Key": "mine"}}, "Idempotency-Key"),
        ({"url": "https://example.com", "headers": {"X-Minutehand-Cause": "e0"}}, "X-Minutehand-Cause"),
    ],
)
def test_a_config_that_can_never_work_is_refused_by_name(config, named):
    with pytest.raises(BadStep, match=named):
        WebhookAction().check(config)
    with pytest.raises(BadStep, match=named):
        act(config)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00", "\ud800", True, None, ["a"]])
def test_a_header_value_is_one_line_of_text(receiver, value):
    with pytest.raises(BadStep, match="X-Given"):
        act({"url": receiver.url, "headers": {"X-Given": value}})
    with pytest.raises(BadStep, match="X-Given"):
        act({"url": receiver.url, "headers": {"X-Given": "{{bad}}"}}, words={"bad": "a\r\nX-Evil: 1"})
    assert receiver.requests == []


@pytest.mark.parametrize("body", [{"a": float("nan")}, [float("inf")], "\ud800", {"a": "\ud800"}, {"a": object()}])
def test_a_body_that_is_no_json_never_leaves(receiver, body):
    with pytest.raises(BadStep, match="body"):
        act({"url": receiver.url, "body": body})
    assert receiver.requests == []


def test_a_good_config_passes_the_check():
    url = "https://example.com/{{job.id}}"
    WebhookAction().check({"url": url, "method": "put", "headers": {"X-A": "{{b}}"}, "body": {}})
    WebhookAction().check({"url": "https://example.com/hook"})
