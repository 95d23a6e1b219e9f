"""The command line and the dashboard say the same of each workflow: its state, and its problems in the same words."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from markupsafe import escape

from minutehand.executor.checks.workflow import BROKEN, FAILS, NEVER
from tests.dashboard.prometheus import parse
from tests.dashboard.served import Served
from tests.journeys.app import App, Minutehand, email

#: The columns of each workflow, its state, and how its problem begins ("": it has none).
WORKFLOWS: dict[str, tuple[dict[str, Any], str, str]] = {
    "Fine": ({}, "on", ""),
    "By hand": ({"trigger_type": "manual"}, "on", ""),
    "Unknown trigger": (
        {"trigger_type": "invoice_paid"},
        NEVER,
        "will never run: no watched table emits 'invoice_paid'; watch one with: minutehand trigger add TABLE",
    ),
    "No trigger": ({"trigger_type": None}, NEVER, "will never run: it has no trigger_type"),
    "Unknown status": (
        {"trigger_type": "job_status_changed", "trigger_config": {"to_status": ["compleeted"]}},
        "on",
        "waits for the status 'compleeted', which no job has ever had; did you mean completed?",
    ),
    "Bad steps": ({"steps": [{"type": "gift_card"}]}, FAILS, "will fail: step 1 (gift_card): "),
    "No steps": ({"steps": []}, NEVER, "will never run: it has no steps"),
    "Bad conditions": (
        {"trigger_config": {"conditions": [{"field": "status", "operator": "is_like"}]}},
        NEVER,
        "will never run: conditions: ",
    ),
    "No tenant": ({"organization_id": None}, NEVER, "will never run: it has neither organization_id nor user_id"),
    "Bad setting": ({"settings": {"order": "row"}}, "on", "runs without ordering: settings.order is row"),
    "Unread key": (
        {"trigger_config": {"days_overdue": 7}},
        NEVER,
        "will never run: trigger_config.days_overdue is not read; it asks for a time",
    ),
    "Narrowing key": (
        {"trigger_config": {"status": "cancelled"}},
        NEVER,
        'will never run: trigger_config.status is not read; write "conditions": [{"field": "status", ',
    ),
    "Harmless key": ({"trigger_config": {"label": "x"}}, "on", "trigger_config: label is not read, and changes"),
    "Settings as a list": ({"settings": [1]}, "on", "runs without that setting: settings is a list: write an object"),
    "Misspelt setting": ({"settings": {"rate_limt": None}}, "on", "settings.rate_limt is not read; did you mean"),
    "Steps off": (
        {"steps": [{"type": "email", "enabled": False}]},
        NEVER,
        "will never run: all its steps are switched off",
    ),
    "Steps elsewhere": (
        {"steps": {"nodes": [email()]}},
        NEVER,
        "will never run: steps: expected a list, got an object; they seem to be in steps.nodes, which is not read",
    ),
    "Off": ({"is_active": False, "status": "draft", "trigger_type": None}, "off", ""),
    "One switch off": (
        {"status": "draft"},
        "off",
        "is off because status = 'draft', although is_active = true",
    ),
    "Held": ({}, "paused (workflow)", ""),
}  # fmt: skip


@pytest.fixture
def workflows(app: App, minutehand: Minutehand) -> App:
    """The app with these workflows."""
    app.complete()
    for name, (columns, _, _) in WORKFLOWS.items():
        app.workflow(*(() if "steps" in columns else [email()]), name=name, **columns)
    minutehand("workflows", "pause", "Held")
    return app


def problems(text: str, name: str) -> list[str]:
    """The problems of a workflow in a command's lines."""
    return [line[len(f"! {name} ") :] for line in text.splitlines() if line.startswith(f"! {name} ")]


def agrees(found: list[str], name: str) -> bool:
    """Whether these are the problems of a workflow."""
    begin = WORKFLOWS[name][2]
    return len(found) == bool(begin) and all(problem.startswith(begin) for problem in found)


def test_every_command_says_the_same(workflows: App, minutehand: Minutehand) -> None:
    listed = {one["name"]: one for one in json.loads(minutehand("workflows", "ls", "-o", "json").stdout)}
    linted = {one["workflow"]: one for one in json.loads(minutehand("workflows", "lint", "-o", "json").stdout)}
    looked = {one["name"]: one for one in json.loads(minutehand("status", "-o", "json").stdout)["workflows"]}
    facts = [one["fact"] for one in json.loads(minutehand("doctor", "-o", "json").stdout)["checks"]]
    ls, status = minutehand("workflows", "ls").stdout, minutehand("status").stdout
    for name, (_, state, _) in WORKFLOWS.items():
        assert (listed[name]["state"], linted[name]["state"], looked[name]["state"]) == (state, state, state)
        said = listed[name]["problems"]
        assert agrees(said, name), (name, said)
        assert looked[name]["problems"] == said
        assert problems(ls, name) == said
        assert [fact for fact in facts if fact.startswith(f'"{name}" ')] == [f'"{name}" {one}' for one in said]
        assert [line[2:] for line in status.splitlines() if f"workflow '{name}' " in line] == [
            f"workflow '{name}' {one}" for one in said
        ]
        if state != "off":
            assert [one["text"] for one in linted[name]["findings"] if one["level"] != "note"] == said
        shown = minutehand("workflows", "show", name).stdout.splitlines()
        assert shown[0] == f"{name}: {state}"
        assert [f"  ! {one}" in shown for one in said] == [True] * len(said)
    never = sum(state in BROKEN for _, state, _ in WORKFLOWS.values())
    assert len([line for line in status.splitlines() if line.startswith("! workflow ")]) == never


def test_both_pages_and_the_metrics_say_the_same(workflows: App, minutehand: Minutehand, served: Served) -> None:
    listed = {one["name"]: one for one in json.loads(minutehand("workflows", "ls", "-o", "json").stdout)}
    for path, element in (("/", "tr"), ("/workflows", "li")):
        page = served.get(path).text
        for one in listed.values():
            (block,) = re.findall(rf'<{element} data-key="{one["id"]}".*?</{element}>', page, re.DOTALL)
            assert f"</span> {one['state']}</span>" in block, (path, one["name"])
            assert [str(escape(problem)) in block for problem in one["problems"]] == [True] * len(one["problems"])
            for state in BROKEN:
                assert (f"{state}:" in block) == (one["state"] == state)
    never = sum(one["state"] in BROKEN for one in listed.values())
    metrics = served.client.get(served.url + "/metrics", headers={"Authorization": "Bearer a-metrics-token"}).text
    assert parse(metrics)["minutehand_workflows_broken"][()] == never
