"""Whatever JSON stands in a workflow's row, it is read or refused by name; and what is read, reads the same again."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from executor.actions.contract import BadStep, RenderError, Step
from executor.dialects import Plan, all_steps, read_plan
from executor.dialects.variables import translate
from executor.render import Renderer
from tests.unit.test_dialects_shapes import DIALECTS

BOUNDED = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])

scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.sampled_from(["", "x", "3d", "{job.id}"])
anything = st.recursive(
    scalars | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
WORDS = [
    "trigger", "action", "email", "send_sms", "delay", "wait", "condition", "branch", "webhook", "stop", "gift_card",
    "update_record", "notification", "function",
]  # fmt: skip
KEYS = [
    "actionType", "action_type", "subType", "delay", "delayValue", "delayUnit", "delay_hours", "delay_until", "duration",
    "unit", "for", "until", "to", "url", "html", "template", "timing", "continue_on_error", "field", "value", "operator",
    "conditions", "condition", "condition_type", "branches", "then", "else", "connections", "id", "name", "enabled",
    "stop_on_error",
]  # fmt: skip
TEXTS = {"subject": "Hi", "message": "Dear {{client_name}}", "url": "https://example.com", "name": "f"}
configs = (
    st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, anything)).map(lambda config: TEXTS | config) | anything
)
steps = st.deferred(
    lambda: st.fixed_dictionaries(
        {"type": st.sampled_from(WORDS)},
        optional=dict.fromkeys(KEYS, anything)
        | {
            "config": configs,
            "action_config": configs,
            "id": st.sampled_from(["a", "b", 1, "2"]),
            "delay": st.sampled_from(["3d", 0, {"type": "hours", "value": 2}]),
            "then": st.lists(steps, max_size=2),
            "branches": st.lists(st.fixed_dictionaries({"name": st.just("If"), "condition": anything, "steps": lists})),
        },
    )
)
lists = st.lists(steps | anything, max_size=3)
places = lists | st.fixed_dictionaries({}, optional=dict.fromkeys(("steps", "actions", "action", "conditions"), lists))
rows = st.fixed_dictionaries(
    {"steps": lists | places},
    optional={"template_config": places | anything, "workflow_config": places, "action_type": anything}
    | dict.fromkeys(("action_config", "delivery_window"), anything),
)


def written(step: Step) -> dict[str, Any]:
    """A step as the normal form writes it."""
    raw = {"id": step.key, "type": step.type, "name": step.name, "config": step.config}
    if step.stop_on_error:
        raw["stop_on_error"] = True
    if step.type == "condition":
        raw |= {"then": [*map(written, step.then)], "else": [*map(written, step.otherwise)]}
    return raw


def without_path(step: Step) -> Step:
    """What a step is, wherever it stands: a wait of an action's becomes a step with a place of its own."""
    then, otherwise = tuple(map(without_path, step.then)), tuple(map(without_path, step.otherwise))
    return replace(step, path="", then=then, otherwise=otherwise)


def hold(row: Any) -> Plan | None:
    """Read a row, and hold what is true of every row."""
    before = copy.deepcopy(row)
    try:
        plan = read_plan(row)
    except BadStep as error:
        assert 0 < len(str(error)) < 1000
        plan = None
    assert repr(row) == repr(before), "it was changed"
    if plan is None:
        return None
    assert repr(read_plan(row)) == repr(plan)
    again = read_plan({"steps": [*map(written, plan.steps)]})
    assert repr([*map(without_path, again.steps)]) == repr([*map(without_path, plan.steps)])
    keys = [step.key for step in all_steps(plan.steps)]
    assert len(set(keys)) == len(keys)
    return plan


def test_every_dialect_reads_the_same_when_it_is_read_again() -> None:
    for row in DIALECTS.values():
        assert hold(json.loads(json.dumps(row))) is not None


@BOUNDED
@given(rows)
def test_any_row_is_read_or_refused_and_left_alone(row: dict[str, Any]) -> None:
    hold(row)


@BOUNDED
@given(st.lists(steps, min_size=1, max_size=2))
def test_any_steps_are_read_or_refused_and_left_alone(raws: list[Any]) -> None:
    hold({"steps": raws})


@given(anything)
def test_a_row_that_is_none_is_refused(row: Any) -> None:
    hold(row)


PIECES = [
    "{{", "}}", "{%", "%}", "{#", "#}", "{", "}", "[", "]", "(", " ", "if ", "#if ", "else", "/if", "endif", "client",
    ".name", "_name", "client.firstName", "{client.name}", "[payment link]", "{{#if job_id}}", "{{/if}}", "{{ job.id }}",
    "'", '"', "|", "x", "\n", "~", "{{else}}", "{{{", "}}}",
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
        assert brace not in said or f"'{brace}" in text or "'" in text or '"' in text
