"""The function action against a real receiver in place of the platform's functions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from minutehand.executor.actions import action_for
from minutehand.executor.actions.contract import BadStep
from minutehand.executor.outcome import OnUncertain, Send, StepResult, Verdict
from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.demo.receivers import Answer, HttpReceiver
from tests.contract.acting import acted

CONTEXT = {"job": {"id": "J-1"}}


@pytest.fixture
def platform() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


def settings_for(platform: HttpReceiver, **more: Any) -> ExecutorSettings:
    """No private addresses for workflows: a function's address is the operator's own."""
    given: dict[str, Any] = {
        "functions": frozenset({"book-visit"}),
        "functions_url": platform.url + "/functions/v1",
        "functions_headers": {"apikey": "hush", "authorization": "Bearer hush"},
    }
    return ExecutorSettings(**(given | more))


def call(platform: HttpReceiver, config: dict[str, Any] | None = None, **more: Any) -> StepResult:
    config = {"name": "book-visit", **(config or {})}
    result, run = acted("function", config, settings=settings_for(platform, **more), context=CONTEXT, words={"n": 3})
    assert run.asked in ([], [(OnUncertain.RESEND, False)])
    assert "hush" not in repr(run.messages)
    return result


def test_it_is_called_with_the_projects_key_its_own_key_and_the_cause(platform: HttpReceiver) -> None:
    result = call(platform)
    (request,) = platform.requests
    assert (request.method, request.path) == ("POST", "/functions/v1/book-visit")
    assert json.loads(request.body) == {"workflowId": "w1", "executionId": "e1", "context": CONTEXT}
    key = request.headers["idempotency-key"]
    assert request.headers["webhook-id"] == key
    assert (request.headers["apikey"], request.headers["authorization"]) == ("hush", "Bearer hush")
    assert request.headers["x-minutehand-cause"] == "e1"
    send = Send(channel="function", recipient="book-visit", sender="minutehand", key=key)
    assert result == StepResult.done(send=send, status=200, response="ok")


def test_a_body_of_ones_own_is_filled_in(platform: HttpReceiver) -> None:
    call(platform, {"body": {"count": "{{n}}"}})
    assert json.loads(platform.requests[0].body) == {"count": 3}


@pytest.mark.parametrize("name", ["delete-everything", "BOOK-VISIT"])
def test_only_what_the_operator_named_is_called(platform: HttpReceiver, name: str) -> None:
    result = call(platform, {"name": name})
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "not_allowed")
    assert "MINUTEHAND_FUNCTIONS" in result.reason
    assert platform.requests == []


def test_without_a_project_it_says_what_is_missing(platform: HttpReceiver) -> None:
    result = call(platform, functions_url=None)
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "not_configured")
    assert "SUPABASE_URL" in result.reason


@pytest.mark.parametrize(
    "name", [None, "", 5, "a/b", "..", "a.b", "../auth/v1/admin", "a%2fb", "a?b", "{{n}}", "a b", "-a", "a" * 101, "ä"]
)
def test_what_could_lead_elsewhere_is_no_name(platform: HttpReceiver, name: object) -> None:
    with pytest.raises(BadStep, match="`name`"):
        action_for("function").check({"name": name})
    with pytest.raises(BadStep, match="`name`"):
        call(platform, {"name": name}, functions=frozenset({name}))
    assert platform.requests == []


@pytest.mark.parametrize(
    ("answer", "verdict", "words"),
    [
        (Answer(body=b'{"success": true}'), Verdict.DONE, ""),
        (Answer(body=b'{"success": false, "error": "no free slot"}'), Verdict.PERMANENT, "no free slot"),
        (Answer(body=b'{"success": false}'), Verdict.PERMANENT, "no reason given"),
        (Answer(body=b'{"success": "false"}'), Verdict.DONE, ""),
        (Answer(status=404), Verdict.PERMANENT, "404"),
        (Answer(status=429, headers={"Retry-After": "9"}), Verdict.DEFERRED, "429"),
        (Answer(status=500), Verdict.UNKNOWN, "500"),
        (Answer(hang_up=True), Verdict.UNKNOWN, "may have arrived"),
    ],
)
def test_its_answer_is_judged(platform: HttpReceiver, answer: Answer, verdict: Verdict, words: str) -> None:
    platform.then(answer)
    result = call(platform)
    assert result.verdict is verdict
    assert words in result.reason
