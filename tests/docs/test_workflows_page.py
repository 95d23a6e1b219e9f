"""docs/workflows.md: its examples are run, its tables of operators, templates and filters are those of the code."""

from __future__ import annotations

import json
import re
from typing import Any

from minutehand.executor.dialects import read_steps
from minutehand.executor.templates.operations import OPERATIONS
from minutehand.executor.templates.render import Renderer, renderer_of
from minutehand.executor.templates.tree import TESTS
from tests.docs.pages import blocks, page, rows, section, words
from tests.servers import Database

CONTEXT: dict[str, Any] = {
    "job": {
        "id": "J-1", "title": "Boiler repair", "revenue": 1234.5, "due": "2026-03-29",
        "at": "2026-03-29T08:30:00+00:00", "count": 3, "parts": ["valve", "pump"], "status": "completed",
        "job_type": "repair",
    },
    "client": {"name": "Lakeview Hotel", "email": "hotel@example.com", "phone": None},
    "now": "2026-03-29T08:30:00+00:00",
}  # fmt: skip


def examples(kind: str) -> list[Any]:
    return [json.loads(block) for block in blocks(page("workflows.md"), f"json {kind}")]


def test_every_json_block_of_the_page_is_of_a_kind_that_is_tried() -> None:
    kinds = re.findall(r"^```json(.*)$", page("workflows.md"), flags=re.MULTILINE)
    assert set(kinds) == {" conditions", " steps", " settings"}


def test_the_conditions_of_the_page_are_read_and_hold(database: Database) -> None:
    for conditions in examples("conditions"):
        tree = database.call("automation_evaluate", p_conditions=conditions, p_new=CONTEXT["job"])
        assert tree["held"], tree
        assert "problem" not in json.dumps(tree)


def test_the_edge_cases_of_conditions_are_as_told(database: Database) -> None:
    cases = [row for row in rows(section(page("workflows.md"), "## Conditions")) if row[-1] in ("yes", "no")]
    assert len(cases) > 10
    for field, operator, value, holds in cases:
        leaf = {"field": "x", "operator": words(operator)[0]}
        if value:
            leaf["value"] = json.loads(words(value)[0])
        row = {"x": json.loads(words(field)[0])}
        tree = database.call("automation_evaluate", p_conditions=[leaf], p_new=row)
        assert tree["held"] is (holds == "yes"), tree


def test_every_operator_is_explained(database: Database) -> None:
    table = section(page("workflows.md"), "## Conditions").split("| Operator |")[1].split("\n\n")[0]
    listed = {word for line in table.splitlines() for word in words(line.split("|")[1] if "|" in line else "")}
    problem = database.one("""select minutehand.condition_problem('[{"field": "x", "operator": "?"}]') as said""")[
        "said"
    ]
    assert ", ".join(sorted(listed - {"[]", "{}"})) == ", ".join(sorted(problem.split("known: ")[1].split(", ")))


def test_the_steps_of_the_page_are_read() -> None:
    for steps in examples("steps"):
        assert len(read_steps({"steps": steps})) == len(steps)
    normal, builder = examples("steps")[:2]
    (first, *_), (same,) = read_steps({"steps": normal}), read_steps({"steps": builder})
    assert (first.key, first.type, first.name, set(first.config)) == (same.key, same.type, same.name, set(same.config))


def test_what_templates_write_is_as_told() -> None:
    listed = [row for row in rows(section(page("workflows.md"), "## Templates")) if re.search(r"\{[{%]", row[0])]
    assert len(listed) > 5
    for template, written in listed:
        assert Renderer().render(words(template)[0], CONTEXT) == words(written)[0]


def test_every_filter_and_test_of_templates_is_listed() -> None:
    text = " ".join(page("workflows.md").split())
    filters, tests = re.findall(r"Filters: (.*?)\. Tests \(`is …`\): (.*?)\.", text)[0]
    assert set(words(filters)) == {name for name in OPERATIONS if not name.startswith("*")}
    assert set(words(tests)) == set(TESTS)


def test_the_rate_limits_of_the_page_are_read(database: Database) -> None:
    read = [
        database.one("select n, per::text, delay from minutehand.rate_limit(%s::jsonb)", json.dumps(settings))
        for settings in examples("settings")
        if "rate_limit" in settings
    ]
    assert [(limit["n"], limit["per"], limit["delay"]) for limit in read] == [
        (3, "1 day", True),
        (None, "01:00:00", False),
    ]


def test_the_breakers_of_the_page_are_read(database: Database) -> None:
    read = [
        database.one("select n, per::text from minutehand.breaker_limit(%s::jsonb)", json.dumps(settings))
        for settings in [*examples("settings"), {}]
        if "breaker" in settings or not settings
    ]
    assert [(breaker["n"], breaker["per"]) for breaker in read] == [
        (1000, "00:01:00"), (None, "00:01:00"), (300, "00:01:00"),
    ]  # fmt: skip


def test_settings_unresolved_of_the_page_do_what_they_say() -> None:
    written = [
        renderer_of({"settings": settings}).render("{{ client.phone }}", CONTEXT)
        for settings in examples("settings")
        if "unresolved" in settings
    ]
    assert written == ["", "(unknown)"]
