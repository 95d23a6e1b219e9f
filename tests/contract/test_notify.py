"""The notify action: Apprise, with real receivers as its targets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from minutehand.executor.actions import action_for
from minutehand.executor.actions.contract import BadStep
from minutehand.executor.checks.services import service_problems
from minutehand.executor.outcome import OnUncertain, StepResult, Verdict
from minutehand.executor.services import services_of
from minutehand.executor.settings import ExecutorSettings
from minutehand.executor.targets.names import split_targets, tenant_of
from minutehand.scheduler.config import AlertSettings
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
    ("config", "named"),
    [
        ({}, "message"),
        ({"message": " "}, "message"),
        ({"message": "x", "title": 5}, "title"),
        ({"message": "x", "target": 5}, "target"),
    ],
)
def test_a_config_that_can_never_work_is_refused_by_name(config: dict[str, Any], named: str) -> None:
    with pytest.raises(BadStep, match=f"`{named}`"):
        action_for("notify").check(config)


#: The setting ({}: the receiver), the step's target, the workflow's row, and the paths that get the message, or why not
TARGETS: list[tuple[str, str | None, dict[str, Any], set[str] | str]] = [
    ("north={}/n south={}/s", "north", {"organization_id": "north"}, {"n"}),
    ("north={}/n, south={}/s", "south", {"organization_id": "south"}, {"s"}),
    ("north={}/n,south={}/s", "south", {"organization_id": "south"}, {"s"}),
    ("north={}/n south={}/s", "south", {"organization_id": "north"}, "no target 'south' for tenant north"),
    ("north={}/n", "south", {"organization_id": "north"}, "no target 'south' for tenant north"),
    ("south={}/n", "north", {"organization_id": "north"}, "adds north=URL, or north@*=URL for all"),
    ("north={}/n", "North", {"organization_id": "north"}, "no target 'North'"),
    ("north={}/n", "north", {"user_id": "north"}, {"n"}),
    ("north={}/n", "north", {"organization_id": "south", "user_id": "north"}, "for tenant south"),
    ("north={}/n", " north ", {}, {"n"}),
    ("north={}/n", "south", {}, "has no target 'south'; an operator adds south=URL"),
    ("ops@*={}/o", "ops", {"organization_id": "north"}, {"o"}),
    ("ops={}/o", "ops", {"organization_id": "north"}, "ops@north=URL, or ops@*=URL for all"),
    ("ops@north={}/n ops@south={}/s ops@*={}/a", "ops", {"organization_id": "south"}, {"s", "a"}),
    ("ops@north={}/n ops@south={}/s", "ops", {"organization_id": "north"}, {"n"}),
    ("ops@*={}/1 {}/2 {}/3", None, {"organization_id": "north"}, {"2", "3"}),
    ("ops@*={}/1", None, {"organization_id": "north"}, "names no `target`"),
    ("{}/1", "ops", {}, "has no target 'ops'"),
    ("{}/x?to=a=json://b,c", None, {}, {"x"}),
    ("ops@*={}/1 ops@*=nonsense://s3cret", "ops", {}, "URL number 2: nothing serves such a URL"),
    ("ops=hush {}/1", "ops", {}, "has no target 'ops'"),
    ("größe={}/g", "größe", {"organization_id": "größe"}, {"g"}),
    ("north@north@south={}/n", "north", {"organization_id": "south"}, "has no target 'north'"),
    ("north={}/n", "{{job}}", {"organization_id": "north"}, "has no target '{{job}}'"),
    ("north={}/n", "*", {"organization_id": "north"}, "has no target '*'"),
]


@pytest.mark.parametrize(("setting", "target", "row", "expected"), TARGETS)
def test_a_step_reaches_the_targets_of_its_name_and_tenant(
    office: HttpReceiver, setting: str, target: str | None, row: dict[str, Any], expected: set[str] | str
) -> None:
    base = f"json://bob:hush@127.0.0.1:{office.port}"
    settings = ExecutorSettings(notify_urls=split_targets(setting.replace("{}", base)))
    config = {"message": "Done"} | ({} if target is None else {"target": target})
    result, run = acted("notify", config, settings=settings, words={"job": "north"}, definition=row)
    reached = {request.path.split("?")[0].strip("/") for request in office.requests}
    assert "hush" not in repr((result, run.messages, settings, services_of(settings, "local")))
    lacks = list(service_problems(reports(settings), (run.step,), tenant_of(row)))
    if isinstance(expected, str):
        assert (result.verdict, result.code, reached) == (Verdict.PERMANENT, "not_configured", set())
        assert expected in result.reason
        # What the processors report says the same, but for a URL that nothing serves.
        assert "URL number" in expected or result.reason in lacks[0][1]
    else:
        assert (result.verdict, reached, lacks) == (Verdict.DONE, expected, [])
        assert result.send is not None
        assert result.send.recipient == (target or "the team").strip()


def reports(settings: ExecutorSettings) -> dict[str, Any]:
    """What a database knows of one processor with these settings."""
    processor = {"mode": "worker", "host": "h", "seconds": 1, "serves": services_of(settings, "local")}
    return {"tables": [], "processors": [processor]}


def test_alerts_go_to_all_targets_named_or_not() -> None:
    settings = AlertSettings(alert_urls="ops=json://a/b, north@north=json://c json://d?x=y")
    assert settings.targets == ("json://a/b", "json://c", "json://d?x=y")
