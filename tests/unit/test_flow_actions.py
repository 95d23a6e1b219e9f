"""The actions that send nothing: wait, condition, stop, update_record, create_record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from freezegun import freeze_time

from minutehand.executor.actions import action_for
from minutehand.executor.actions.contract import BadStep
from minutehand.executor.outcome import StepResult, Verdict
from tests.contract.acting import acted
from tests.unit.executions import execution

CONTEXT = {"trigger": {"table_name": "jobs", "record_id": "J-1"}}
DAY = 86400.0


def wait(words: dict[str, Any] | None = None, **config: Any) -> StepResult:
    return acted("wait", config, words=words or {})[0]


@freeze_time("2026-03-01T12:00:00Z")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2 days", 2 * DAY), ("3d", 3 * DAY), ("90m", 5400), ("1 week", 7 * DAY), ("1.5 Hours", 5400), (" 10 min ", 600),
     ("366 days", 366 * DAY), ("{{n}} days", 4 * DAY)],
)  # fmt: skip
def test_a_wait_of_so_long_goes_on_then(text: str, seconds: float) -> None:
    result = wait({"n": 4}, **{"for": text})
    assert (result.verdict, result.wait_seconds) == (Verdict.DONE, seconds)
    assert result.result["until"].endswith("+00:00")


@freeze_time("2026-03-01T12:00:00Z")
@pytest.mark.parametrize(
    ("until", "seconds"),
    [("2026-03-01T13:00:00Z", 3600), ("2026-03-01T15:00:00+02:00", 3600), ("2026-03-02", DAY / 2),
     ("2026-03-01T12:00:00.5", 0.5), ("{{due}}T12:00:00Z", DAY)],
)  # fmt: skip
def test_a_wait_until_an_instant_goes_on_then(until: str, seconds: float) -> None:
    assert wait({"due": "2026-03-02"}, until=until).wait_seconds == seconds


@freeze_time("2030-01-01T00:00:00Z")
def test_a_wait_starts_from_the_databases_time_whatever_this_machines_clock_says() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert acted("wait", {"until": "2026-03-01T13:00:00Z"}, now=now)[0].wait_seconds == 3600
    assert acted("wait", {"for": "1 hour"}, now=now)[0].result == {"until": "2026-03-01T13:00:00+00:00"}


def test_the_databases_time_goes_on_from_the_claim() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with freeze_time("2030-01-01T00:00:00Z") as clock:
        claimed = execution(claimed_at=at)
        clock.tick(90)
        assert claimed.now() == at + timedelta(seconds=90)


@freeze_time("2026-03-01T12:00:00Z")
@pytest.mark.parametrize("config", [{"until": "2026-03-01T11:59:59Z"}, {"until": "1999-01-01"}, {"for": "0 days"}])
def test_what_has_passed_is_no_wait(config: dict[str, Any]) -> None:
    result = wait(**config)
    assert (result.verdict, result.wait_seconds) == (Verdict.DONE, None)


@freeze_time("2026-03-01T12:00:00Z")
@pytest.mark.parametrize(
    "config",
    [{}, {"for": "2 days", "until": "2026-03-02"}, {"for": 5}, {"for": "5"}, {"for": "2 fortnights"}, {"for": "3 x"},
     {"for": "-1 day"}, {"for": "days"}, {"for": "367 days"}, {"for": "999999999 weeks"}, {"for": ""},
     {"for": "٣ days"}, {"until": "tomorrow"}, {"until": 1767225600}, {"until": ""}, {"until": "2026-02-30"},
     {"until": "0001-01-01T00:00+14:00"}, {"until": "9999-12-31"}, {"for": "{{n}} days"}, {"until": "{{n}}"}],
)  # fmt: skip
def test_what_is_no_time_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(BadStep, match=r"`for`|`until`"):
        wait({"n": "many"}, **config)


@pytest.mark.parametrize("held", [True, False])
def test_a_condition_tells_which_branch(held: bool) -> None:
    conditions = [{"field": "revenue", "operator": "greater_than", "value": "{{limit}}"}]
    tree = {"all": [{"problem": "the row has no field `x`", "held": False}], "held": held}
    result, run = acted("condition", {"conditions": conditions}, words={"limit": 500}, answer=tree)
    assert result == StepResult.done(held=held, conditions=tree)
    assert run.calls == [[{"field": "revenue", "operator": "greater_than", "value": 500}]]


def test_a_mistake_in_conditions_takes_no_branch() -> None:
    result, _ = acted("condition", {"conditions": [{}]}, answer={"held": False, "problem": "no field", "all": []})
    assert (result.verdict, result.code, result.reason) == (Verdict.PERMANENT, "bad_step", "conditions: no field")


@pytest.mark.parametrize(
    "config", [{}, {"conditions": None}, {"conditions": []}, {"conditions": {}}, {"conditions": "x"}]
)
def test_a_condition_without_conditions_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(BadStep, match="`conditions`"):
        action_for("condition").check(config)


def test_a_stop_is_done() -> None:
    action_for("stop").check({})
    assert acted("stop", {})[0] == StepResult.done()


@pytest.mark.parametrize(
    ("type_", "config", "asked"),
    [
        ("update_record", {"table": "jobs", "values": {"n": "{{n}}"}}, ("jobs", "update", "J-1", {"n": 3})),
        ("update_record", {"table": "jobs", "id": "{{n}}", "values": {"a": 1}}, ("jobs", "update", "3", {"a": 1})),
        ("update_record", {"table": "notes", "id": 7, "values": {"a": None}}, ("notes", "update", "7", {"a": None})),
        ("create_record", {"table": "notes", "values": {"b": "n {{n}}"}}, ("notes", "create", None, {"b": "n 3"})),
    ],
)
def test_a_record_is_written(type_: str, config: dict[str, Any], asked: Any) -> None:
    result, run = acted(type_, config, context=CONTEXT, words={"n": 3})
    assert (result.verdict, run.calls) == (Verdict.DONE, [asked])


@pytest.mark.parametrize(
    ("type_", "config", "named"),
    [
        ("update_record", {"values": {"a": 1}}, "table"),
        ("update_record", {"table": "jobs"}, "values"),
        ("update_record", {"table": "jobs", "values": {}}, "values"),
        ("update_record", {"table": "jobs", "values": ["a"]}, "values"),
        ("update_record", {"table": "jobs", "id": True, "values": {"a": 1}}, "id"),
        ("update_record", {"table": "jobs", "id": {"a": 1}, "values": {"a": 1}}, "id"),
        ("update_record", {"table": "notes", "values": {"a": 1}}, "id"),
        ("update_record", {"table": "jobs", "id": "{{none}}", "values": {"a": 1}}, "id"),
        ("create_record", {"table": "notes", "id": "7", "values": {"a": 1}}, "id"),
    ],
)
def test_a_record_that_nobody_named_is_not_written(type_: str, config: dict[str, Any], named: str) -> None:
    with pytest.raises(BadStep, match=f"`{named}`"):
        acted(type_, config, context=CONTEXT, words={"none": None})
