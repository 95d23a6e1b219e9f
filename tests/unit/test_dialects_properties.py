"""Whatever JSON stands in a workflow's row, it is read or refused by name; and what is read, reads the same again."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from minutehand.executor.actions.contract import BadStep, RenderError, Step
from minutehand.executor.dialects import Plan, all_steps, read_plan
from minutehand.executor.dialects.variables import translate
from minutehand.executor.templates.render import Renderer
from tests.unit.test_dialects_steps import DIALECTS

BOUNDED = settings(max_examples=200, deadline=None)

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["3d", "email"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
SMS = {"message": "Dear {client_name}, [payment link] {{#if job_id}}!{{/if}}"}
HELD = {"operator": "AND", "conditions": [{"field": "status", "operator": "equals", "value": "done"}]}
#: A step of every dialect, and of every oddity that is understood.
LEAVES: list[dict[str, Any]] = [
    {"type": "sms", "config": SMS, "stop_on_error": True, "name": "Text"},
    {"type": "stop"},
    {"type": "trigger", "config": {"triggerType": "job_created"}},
    {"type": "wait", "config": {"for": "2 days"}},
    {"type": "delay", "config": {"delayType": "days", "delayValue": 3}, "id": 7},
    {"type": "delay", "duration": "0d"},
    {"type": "condition", "config": HELD},
    {"type": "condition", "config": {"condition_type": "field_comparison", "field": "a", "value": 1}, "then": []},
    {"type": "action", "config": {"actionType": "email", "subject": "S", "message": "<p>a</p>", "sendTime": "later"}},
    {"type": "action", "subType": "email", "config": {"subject": "S", "body": "b", "sendToClient": True}},
    {"type": "action", "config": {"action_type": "send_sms", "to": "client", **SMS}, "connections": [], "position": {}},
    {"type": "send_sms", "config": SMS | {"continue_on_error": False, "delay": {"type": "hours", "value": 2}}},
    {"type": "send_email", "delay": "3d", "subject": "S", "message": "m"},
    {"action_type": "send_sms", "action_config": SMS | {"delay": 1440}},
    {"type": "webhook", "config": {"url": "https://example.com/{job.id}", "body": {"a": [None, 1.5, "{client.name}"]}}},
    {"type": "sms", "config": SMS, "enabled": False},
]
KEYS = sorted({key for leaf in LEAVES for key in (*leaf, *leaf.get("config", {}))} | {"else", "branches", "html"})


def branched(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    steps = st.lists(inner, max_size=3)
    condition = {"type": "condition", "config": HELD}
    arm = {"name": "If", "condition": HELD}
    return st.tuples(steps, steps).map(lambda pair: condition | {"then": pair[0], "else": pair[1]}) | st.tuples(
        steps, steps
    ).map(
        lambda pair: {
            "type": "branch",
            "branches": [arm | {"steps": pair[0]}, arm | {"steps": pair[1]}, {"name": "Else", "steps": pair[0]}],
        }
    )


flows = st.lists(st.recursive(st.sampled_from(LEAVES), branched, max_leaves=6), max_size=4)
rows = st.tuples(flows, st.sampled_from(["steps", "template_config.steps", "workflow_config.actions", "both"])).map(
    lambda drawn: row(*drawn)
)


def row(steps: list[Any], place: str) -> dict[str, Any]:
    if place == "both":
        return {"steps": steps[:1], "template_config": {"steps": steps}, "delivery_window": {"allowedDays": ["mon"]}}
    column, _, key = place.partition(".")
    return {column: {key: steps} if key else steps}


def spots(value: Any) -> list[tuple[Any, Any]]:
    """Every place inside a JSON value where something else could stand."""
    inner = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [(value, key) for key, _ in inner] + [spot for _, child in inner for spot in spots(child)]


def written(step: Step) -> dict[str, Any]:
    """A step as the normal form writes it."""
    raw: dict[str, Any] = {"id": step.key, "type": step.type, "name": step.name, "config": step.config}
    if step.stop_on_error:
        raw["stop_on_error"] = True
    raw |= step.delivery
    if step.type == "condition":
        raw |= {"then": [*map(written, step.then)], "else": [*map(written, step.otherwise)]}
    return raw


def without_path(step: Step) -> Step:
    """What a step is, wherever and however it was written: a wait of an action's becomes a step of its own."""
    then, otherwise = tuple(map(without_path, step.then)), tuple(map(without_path, step.otherwise))
    return replace(step, path="", notes=(), then=then, otherwise=otherwise)


def hold(given_row: Any) -> Plan | None:
    """Read a row, and hold what is true of every row."""
    before = copy.deepcopy(given_row)
    plan, refusal = None, "-"
    try:
        plan = read_plan(given_row)
    except BadStep as error:
        refusal = str(error)
    assert repr(given_row) == repr(before), "it was changed"
    assert 0 < len(refusal) < 1000
    if plan is None:
        return None
    assert repr(read_plan(given_row)) == repr(plan)
    again = read_plan({"steps": [*map(written, plan.steps)]})
    assert repr([*map(without_path, again.steps)]) == repr([*map(without_path, plan.steps)])
    keys = [step.key for step in all_steps(plan.steps)]
    assert len(set(keys)) == len(keys)
    return plan


def test_every_dialect_reads_the_same_when_it_is_read_again() -> None:
    for dialect in DIALECTS.values():
        assert hold(json.loads(json.dumps(dialect))) is not None


@BOUNDED
@given(rows)
def test_any_mixture_of_dialects_is_read_or_refused_and_left_alone(drawn: dict[str, Any]) -> None:
    hold(drawn)


@BOUNDED
@given(rows, st.data())
def test_nonsense_in_any_place_is_read_or_refused(drawn: dict[str, Any], data: st.DataObject) -> None:
    spoiled = copy.deepcopy(drawn)
    for _ in range(2):
        holder, key = data.draw(st.sampled_from(spots(spoiled)))
        if isinstance(holder, dict) and data.draw(st.booleans()):
            key = data.draw(st.sampled_from(KEYS))
        holder[key] = data.draw(anything)
    hold(spoiled)


@BOUNDED
@given(anything)
def test_a_row_that_is_none_is_refused(drawn: Any) -> None:
    hold(drawn)
    hold({"steps": drawn, "template_config": drawn, "action_type": drawn, "action_config": drawn})


PIECES = [
    "{{", "}}", "{%", "%}", "{#", "#}", "{", "}", "[", "]", "(", " ", "if ", "#if ", "else", "/if", "endif", "client",
    ".name", "_name", "client.firstName", "{client.name}", "[payment link]", "{{#if job_id}}", "{{/if}}",
    "{{ job.id }}", "'", '"', "|", "x", "\n", "~", "{{else}}", "{{{", "}}}",
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)


@settings(max_examples=400, deadline=None)
@given(texts)
def test_any_text_is_translated_once_and_rendered_or_refused(text: str) -> None:
    once = translate(text)
    assert translate(once) == once
    try:
        said = Renderer().render(once, {"client": {"name": "Ann", "first_name": "A"}, "job": {"id": "J-1"}})
    except RenderError:
        return
    for brace in ("{client.name}", "{client.firstName}", "{{#if", "[payment link] "):
        of_another_tool = any(f"{mark}{brace}" in text for mark in "$%@[")
        assert brace not in said or of_another_tool or "'" in text or '"' in text
