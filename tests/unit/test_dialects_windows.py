"""When messages may leave: the app's shapes in one normal form, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects import all_steps, read_plan
from minutehand.executor.dialects.windows import DAYS

TEXT = {"subject": "Done", "message": "Hello"}
EMAIL = {"type": "email", "config": TEXT}
WORKDAYS = ["mon", "tue", "wed", "thu", "fri"]
WORK = {"days": WORKDAYS, "from": "09:00", "to": "17:00"}
NIGHT = {"quiet": {"from": "21:00", "to": "08:00"}}
#: As the app's editor writes them.
DELIVERY = {"businessHoursOnly": False, "allowedDays": list(DAYS), "timeRange": {"start": "09:00", "end": "17:00"}}
TIMING = {
    "businessHours": True,
    "businessStart": "08:30",
    "businessEnd": "16:00",
    "timezone": "customer_local",
    "quietHours": True,
    "quietStart": "21:00",
    "quietEnd": "08:00",
    "optimalSend": False,
    "recurring": False,
    "recurringType": "none",
}
SETTINGS = {
    "timezone": "customer_local",
    "businessHours": {"enabled": True, "start": "10:00", "end": "16:00", "days": ["monday", "Tue"]},
    "quietHours": {"enabled": True, "start": "20:00", "end": "07:00"},
}


def deliveries(**row: Any) -> list[dict[str, Any]]:
    return [step.delivery for step in read_plan(row).steps]


def delivery(**row: Any) -> dict[str, Any]:
    (only,) = deliveries(**{"steps": [EMAIL]} | row)
    return only


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, {}),
        ({"settings": {"window": WORK}}, {"window": WORK}),
        ({"settings": {"window": None}}, {"window": None}),
        ({"settings": {"window": 7}}, {"window": 7}),
        ({"settings": "text"}, {}),
        ({"delivery_window": DELIVERY}, {"window": {"days": list(DAYS), "from": "09:00", "to": "17:00"}}),
        ({"delivery_window": {"businessHoursOnly": True}}, {"window": WORK}),
        (
            {"delivery_window": {"business_hours_only": True, "allowed_days": ["sat"]}},
            {"window": WORK | {"days": ["sat"]}},
        ),
        ({"delivery_window": {"businessHoursOnly": False}}, {}),
        ({"delivery_window": {"enabled": False, "allowedDays": ["mon"]}}, {}),
        (
            {"delivery_window": {"allowedDays": ["mon", "tues"], "timezone": "business"}},
            {"window": {"days": ["mon", "tue"], "zone": "organization"}},
        ),
        (
            {"template_config": {"deliveryWindow": DELIVERY, "steps": [EMAIL]}},
            {"window": {"days": list(DAYS), "from": "09:00", "to": "17:00"}},
        ),
        (
            {"settings": SETTINGS},
            {
                "window": {
                    "days": ["mon", "tue"],
                    "from": "10:00",
                    "to": "16:00",
                    "quiet": {"from": "20:00", "to": "07:00"},
                }
            },
        ),
        ({"settings": {"businessHours": True}}, {"window": WORK}),
        ({"settings": {"quietHours": True}}, {"window": NIGHT}),
        ({"settings": {"businessHours": {"enabled": False, "start": "10:00"}, "quietHours": False}}, {}),
        ({"settings": {"businessHours": True}, "delivery_window": {"businessHoursOnly": True}}, {"window": WORK}),
    ],
)
def test_a_workflows_window_is_read(row: dict[str, Any], expected: dict[str, Any]) -> None:
    assert delivery(**row) == expected


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (EMAIL, {"window": WORK}),
        ({"type": "sms", "config": {"message": "x"}}, {"window": WORK}),
        ({"type": "notify", "config": {"message": "x"}}, {}),
        ({"type": "webhook", "config": {"url": "https://example.com"}}, {}),
        ({"type": "webhook", "config": {"url": "https://example.com", "window": NIGHT}}, {"window": NIGHT}),
        ({"type": "notify", "config": {"message": "x", "window": NIGHT}}, {"window": NIGHT}),
        ({**EMAIL, "window": NIGHT}, {"window": NIGHT}),
        ({**EMAIL, "window": None}, {"window": None}),
        ({"type": "email", "config": TEXT | {"window": None}}, {"window": None}),
        (
            {"type": "email", "config": TEXT | {"timing": TIMING}},
            {"window": {"days": WORKDAYS, "from": "08:30", "to": "16:00", **NIGHT, "zone": "recipient"}},
        ),
        ({**EMAIL, "timing": {"quietHours": True, "timezone": "utc"}}, {"window": NIGHT | {"zone": "utc"}}),
        ({**EMAIL, "timing": {"businessHours": False, "quietHours": False, "timezone": "utc"}}, {"window": WORK}),
        ({**EMAIL, "timing": "immediate"}, {"window": WORK}),
        ({**EMAIL, "drop_after": "2h"}, {"window": WORK, "drop_after": "7200 seconds"}),
        (
            {**EMAIL, "dropAfter": "{{ job.schedule_start }}"},
            {"window": WORK, "drop_after": "{{ job.schedule_start }}"},
        ),
        (
            {**EMAIL, "window": NIGHT | {"drop_after": "1 day"}, "drop_after": "2h"},
            {"window": NIGHT, "drop_after": "7200 seconds"},
        ),
    ],
)
def test_a_steps_own_window_wins(step: dict[str, Any], expected: dict[str, Any]) -> None:
    assert deliveries(steps=[step], settings={"window": WORK}) == [expected]
    nested = {"type": "condition", "config": {"conditions": [{"field": "status", "value": "x"}]}, "then": [step]}
    plan = read_plan({"steps": [nested], "settings": {"window": WORK}})
    assert [inner.delivery for inner in all_steps(plan.steps)] == [{}, expected]
    assert not [key for inner in all_steps(plan.steps) for key in inner.config if key in ("window", "timing")]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"delivery_window": "nine to five"}, "delivery_window must be an object, got text"),
        ({"delivery_window": {"timeRange": "9-17"}}, "delivery_window.timeRange must be an object, got text"),
        (
            {"delivery_window": {"timeRange": {"start": "9am"}}},
            "delivery_window.timeRange.start is '9am': write a time",
        ),
        (
            {"delivery_window": {"timeRange": {"start": "17:00"}}},
            "`delivery_window` is from 17:00 to 17:00, which is no",
        ),
        (
            {"delivery_window": {"allowedDays": ["someday"]}},
            "delivery_window: its days are a list: write a list of mon",
        ),
        ({"delivery_window": {"allowedDays": "mon"}}, "delivery_window: its days are 'mon'"),
        ({"delivery_window": {"businessHoursOnly": "yes"}}, "delivery_window.businessHoursOnly must be true or false"),
        (
            {"delivery_window": {"allowedDays": ["mon"], "timezone": "Mars/Base"}},
            "delivery_window.timezone is 'Mars/Base'",
        ),
        ({"settings": {"businessHours": "9-17"}}, "settings.businessHours must be an object, got text"),
        (
            {"settings": {"businessHours": {"enabled": 1}}},
            "settings.businessHours.enabled must be true or false, got 1",
        ),
        ({"settings": {"quietHours": {"start": 21}}}, "settings.quietHours.start is 21: write a time"),
        (
            {
                "settings": {
                    "businessHours": {"start": "09:00", "end": "17:00"},
                    "quietHours": {"start": "08:00", "end": "18:00"},
                }
            },
            "`settings` never opens: its times leave no minute of the week",
        ),
        (
            {"settings": {"businessHours": True}, "delivery_window": DELIVERY},
            "settings.businessHours and delivery_window say differently when messages may leave: keep one",
        ),
    ],
)
def test_a_workflows_window_that_cannot_be_read_is_refused_by_name(row: dict[str, Any], said: str) -> None:
    with pytest.raises(BadStep) as refused:
        read_plan({"steps": [EMAIL]} | row)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({**EMAIL, "window": "9-17"}, "`window` must be an object, got text"),
        (
            {**EMAIL, "window": NIGHT, "timing": {"businessHours": True}},
            "`window` and `timing` both say when it may leave",
        ),
        (
            {"type": "email", "config": TEXT | {"window": NIGHT}, "window": WORK},
            "`window` has different values in the step",
        ),
        ({**EMAIL, "drop_after": "soon"}, '`drop_after`: invalid duration "soon"'),
        ({**EMAIL, "drop_after": 2}, "`drop_after` must be text"),
        ({"type": "wait", "config": {"for": "1 day"}, "window": NIGHT}, "`window` is not supported on this step"),
        (
            {"type": "create_record", "config": {"table": "x", "values": {}}, "drop_after": "2h"},
            "`drop_after` is not supp",
        ),
        ({**EMAIL, "timing": {"quietHours": True, "quietStart": "noon"}}, "timing.quietStart is 'noon': write a time"),
        ({**EMAIL, "timing": {"quietHours": "yes"}}, "timing.quietHours must be true or false, got 'yes'"),
        (
            {**EMAIL, "timing": {"quietHours": True, "timezone": 5}},
            "timing.timezone is 5: write customer_local, business",
        ),
    ],
)
def test_a_steps_window_that_cannot_be_read_is_refused_by_name(step: dict[str, Any], said: str) -> None:
    with pytest.raises(BadStep) as refused:
        read_plan({"steps": [step]})
    assert said in str(refused.value)
    assert str(refused.value).startswith("step 1 (")


@pytest.mark.parametrize(
    ("row", "note"),
    [
        ({"delivery_window": {"allowedDays": ["mon"], "holidays": ["x"]}}, "`delivery_window.holidays` is not read"),
        (
            {"delivery_window": DELIVERY, "settings": {"window": WORK}},
            "`delivery_window` is not read: `settings.window`",
        ),
        ({"steps": [{**EMAIL, "timing": {"optimalSend": True}}]}, "`timing.optimalSend` is not supported yet"),
        ({"steps": [{**EMAIL, "timing": {"recurring": True}}]}, "`timing.recurring` is not supported on a step"),
        (
            {"steps": [{"type": "webhook", "config": {"url": "https://example.com", "windw": NIGHT}}]},
            "`windw` is not read",
        ),
    ],
)
def test_what_of_a_window_is_not_read_is_noted(row: dict[str, Any], note: str) -> None:
    plan = read_plan({"steps": [EMAIL]} | row)
    assert any(note in text for text in (*plan.notes, *(text for _, text in plan.unread))), plan
