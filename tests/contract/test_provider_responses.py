"""Answers of providers that break off, lie, never end or make no sense: nothing is taken for a yes that is none."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from minutehand.executor.outcome import StepResult, Verdict
from minutehand.scheduler.demo.receivers import Answer
from tests.contract.step_run import CONFIG, act, step_run
from tests.providers.api import ApiServer
from tests.providers.functions import FunctionsServer
from tests.providers.resend import ResendServer
from tests.providers.telnyx import TelnyxServer
from tests.providers.twilio import TwilioServer

SERVERS: dict[str, tuple[type[ApiServer], str]] = {
    "resend": (ResendServer, "email"),
    "twilio": (TwilioServer, "sms"),
    "telnyx": (TelnyxServer, "sms"),
    "function": (FunctionsServer, "email"),
}
Try = Callable[..., StepResult]
#: A yes of each of the four.
YES = {"id": "m1", "sid": "m1", "data": {"id": "m1"}, "success": True}
GZIP = {"Content-Encoding": "gzip", "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, ApiServer]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(server()) for name, (server, _) in SERVERS.items()}


@pytest.fixture(params=SERVERS)
def attempt(request: pytest.FixtureRequest, servers: dict[str, ApiServer]) -> Try:
    server, type_ = servers[request.param], SERVERS[request.param][1]

    def once(answer: Answer, seconds: float = 10.0) -> StepResult:
        server.then(answer)
        return act(step_run(type_, CONFIG, **server.settings, action_timeout_seconds=seconds))

    return once


def test_a_yes_is_a_yes(attempt):
    result = attempt(Answer(body=json.dumps(YES).encode()))
    assert (result.verdict, result.send.external_id) == (Verdict.DONE, "m1")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b""),
        Answer(body=b"ok"),
        Answer(body=b"<html>Welcome to the hotel's network</html>"),
        Answer(body=b"null"),
        Answer(body=b"[]"),
        Answer(body=b"{}"),
        Answer(body=b'{"id": null, "sid": {}, "data": []}'),
        Answer(body=b'{"id": true, "sid": "", "data": {"id": []}}'),
        Answer(body=b"[" * 60_000),
        Answer(body=b'{"a":' * 10_000),
        Answer(body=b"\xff\xfe{}"),
        Answer(body=json.dumps(YES).encode(), missing_bytes=50),
        Answer(body=json.dumps(YES | {"more": "x" * 10_000_000}).encode()),
        Answer(body=gzip.compress(json.dumps(YES).encode(), mtime=0), headers=GZIP),
        Answer(body=gzip.compress(b"\0" * 10_000_000, mtime=0), headers=GZIP),
        Answer(status=204, body=b""),
        Answer(hang_up=True),
        Answer(status=502, body=b"<html>Bad Gateway</html>"),
        Answer(status=500, body=b"[" * 60_000),
    ],
    ids=lambda answer: f"{answer.status}-{answer.body[:12]!r}-{len(answer.body)}",
)
def test_what_proves_nothing_is_unknown(attempt, answer):
    result = attempt(answer)
    assert (result.verdict, result.code) == (Verdict.UNKNOWN, "uncertain_send")
    assert len(result.reason) < 1000


def test_silence_is_unknown(attempt):
    released = threading.Event()
    result = attempt(Answer(after=released, body=json.dumps(YES).encode()), seconds=2)
    released.set()
    assert (result.verdict, result.code) == (Verdict.UNKNOWN, "uncertain_send")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff" * 100,
        b"[" * 60_000,
        b'{"errors": 5, "code": [], "message": {}, "name": 7, "error": []}',
        b'{"errors": [null]}',
        b'{"errors": [[]]}',
        json.dumps({"message": "x" * 10_000_000}).encode(),
        json.dumps({"message": "a\x00b\ud800\nc", "error": "a\x00b\ud800\nc"}).encode(),
    ],
    ids=lambda body: f"{body[:12]!r}-{len(body)}",
)
def test_a_no_in_any_form_is_a_no_that_can_be_stored(attempt, body):
    result = attempt(Answer(status=418, body=body))
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "refused")
    json.dumps(result.result, allow_nan=False)
    assert len(result.reason) < 1000
    assert "\x00" not in result.reason
    result.reason.encode()


def test_nobody_there_is_a_retry():
    settings: dict[str, Any] = {"twilio_account_sid": "AC1", "twilio_auth_token": "t", "twilio_from": "+12025550100"}
    result = act(step_run("sms", CONFIG, **settings, twilio_base_url="http://127.0.0.1:9"))
    assert (result.verdict, result.code) == (Verdict.RETRY, "unreachable")
