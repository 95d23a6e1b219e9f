"""The seven dialects of one intent, the four places, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from minutehand.executor.actions.contract import BadStep, Step
from minutehand.executor.dialects import MAX_DEPTH, MAX_STEPS, Plan, all_steps, read_plan, read_steps

TEXT = {"subject": "Thanks", "message": "Thank you!"}
EMAIL = {"type": "email", "config": TEXT}
HELD = [{"field": "status", "operator": "equals", "value": "done"}]


def read(*steps: Any, **row: Any) -> tuple[Step, ...]:
    return read_steps({"steps": list(steps), **row})


def refusal(*steps: Any, **row: Any) -> str:
    with pytest.raises(BadStep) as caught:
        read_plan({"steps": list(steps), **row})
    return str(caught.value)


def outline(steps: tuple[Step, ...]) -> list[Any]:
    """What is done, without what it is called."""
    return [
        (step.type, step.config, *([outline(step.then), outline(step.otherwise)] if step.type == "condition" else []))
        for step in steps
    ]


INTENT = [
    ("wait", {"for": "3 days"}),
    ("email", TEXT),
    ("sms", {"message": "Hi"}),
]
DELAYED = {"type": "delay", "config": {"delayType": "days", "delayValue": 3}}
TRIGGER = {"id": "t", "type": "trigger", "config": {"triggerType": "job_created"}}
DIALECTS: dict[str, dict[str, Any]] = {
    "normal": {
        "steps": [{"type": "wait", "config": {"for": "3 days"}}, EMAIL, {"type": "sms", "config": {"message": "Hi"}}]
    },
    "a": {
        "steps": [
            {"id": "1", "type": "action",
             "config": {"actionType": "email", "delay": 0, "sendTime": "immediate", **TEXT}},
            {"id": "2", "type": "action", "config": {"actionType": "sms", "message": "Hi"}},
        ],
        "template_config": {
            "steps": [
                TRIGGER,
                {"id": "d", **DELAYED},
                {"id": "1", "type": "action", "position": {"x": 3}, "name": "Thanks",
                 "config": {"actionType": "email", "delay": 0, "sendTime": "immediate", **TEXT}},
                {"id": "2", "type": "action", "config": {"actionType": "sms", "message": "Hi"}},
            ]
        },
    },
    "b": {
        "steps": [
            {"type": "delay", "config": {"delayValue": "3", "delayUnit": "days"}},
            EMAIL,
            {"type": "sms", "config": {"message": "Hi", "delayValue": 0, "delayUnit": "hours"}},
        ]
    },
    "c": {
        "steps": [
            {"type": "wait", "duration": 72, "unit": "hours"},
            {"type": "send_email", "config": {"to": "client", "subject": "Thanks", "body": "Thank you!"}},
            {"type": "send_sms", "config": {"message": "Hi", "continue_on_error": True}},
        ]
    },
    "d": {
        "workflow_config": {
            "steps": [
                DELAYED,
                {"type": "action", "subType": "email",
                 "config": {"subject": "Thanks", "body": "Thank you!", "sendToClient": True}},
                {"type": "action", "subType": "sms", "config": {"body": "Hi", "sendToClient": True}},
            ]
        }
    },
    "e": {
        "steps": [
            {**TRIGGER, "connections": ["w"]},
            {"id": "w", "type": "delay", "config": {"delay_hours": 72}, "connections": ["m"]},
            {"id": "m", "type": "action", "config": {"action_type": "send_email", "to": "client", **TEXT},
             "connections": ["s"]},
            {"id": "s", "type": "action", "config": {"action_type": "send_sms", "to": "client", "message": "Hi"},
             "connections": []},
        ]
    },
    "f": {
        "template_config": {
            "triggers": [{"trigger_type": "job_created", "event_type": "insert", "conditions": []}],
            "actions": [
                {"action_type": "send_email", "action_config": {**TEXT, "delay": 4320}},
                {"action_type": "send_sms", "action_config": {"message": "Hi", "delay": 0}},
            ],
        }
    },
    "f, flat": {
        "steps": [
            {"type": "send_email", "delay": "3d", **TEXT},
            {"type": "send_sms", "delay": "immediate", "message": "Hi"},
        ]
    },
}  # fmt: skip


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_says_the_same(name: str) -> None:
    assert outline(read_steps(DIALECTS[name])) == INTENT


def test_the_dialect_of_a_single_action_says_the_same_of_one_step() -> None:
    single = {
        "trigger": {"type": "job_created"},
        "conditions": {"operator": "AND", "rules": []},
        "action": {"type": "email", "config": TEXT, "delay": {"type": "days", "value": 3}},
        "deliveryWindow": {"businessHoursOnly": True},
        "multiChannel": {},
    }
    plan = read_plan({"template_config": single})
    assert outline(plan.steps) == INTENT[:2]
    assert (plan.notes, plan.steps[1].delivery["window"]["to"]) == ((), "17:00")
    single["conditions"]["rules"] = HELD  # type: ignore[index]
    assert read_plan({"template_config": single}) == plan, "the database matches them"


def test_the_legacy_single_action_is_a_place_of_its_own() -> None:
    row = {"action_type": "send_sms", "action_config": {"message": "Hi"}}
    assert outline(read_steps(row)) == INTENT[2:]
    plan = read_plan({"steps": [EMAIL], **row})
    assert (outline(plan.steps), len(plan.notes)) == (INTENT[1:2], 1)
    assert "action_type 'send_sms' is not read" in plan.notes[0]


def named(id_: str, message: str = "Hi", **more: Any) -> dict[str, Any]:
    return {"id": id_, "type": "sms", "config": {"message": message}, **more}


@pytest.mark.parametrize(
    ("steps", "flow", "said"),
    [
        ([named("a"), named("b")], [named("a")], None),
        ([named("a")], [named("b"), named("a", position=7)], None),
        ([], [named("a")], None),
        ([named("c")], [named("a"), named("b")], "step 'c' of steps is only there"),
        ([named("b"), named("a")], [named("a"), named("x"), named("b")], "step 'a' of steps is in another order"),
        ([named("a", "Bye")], [named("a"), named("b")], "step 'a' differs between the two"),
        ([named("a", type="email")], [named("a"), named("b")], "step 'a' differs between the two"),
        ([named("a")], [TRIGGER, named("a")], None),
        ([named("a"), named("b")], [TRIGGER, named("a")], None),
        ([named("a"), 7], [named("a"), named("b"), named("c")], "a number of steps is only there"),
    ],
)
def test_of_two_places_the_fuller_is_read_if_it_holds_the_other(steps: Any, flow: Any, said: str | None) -> None:
    row = {"steps": steps, "template_config": {"steps": flow}}
    if said is None:
        ids = [{step["id"] for step in place} - {"t"} for place in (steps, flow)]
        assert {step.key for step in read_steps(row)} == ids[0] | ids[1]
    else:
        message = refusal(**row)
        assert said in message
        assert "contradict each other" in message


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"steps": 7}, "steps: expected a list, got a number"),
        ({"steps": {"type": "email"}}, "steps: expected a list, got an object"),
        ({"template_config": "[]"}, "template_config: expected a list, got text"),
        ({"template_config": {"steps": "x"}}, "template_config.steps: expected a list, got text"),
        ({"steps": {"steps": [EMAIL], "actions": [EMAIL]}}, "steps: it has both steps and actions"),
    ],
)
def test_a_place_that_holds_something_else_is_named(row: dict[str, Any], said: str) -> None:
    assert said in refusal(**row)


@pytest.mark.parametrize(
    "row", [{}, {"steps": {}}, {"template_config": {"theme": "dark"}}, {"steps": [TRIGGER]}, {"action_type": ""}]
)
def test_a_row_without_steps_has_none(row: dict[str, Any]) -> None:
    assert read_plan(row) == Plan(())


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (7, "step 1: expected an object, got a number"),
        ({"type": "gift_card"}, "step 1 (gift_card): there is no action `gift_card`; there are: "),
        ({"type": "action", "config": {"actionType": "task", "message": "x"}}, "there is no action `task`"),
        ({"name": "Call", "type": "action", "config": {}}, "step 1 (Call): it has no type"),
        ({"type": "action", "config": {"actionType": 7}}, "its type must be text of at most 200 characters, got 7"),
        ({"type": "email", "config": {"actionType": "sms", **TEXT}}, "it has several types: sms, email"),
        ({"type": "email", "config": 7}, "`config` must be an object"),
        ({"type": "email", "config": {}, "action_config": {}}, "both `config` and `action_config`"),
        ({"type": "email", "to": "a@b.c", "config": {"to": "d@e.f", **TEXT}}, "`to` has different values in the step"),
        ({"type": "sms", "config": {"message": "a", "body": "b"}}, "`message` and `body` have different values"),
        ({"type": "send_email", "delay": "3d", "template": "follow_up"}, "`template` names a template, whose text"),
        ({"type": "sms", "config": {"to": "technician", "message": "x"}}, "`to`: 'technician' is not an address"),
        ({"type": "email", "config": {"to": "office", **TEXT}}, "`to`: 'office' is not an address"),
        ({"type": "email", "config": {"sendToClient": False, **TEXT}}, "`sendToClient` is false"),
        ({"type": "email", "config": TEXT, "conditions": HELD}, "put a condition step before it"),
        ({"type": "email", "config": TEXT, "then": [EMAIL]}, "only a condition has branches"),
        ({"type": "email", "config": TEXT, "id": "x" * 201}, "longer than 200 characters"),
    ],
)
def test_a_step_that_cannot_be_read_honestly_is_refused_by_name(step: Any, said: str) -> None:
    message = refusal(step)
    assert said in message
    assert message.startswith("step 1")


@pytest.mark.parametrize(
    ("config", "read_as"),
    [
        ({"to": "{{client.phone}}", "message": "x"}, {"to": "{{client.phone}}", "message": "x"}),
        ({"to": "+1 555 0100", "text": "x"}, {"to": "+1 555 0100", "message": "x"}),
        ({"phoneNumber": ["+15550100"], "content": "x"}, {"to": "+15550100", "message": "x"}),
        ({"to": "", "message": "x", "own": 1}, {"to": "", "message": "x", "own": 1}),
    ],
)
def test_a_text_is_read_under_any_of_its_names(config: dict[str, Any], read_as: dict[str, Any]) -> None:
    if read_as["to" if "to" in read_as else "message"] == "":
        with pytest.raises(BadStep):
            read({"type": "sms", "config": config})
    else:
        (step,) = read({"type": "sms", "config": config})
        assert step.config == read_as


def test_an_email_that_is_html_keeps_its_html_and_gets_its_words() -> None:
    body = (
        "<style>p {color: red}</style><p>Dear {{ client.name }},</p><p>a &lt; b<br/>"
        '<a href="{{ invoice.payment_link }}">pay</a></p>'
    )
    (step,) = read({"type": "action", "subType": "email", "config": {"subject": "S", "body": body}})
    assert step.config["html"] == body
    assert step.config["message"] == "Dear {{ client.name }},\n\na < b\npay ({{ invoice.payment_link }})"
    (step,) = read({"type": "email", "config": {"subject": "S", "message": "1 < 2 <3 <client@example.com>"}})
    assert step.config == {"subject": "S", "message": "1 < 2 <3 <client@example.com>"}


@pytest.mark.parametrize(
    ("more", "stops"),
    [
        ({"stop_on_error": True}, True),
        ({"config": {**TEXT, "continue_on_error": False}}, True),
        ({"continue_on_error": False}, True),
        ({"config": {**TEXT, "continue_on_error": True}}, False),
        ({}, False),
    ],
)
def test_an_error_stops_only_where_somebody_says_so(more: dict[str, Any], stops: bool) -> None:
    (step,) = read(EMAIL | more)
    assert (step.stop_on_error, step.config) == (stops, TEXT)


def test_what_is_understood_and_not_honoured_is_noted_by_step() -> None:
    timing = {"timing": {"businessHours": True, "businessStart": "09:00"}, "sendTime": "tomorrow"}
    quiet = {"timing": {"businessHours": False, "timezone": "utc"}, "sendTime": "immediate"}
    plan = read_plan(
        {
            "steps": [
                {"type": "email", "name": "Thanks", "config": TEXT | timing},
                {"type": "email", "config": TEXT | quiet},
                {"type": "gift_card", "enabled": False},
            ],
            "multi_channel_config": {"primaryChannel": "sms"},
        }
    )
    assert [step.config for step in plan.steps] == [TEXT, TEXT]
    assert [note.split(" is ")[0] for note in plan.notes] == [
        "step 1 (Thanks): `sendTime`", "step 3", "`multi_channel_config`",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arrows", "said"),
    [
        ([["b"], ["c"], []], None),
        ([[], [], []], None),
        ([None, ["c"], None], None),
        ([[{"to": "b"}], [{"target": "c"}], []], None),
        ([["c"], [], ["b"]], "step 1: 'a' is connected to 'c', but the next step in the list is 'b'"),
        ([["b"], [], []], "step 2: 'b' is connected to nothing, but the next step in the list is 'c'"),
        ([["b"], ["c"], ["a"]], "step 3: 'c' is connected to 'a', but the next step in the list is nothing"),
        ([["b", "c"], [], []], "step 1: 'a' is connected to 'b', 'c'"),
        ([[{}], [], []], "step 1: `connections` must be a list of ids"),
        (["b", [], []], "step 1: `connections` must be a list of ids"),
    ],
)
def test_arrows_may_only_say_what_the_list_says(arrows: list[Any], said: str | None) -> None:
    steps = [
        {"id": id_, "connections": to, **EMAIL} if to is not None else {"id": id_, **EMAIL}
        for id_, to in zip("abc", arrows, strict=True)
    ]
    if said is None:
        assert [step.key for step in read(*steps)] == ["a", "b", "c"]
    else:
        assert said in refusal(*steps)


def nested(levels: int) -> dict[str, Any]:
    step: dict[str, Any] = EMAIL
    for _ in range(levels):
        step = {"type": "condition", "config": {"conditions": HELD}, "then": [step]}
    return step


def test_the_bounds_count_the_whole_tree() -> None:
    assert len(list(all_steps(read(nested(MAX_DEPTH))))) == MAX_DEPTH + 1
    assert f"nested deeper than {MAX_DEPTH}" in refusal(nested(MAX_DEPTH + 1))
    assert len(read(*[EMAIL] * MAX_STEPS)) == MAX_STEPS
    assert f"at most {MAX_STEPS} steps" in refusal(*[EMAIL] * (MAX_STEPS + 1))
    half = {"type": "condition", "config": {"conditions": HELD}, "then": [EMAIL] * 50, "else": [EMAIL] * 50}
    assert f"at most {MAX_STEPS} steps" in refusal(half)


def bomb(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value, value]
    return value


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (bomb(60), "more than 20,000 values"),
        (deep(100_000), "nested deeper than 100 levels"),
        ([0] * 10**6, "more than 20,000 values"),
        ("x" * 100_001, "a text has more than 100,000 characters"),
    ],
)
@pytest.mark.parametrize("column", ["steps", "template_config", "workflow_config", "action_config"])
def test_a_bomb_is_refused_before_it_goes_off(value: Any, said: str, column: str) -> None:
    message = refusal(**{"action_type": "email", column: [value]})
    assert said in message
    assert len(message) < 200


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        ({"give_up_after": "2 hours"}, 7200),
        ({"config": {**TEXT, "give_up_after": "90m"}}, 5400),
        ({"give_up_after": "1 day", "config": {**TEXT, "give_up_after": "1 day"}}, 86_400),
        ({"give_up_after": None}, None),
        ({}, None),
    ],
)
def test_how_long_a_step_is_tried_is_read_wherever_it_stands(raw, seconds):
    (step,) = read_steps({"steps": [{"type": "sms", "config": TEXT, **raw}]})
    assert (step.give_up_seconds, step.config) == (seconds, TEXT)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"type": "sms", "config": TEXT, "give_up_after": "soon"}, 'invalid duration "soon"'),
        ({"type": "sms", "config": TEXT, "give_up_after": 5}, "must be text"),
        ({"type": "sms", "config": TEXT, "give_up_after": "8 days"}, "at most 1 week"),
        ({"type": "sms", "config": {**TEXT, "give_up_after": "1h"}, "give_up_after": "2h"}, "different values"),
        ({"type": "wait", "config": {"for": "1 day"}, "give_up_after": "2h"}, "not supported on this step"),
    ],
)
def test_a_give_up_after_that_cannot_be_kept_is_refused(raw, said):
    with pytest.raises(BadStep, match=said):
        read_steps({"steps": [raw]})
