"""Conditions within a flow: branches, gates, and what no row can answer."""

from __future__ import annotations

from typing import Any

import pytest

from minutehand.executor.actions.contract import BadStep, Step
from minutehand.executor.dialects import all_steps, read_steps

HELD = [{"field": "status", "operator": "equals", "value": "done"}]
ALSO = [{"field": "revenue", "operator": "greater_than", "value": 500}]


def text(message: str) -> dict[str, Any]:
    return {"type": "sms", "config": {"message": message}}


def condition(**more: Any) -> dict[str, Any]:
    return {"type": "condition", "config": {"conditions": HELD}, **more}


def refusal(*steps: Any) -> str:
    with pytest.raises(BadStep) as caught:
        read_steps({"steps": list(steps)})
    return str(caught.value)


def tree(steps: tuple[Step, ...]) -> list[Any]:
    """Each step by its path: a text by its words, a condition with its branches."""
    return [
        {step.path: [tree(step.then), tree(step.otherwise)]}
        if step.type == "condition"
        else f"{step.path} {step.config.get('message', step.type)}"
        for step in steps
    ]


def test_the_normal_form_has_then_and_else() -> None:
    steps = read_steps({"steps": [condition(**{"then": [text("a")], "else": [text("b"), text("c")]}), text("d")]})
    assert tree(steps) == [{"1": [["1.then.1 a"], ["1.else.1 b", "1.else.2 c"]]}, "2 d"]
    assert steps[0].config == {"conditions": HELD}
    assert tree(read_steps({"steps": [condition(then=[])]})) == [{"1": [[], []]}]


def test_branches_are_ifs_and_an_else() -> None:
    branch = {
        "id": "b",
        "type": "branch",
        "branches": [
            {"name": "If", "condition": {"operator": "AND", "conditions": HELD}, "steps": [text("a")]},
            {"name": "If", "condition": {"operator": "OR", "conditions": ALSO}, "steps": [text("b")]},
            {"name": "Else", "condition": {"operator": "AND", "conditions": []}, "steps": [{"id": "own", **text("c")}]},
        ],
    }
    steps = read_steps({"steps": [branch]})
    assert tree(steps) == [{"1": [["1.then.1 a"], [{"1.else.1": [["1.else.1.then.1 b"], ["1.else.1.else.1 c"]]}]]}]
    assert [step.key for step in all_steps(steps)] == ["b", "1.then.1", "b.else.1", "1.else.1.then.1", "own"]
    assert steps[0].otherwise[0].config == {"conditions": {"operator": "OR", "conditions": ALSO}}
    (short,) = read_steps({"steps": [{"type": "condition", "config": {"branches": branch["branches"][:1]}}]})
    assert (tree(short.then), short.otherwise) == (["1.then.1 a"], ())


def test_a_condition_without_branches_lets_through_or_ends() -> None:
    steps = read_steps({"steps": [text("a"), {"id": "gate", **condition()}, text("b")]})
    assert tree(steps) == ["1 a", {"2": [[], ["2.else.1 stop"]]}, "3 b"]
    assert steps[1].otherwise[0].key == "gate.else.1"


def test_within_a_branch_only_the_rest_of_the_branch_depends_on_a_gate() -> None:
    steps = read_steps({"steps": [condition(then=[text("a"), condition(), text("b")]), text("c")]})
    assert tree(steps) == [{"1": [["1.then.1 a", {"1.then.2": [["1.then.3 b"], []]}], []]}, "2 c"]


@pytest.mark.parametrize(
    ("config", "asked"),
    [
        ({"condition_type": "field_comparison", "field": "status", "operator": "equals", "value": "done"}, HELD[0]),
        ({"conditionType": "field", "property": "status", "value": 7}, {"property": "status", "value": 7}),
        ({"operator": "OR", "conditions": HELD}, {"operator": "OR", "conditions": HELD}),
        ({"condition": {"any": HELD}}, {"any": HELD}),
    ],
)
def test_a_condition_is_asked_as_it_stands(config: dict[str, Any], asked: Any) -> None:
    (step, _) = read_steps({"steps": [{"type": "condition", "config": config}, text("a")]})
    assert step.config == {"conditions": asked}


@pytest.mark.parametrize(
    "config",
    [
        {"condition_type": "historical", "field": "jobs", "operator": "equals", "value": 1},
        {"conditions": [{"type": "business_hours"}]},
        {"conditions": {"all": [*HELD, {"any": [{"field": "weekend", "operator": "equals", "value": True}]}]}},
        {"conditions": [{"field": "client_last_service.days_ago", "operator": "greater_than", "value": 30}]},
        {"conditions": [{"conditionType": "holiday", "field": "x"}]},
        {"conditions": [{"field": "client_has_jobs"}]},
        {"condition_type": ["x"], "conditions": HELD},
    ],
)
def test_what_no_row_can_answer_is_refused_by_name(config: dict[str, Any]) -> None:
    message = refusal({"type": "condition", "config": config})
    assert "only fields of the row can be compared" in message
    assert message.startswith("step 1 (condition): a condition of type ")


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"type": "condition", "config": {}}, "it has no conditions"),
        ({"type": "branch", "branches": []}, "it has no conditions"),
        ({"type": "condition", "config": {"operator": "AND", "conditions": []}}, "it has no conditions"),
        ({"type": "condition", "config": {"conditions": [[], {}]}}, "it has no conditions"),
        ({"type": "condition", "config": {"conditions": 7}}, "an object or a list, got a number"),
        ({"type": "condition", "config": {"conditions": HELD, "field": "status"}}, "conditions in two places"),
        (condition(then={}), "`then` must be a list of steps, got an object"),
        (condition(branches=7), "`branches` must be a list of objects"),
        (condition(branches=[7]), "`branches` must be a list of objects"),
        (condition(trueSteps=[text("a")]), "steps under 'trueSteps' are not supported"),
        (condition(branches=[{"name": "If", "condition": {"conditions": HELD}, "steps": []}]), "keep one form"),
        ({"type": "branch", "branches": [{"name": "If", "steps": []}]}, "branch 'If' has no conditions"),
        ({"type": "branch", "branches": [{"name": "Else", "steps": []}]}, "its only branch is an Else"),
        ({"type": "branch", "branches": [{"name": "Else", "condition": HELD}]}, "which an Else has not"),
        ({"type": "branch", "branches": [{"name": "If", "condition": HELD, "steps": 7}]}, "must be a list, got a"),
        (
            {"type": "branch", "branches": [{"name": "Else"}, {"name": "If", "condition": HELD}]},
            "must be the last one",
        ),
        (condition(then=[{"type": "gift_card"}]), "step 1.then.1 (gift_card): there is no action"),
        (condition(**{"then": [], "else": [7]}), "step 1.else.1: expected an object"),
        (condition(then=[{"id": "1", **text("a")}]), "several steps have the id '1'"),
    ],
)  # fmt: skip
def test_a_branch_that_would_be_a_guess_is_refused(step: dict[str, Any], said: str) -> None:
    message = refusal(step)
    assert said in message
    assert message.startswith("step 1")
