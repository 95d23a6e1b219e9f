"""docs/dialects.md: its shapes are read, what is refused is refused, and its tables of delays and names are true."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects import MAX_DEPTH, MAX_STEPS, read_plan, read_steps
from minutehand.executor.dialects.limits import MAX_TEXT, MAX_VALUES
from minutehand.executor.dialects.variables import translate
from minutehand.executor.templates.render import Renderer
from tests.docs.pages import blocks, page, rows, section, words
from tests.servers import Database

PAGE = page("dialects.md")
CONTEXT = {
    "client": {"name": "Lakeview", "first_name": "Ann", "phone": "+15550100"},
    "invoice": {"invoice_number": "I-7", "payment_link": "https://pay.example/7"},
    "job": {"scheduled_date": "2026-03-29"},
}


def examples(kind: str) -> list[Any]:
    return [json.loads(block) for block in blocks(PAGE, f"json {kind}")]


def test_every_block_of_the_page_is_of_a_kind_that_is_tried() -> None:
    assert set(re.findall(r"^```(.+)$", PAGE, flags=re.MULTILINE)) == {"json shape", "json steps", "json refused"}


def test_all_shapes_say_the_same_in_any_place() -> None:
    normal, *others = examples("shape")
    assert len(others) == 7
    expected = [(step["type"], step["config"]) for step in normal]
    places = [words(row[0])[0] for row in rows(section(PAGE, "## Where steps are read"))]
    for shape in (normal, *others):
        for place in places[:3]:
            assert [(step.type, step.config) for step in read_steps({place: shape})] == expected, (place, shape)
    assert places[3:] == ["action_type"]
    assert [step.type for step in read_steps({"action_type": "stop", "action_config": {}})] == ["stop"]


def test_branches_and_gates_are_read() -> None:
    (branch,), (gate, sms) = map(read_steps, ({"steps": steps} for steps in examples("steps")))
    assert [step.type for step in branch.then + branch.otherwise] == ["sms", "sms"]
    assert ([step.type for step in gate.otherwise], sms.type) == (["stop"], "sms")


def test_delays_are_as_told() -> None:
    listed = rows(section(PAGE, "## Delays"))
    assert len(listed) > 8
    for written, becomes in listed:
        row = {"steps": [{"type": "sms", "config": {"message": "x", **json.loads(words(written)[0])}}]}
        if becomes.startswith("refused"):
            with pytest.raises(BadStep, match=r"unit|relative"):
                read_steps(row)
        else:
            key = "until" if becomes.startswith("until") else "for"
            waits = [step.config[key] for step in read_steps(row) if step.type == "wait"]
            assert waits == ([] if becomes == "no wait" else words(becomes))


def test_windows_are_as_told() -> None:
    listed = rows(section(PAGE, "## When messages may leave"))
    assert len(listed) > 7
    for written, where, becomes in listed:
        value, sms = json.loads(words(written)[0]), {"message": "x"}
        row = {"settings": value} if "settings" in where else {"delivery_window": value}
        if "timing" in where:
            row, sms = {}, sms | {"timing": value}
        (step,) = read_steps({"steps": [{"type": "sms", "config": sms}]} | row)
        assert step.delivery == ({} if becomes == "no window" else {"window": json.loads(words(becomes)[0])}), written


def test_names_in_templates_are_as_told() -> None:
    listed = rows(section(PAGE, "## Names in templates"))
    assert len(listed) > 7
    for written, becomes in listed:
        rendered = Renderer().render(translate(words(written)[0]), CONTEXT)
        assert rendered == Renderer().render(words(becomes)[0], CONTEXT)


def test_what_is_said_to_be_refused_is() -> None:
    (refused,) = examples("refused")
    for step in refused:
        with pytest.raises(BadStep, match=r"^step 1 \("):
            read_steps({"steps": [step]})


def test_what_is_said_to_be_noted_is() -> None:
    noted = words(section(PAGE, "## Refused, and noted").split("not supported yet")[1].split("other than")[0])
    sms = {"message": "x", "sendTime": "later"}
    row = {"steps": [{"type": "sms", "config": sms}], "multi_channel_config": {"a": 1}}
    listed = [words(note)[0] for note in read_plan(row).notes]
    assert sorted(listed) == sorted(set(noted) - {"workflows lint"})


def test_the_limits_of_the_page_are_those_of_the_code() -> None:
    limits = re.findall(r"([\d,]+) (steps|branches|characters|values)", PAGE.split("Limits:")[1])
    expected = {"steps": MAX_STEPS, "branches": MAX_DEPTH, "characters": MAX_TEXT, "values": MAX_VALUES}
    assert {name: int(figure.replace(",", "")) for figure, name in limits} == expected


def test_the_places_of_conditions_are_read(database: Database) -> None:
    never = {"conditions": [{"field": "status", "value": "never"}]}
    change = {"from_status": ["a"], "to_status": []}
    for place, keys in rows(section(PAGE, "## Which changes start it")):
        configs = [never, change] if "from_status" in keys else [never]
        for config in configs:
            name = words(place)[0]
            row = {"steps": [{"type": "trigger", "config": config}]} if name == "trigger" else {name: config}
            conditions = "minutehand.conditions_of(%s::jsonb, 'status')"
            query = f"select minutehand.conditions_met({conditions}, %s::jsonb, null) as met"
            assert database.one(query, json.dumps(row), '{"status": "x"}')["met"] is False, place
