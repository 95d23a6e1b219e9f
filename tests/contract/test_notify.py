"""The notify action: Apprise, with real receivers as its targets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from minutehand.executor.actions import action_for
from minutehand.executor.actions.contract import BadStep
from minutehand.executor.outcome import OnUncertain, StepResult, Verdict
from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.demo.receivers import Answer, HttpReceiver
from tests.contract.acting import acted

# A plug-in of Apprise that nobody here uses imports it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def office() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


def target(office: HttpReceiver, token: str = "s3cret-token") -> str:
    return f"json://bob:hush%21@127.0.0.1:{office.port}/{token}"


def tell(*urls: str, **config: Any) -> StepResult:
    config = {"message": "Job {{job}} is done", **config}
    result, run = acted("notify", config, settings=ExecutorSettings(notify_urls=urls), words={"job": "J-1"})
    assert run.asked in ([], [(OnUncertain.RESEND, True)])
    assert all(secret not in repr((result, run.messages)) for secret in ("hush", "s3cret", "hush!", "bob"))
    return result


def test_every_target_gets_the_message(office: HttpReceiver) -> None:
    result = tell(target(office), target(office, "other"), title="Job\n{{job}}")
    assert {request.path.strip("/") for request in office.requests} == {"s3cret-token", "other"}
    told = [json.loads(request.body) for request in office.requests]
    assert {(body["title"], body["message"]) for body in told} == {("Job J-1", "Job J-1 is done")}
    assert (result.verdict, result.result) == (Verdict.DONE, {"targets": 2})
    assert result.send is not None
    assert (result.send.channel, result.send.recipient) == ("notify", "the team")


@pytest.mark.parametrize("answer", [Answer(status=500), Answer(status=403), Answer(hang_up=True)])
def test_what_no_target_took_is_uncertain_and_sent_again(office: HttpReceiver, answer: Answer) -> None:
    office.then(answer)
    result = tell(target(office))
    assert (result.verdict, result.code, result.on_uncertain) == (Verdict.UNKNOWN, "uncertain_send", None)
    assert "0 of 1 targets accepted it: " in result.reason
    assert len(office.requests) == 1


def test_what_some_have_is_not_sent_to_all_again(office: HttpReceiver) -> None:
    office.then(Answer(status=500))
    result = tell(target(office), target(office, "other"))
    assert (result.verdict, result.on_uncertain) == (Verdict.UNKNOWN, OnUncertain.HOLD)
    assert result.reason.startswith("1 of 2 targets accepted it")


def test_a_receiver_that_is_not_there_is_told_without_its_address() -> None:
    with HttpReceiver() as gone:
        url = target(gone)
    result = tell(url)
    assert result.verdict is Verdict.UNKNOWN
    assert "onnection" in result.reason
    assert "127.0.0.1" not in result.reason


def test_without_targets_it_says_what_to_set() -> None:
    result = tell()
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "not_configured")
    assert "MINUTEHAND_NOTIFY_URLS" in result.reason


@pytest.mark.parametrize("url", ["nonsense://bob:hush@s3cret", "hush", "discord://s3cret"])
def test_a_target_that_apprise_does_not_know_is_named_by_number(
    office: HttpReceiver, capfd: pytest.CaptureFixture[str], url: str
) -> None:
    result = tell(target(office), url)
    assert (result.verdict, result.code) == (Verdict.PERMANENT, "not_configured")
    assert "URL number 2: nothing serves such a URL" in result.reason
    assert office.requests == [], "nothing leaves to some where others are a mistake"
    assert capfd.readouterr() == ("", "")


def test_what_is_empty_once_filled_in_is_not_sent(office: HttpReceiver) -> None:
    settings = ExecutorSettings(notify_urls=(target(office),))
    result, run = acted("notify", {"message": "{{job}}"}, settings=settings, words={"job": " "})
    assert (result.code, run.messages, office.requests) == ("empty_message", [], [])


@pytest.mark.parametrize(
    ("config", "named"), [({}, "message"), ({"message": " "}, "message"), ({"message": "x", "title": 5}, "title")]
)
def test_a_config_that_can_never_work_is_refused_by_name(config: dict[str, Any], named: str) -> None:
    with pytest.raises(BadStep, match=f"`{named}`"):
        action_for("notify").check(config)
