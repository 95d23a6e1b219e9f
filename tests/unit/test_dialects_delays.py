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
        ({"delayValue": 5, "delayType": "months"}, "5 months"),
        ({"delayValue": "1", "delayUnit": "Month"}, "1 month"),
        ({"delayValue": 0.5, "delayUnit": "years"}, "6 months"),
        ({"delay_quarters": 2}, "6 months"),
        ({"delayMonths": 12}, "1 year"),
        ({"delay": "2 mos"}, "2 months"),
        ({"delay": {"type": "quarter", "value": 1}}, "3 months"),
        ({"delay": "1y", "delay_months": 12}, "1 year"),
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


@pytest.mark.parametrize(
    ("told", "until"),
    [
        ({"delay": "24h_before_appointment"}, "{{ job.schedule_start }} - 1 day"),
        ({"delay": "2 hours before visit"}, "{{ job.schedule_start }} - 2 hours"),
        ({"delay": "3d_after_due_date"}, "{{ invoice.due_date }} + 3 days"),
        ({"delay": "1 month after job.done_at"}, "{{ job.done_at }} + 1 month"),
        (
            {"delay_until": "relative", "relative_hours": -2, "relative_to": "appointment"},
            "{{ job.schedule_start }} - 2 hours",
        ),
        ({"relative_to": "job.schedule_start", "offset_hours": -24}, "{{ job.schedule_start }} - 1 day"),
        ({"relativeTo": "{{ invoice.due_date }}", "offsetDays": "3"}, "{{ invoice.due_date }} + 3 days"),
        ({"relative_to": "job.done_at", "relative_months": 6}, "{{ job.done_at }} + 6 months"),
        ({"relative_to": "job.done_at", "relative_hours": -0.5}, "{{ job.done_at }} - 30 minutes"),
        ({"relative_to": "schedule_start"}, "{{ job.schedule_start }}"),
        ({"relative_to": "job.schedule_start", "offset_hours": 0}, "{{ job.schedule_start }}"),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_a_delay_relative_to_a_date_is_a_wait_until_then(told: dict[str, Any], until: str, inside: bool) -> None:
    for type_, more in (("sms", TEXT), ("delay", {})):
        step = {"type": type_, "config": more | told} if inside else {"type": type_, "config": more, **told}
        assert waits(step) == [{"until": until}]


def test_a_wait_keeps_until_when_it_is_dropped() -> None:
    relative = {"relative_to": "appointment", "offset_hours": -2}
    step = {"type": "delay", "config": relative | {"drop_after": "1 hour"}}
    assert waits(step) == [{"until": "{{ job.schedule_start }} - 2 hours", "drop_after": "1 hour"}]
    assert waits({"type": "wait", "for": "2 days", "drop_after": "1 hour"}) == [
        {"for": "2 days", "drop_after": "1 hour"}
    ]


WHICH = "does not say relative to which date: add `relative_to`, such as job.schedule_start"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            {"delay": 5},
            "a delay of 5 has no unit: write seconds, minutes, hours, days, weeks, months, quarters or years",
        ),
        ({"delay": "5"}, "has no unit"),
        ({"delayValue": 5}, "has no unit"),
        ({"delay": True}, "cannot read the delay True"),
        ({"delayValue": 5, "delayType": "fortnights"}, "unknown unit 'fortnights' of a delay"),
        ({"delayValue": 0.5, "delayType": "months"}, "a delay of 0.5 months is not a whole number of months"),
        ({"delayValue": 1000, "delayType": "years"}, "a wait may last at most 366 days"),
        ({"delay": "1000 years"}, "a wait may last at most 366 days"),
        ({"delayValue": 5, "delayType": ["days"]}, "unknown unit a list of a delay"),
        ({"delayValue": -5, "delayUnit": "days"}, "must not be negative"),
        ({"delayValue": 10**5000, "delayUnit": "days"}, "at most 10,000,000"),
        ({"delayValue": float("nan"), "delayUnit": "days"}, "must not be negative"),
        ({"delayValue": 0.5, "delayUnit": "seconds"}, "not a whole number of seconds"),
        ({"delay": "-3d"}, "cannot read the delay '-3d'; write it as `3 days`"),
        ({"delay": "in 3 days"}, "write it as `3 days`"),
        ({"delay": "24h_before_the_flood"}, "relative to 'the_flood', which is no known date: write the column"),
        ({"delay": "24_before_appointment"}, "has no unit"),
        ({"delay_until": "relative", "relative_hours": -2}, "`relative_hours` " + WHICH),
        ({"delay_until": "relative"}, "`delay_until` " + WHICH),
        ({"offset_hours": -24}, "`offset_hours` " + WHICH),
        ({"relative_to": "somewhen", "offset_hours": -24}, "relative to 'somewhen', which is no known date"),
        ({"relative_to": {"a": 1}, "offset_hours": -24}, "which is no known date"),
        ({"relative_to": "appointment", "offset_hours": "soon"}, "cannot read 'soon' as a number of hours"),
        ({"relative_to": "appointment", "offset_hours": True}, "cannot read True as a number of hours"),
        ({"relative_to": "appointment", "offset_hours": 1, "offset_days": 2}, "two different lengths of time to wait"),
        ({"relative_to": "appointment", "offset_hours": 1, "delay": "3d"}, "two different lengths of time to wait"),
        ({"relative_to": "appointment", "offset_years": 1000}, "`until` is more than 10 years from its date"),
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
