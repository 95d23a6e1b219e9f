"""How long to wait, as apps write it: one length, nothing, or a refusal; never seconds unless the unit says so."""

from __future__ import annotations

from typing import Any

import pytest

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects import read_steps

TEXT = {"message": "Hi"}
UNTIL = "2026-03-29T10:00:00Z"


def waits(step: dict[str, Any]) -> list[Any]:
    steps = read_steps({"steps": [step]})
    assert [read.type for read in steps if read.type != "wait"] == (
        [] if step["type"] in ("delay", "wait") else ["sms"]
    )
    return [read.config for read in steps if read.type == "wait"]


def refusal(step: dict[str, Any]) -> str:
    with pytest.raises(BadStep) as caught:
        read_steps({"steps": [step]})
    return str(caught.value)


@pytest.mark.parametrize(
    ("told", "length"),
    [
        ({"delayValue": 3, "delayType": "days"}, "3 days"),
        ({"delay_value": "90", "delay_unit": "Minutes"}, "90 minutes"),
        ({"delayValue": 1.5, "delayUnit": "hours"}, "90 minutes"),
        ({"delayValue": 0, "delayUnit": "fortnights"}, None),
        ({"delayUnit": "days"}, None),
        ({"delay_hours": 72}, "3 days"),
        ({"delayMinutes": 60}, "1 hour"),
        ({"delay_days": "7"}, "1 week"),
        ({"delay": "3d"}, "3 days"),
        ({"delay": "90 s"}, "90 seconds"),
        ({"delayValue": 0.5, "delayUnit": "minutes"}, "30 seconds"),
        ({"delay": " 24 h "}, "1 day"),
        ({"delay": {"type": "hours", "value": 2}}, "2 hours"),
        ({"delay": {"unit": "weeks", "amount": 2}}, "2 weeks"),
        ({"delay": {"value": 0}}, None),
        ({"delay": 0}, None),
        ({"delay": "0"}, None),
        ({"delay": "immediate"}, None),
        ({"delay": None, "delayValue": "", "delay_hours": None}, None),
        ({"delay": False}, None),
        ({"delay": "72h", "delay_days": 3}, "3 days"),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_a_delay_of_an_action_is_a_wait_before_it(told: dict[str, Any], length: str | None, inside: bool) -> None:
    step = {"type": "sms", "config": TEXT | told} if inside else {"type": "sms", "config": TEXT, **told}
    assert waits(step) == ([] if length is None else [{"for": length}])
    delay = {"type": "delay", "config": told} if inside else {"type": "delay", **told}
    if told != {"delayUnit": "days"} and any(value not in (None, "", False) for value in told.values()):
        assert waits(delay) == waits(step)


def test_the_wait_before_an_action_has_a_key_of_its_own_and_the_action_keeps_its_config() -> None:
    steps = read_steps({"steps": [{"id": "text", "type": "sms", "config": TEXT | {"delay_hours": 2}}]})
    assert [(step.key, step.path, step.config) for step in steps] == [
        ("text.delay", "1.delay", {"for": "2 hours"}), ("text", "1", TEXT),
    ]  # fmt: skip


def test_only_the_dialect_of_minutes_has_plain_numbers() -> None:
    (wait, step) = read_steps({"steps": {"actions": [{"action_type": "sms", "action_config": TEXT | {"delay": 1440}}]}})
    assert (wait.config, step.config) == ({"for": "1 day"}, TEXT)
    single = {"action_type": "sms", "action_config": TEXT | {"delay": 1440}}
    with pytest.raises(BadStep, match="a delay of 1440 has no unit"):
        read_steps(single)


@pytest.mark.parametrize(
    ("step", "config"),
    [
        ({"duration": "1d"}, {"for": "1 day"}),
        ({"config": {"duration": 2, "unit": "weeks"}}, {"for": "2 weeks"}),
        ({"config": {"value": 45, "unit": "min"}}, {"for": "45 minutes"}),
        ({"config": {"hours": 2}}, {"for": "2 hours"}),
        ({"config": {"delay_until": UNTIL}}, {"until": UNTIL}),
        ({"config": {"delayUntil": "{{ job.schedule_start }}"}}, {"until": "{{ job.schedule_start }}"}),
        ({"config": {"for": "1.5 days"}}, {"for": "1.5 days"}),
        ({"config": {"until": UNTIL}}, {"until": UNTIL}),
    ],
)
def test_a_step_that_only_waits_tells_it_in_more_ways(step: dict[str, Any], config: dict[str, Any]) -> None:
    assert waits({"type": "delay", **step}) == waits({"type": "wait", **step}) == [config]


RELATIVE = "not supported yet"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"delay": 5}, "a delay of 5 has no unit: write seconds, minutes, hours, days or weeks"),
        ({"delay": "5"}, "has no unit"),
        ({"delayValue": 5}, "has no unit"),
        ({"delay": True}, "cannot read the delay True"),
        ({"delayValue": 5, "delayType": "months"}, "unknown unit 'months' of a delay"),
        ({"delayValue": 5, "delayType": ["days"]}, "unknown unit a list of a delay"),
        ({"delayValue": -5, "delayUnit": "days"}, "must not be negative"),
        ({"delayValue": 10**5000, "delayUnit": "days"}, "at most 10,000,000"),
        ({"delayValue": float("nan"), "delayUnit": "days"}, "must not be negative"),
        ({"delayValue": 0.5, "delayUnit": "seconds"}, "not a whole number of seconds"),
        ({"delay": "-3d"}, "cannot read the delay '-3d'; write it as `3 days`"),
        ({"delay": "in 3 days"}, "write it as `3 days`"),
        ({"delay": "24h_before_appointment"}, "relative delays are not supported yet"),
        ({"delay_until": "relative", "relative_hours": -2}, RELATIVE),
        ({"delay_until": "relative"}, RELATIVE),
        ({"relative_to": "job.schedule_start", "offset_hours": -24}, RELATIVE),
        ({"delay": "3d", "delay_hours": 2}, "two different lengths of time to wait"),
        ({"delay": "600 days"}, "a wait may last at most 366 days"),
    ],
)
@pytest.mark.parametrize("type_", ["sms", "delay"])
def test_what_is_ambiguous_unknown_or_relative_is_refused(told: dict[str, Any], said: str, type_: str) -> None:
    message = refusal({"type": type_, "config": TEXT | told})
    assert said in message
    assert message.startswith("step 1")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "it does not say how long to wait"),
        ({"unit": "days"}, "it does not say how long to wait"),
        ({"delay_until": "soon"}, "`delay_until` must be an ISO date or time, got 'soon'"),
        ({"delay_until": UNTIL, "delay": "3d"}, "two different lengths of time to wait"),
        ({"for": "2 days", "until": UNTIL}, "either `for`"),
        ({"for": "2 fortnights"}, '`for`: invalid duration "2 fortnights": write 50s, 5m, 2h or 3 days'),
    ],
)
def test_a_wait_that_does_not_say_how_long_is_refused(config: dict[str, Any], said: str) -> None:
    assert said in refusal({"type": "wait", "config": config})


def test_an_action_that_waits_until_an_instant_is_refused() -> None:
    assert "put a wait step before it" in refusal({"type": "sms", "config": TEXT | {"delay_until": UNTIL}})
