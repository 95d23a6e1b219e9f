"""docs/time.md, Waits: its examples are read, and its tables say when a wait is over."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from minutehand.executor.dialects import read_steps
from minutehand.executor.templates.render import Renderer
from tests.contract.acting import acted
from tests.docs.pages import blocks, page, rows, section, words
from tests.servers import Database

WAITS = section(page("time.md"), "## Waits")


def until(now: datetime, zone: str, **config: Any) -> str:
    result = acted("wait", config, now=now, zone=zone)[0].result
    return datetime.fromisoformat(result["until"]).astimezone(ZoneInfo(zone)).isoformat(timespec="minutes")


def test_the_steps_of_the_section_are_read() -> None:
    for steps in blocks(WAITS, "json steps"):
        read = read_steps({"steps": json.loads(steps)})
        assert [(step.type, step.config) for step in read] == [
            (one["type"], one["config"]) for one in json.loads(steps)
        ]


def test_lengths_are_counted_as_told() -> None:
    listed = rows(section(WAITS, "### How long"))
    assert len(listed) > 5
    for began, zone, length, end in listed:
        now = datetime.fromisoformat(words(began)[0]).astimezone(UTC)
        assert until(now, words(zone)[0], **{"for": words(length)[0]}) == words(end)[0]


def test_moments_are_read_as_told() -> None:
    listed = rows(section(WAITS, "### Until when"))
    assert len(listed) > 6
    for column, zone, text, end in listed:
        rendered = words(text)[0]
        if column:
            rendered = Renderer().render(rendered, {"job": {"at": words(column)[0]}})
        assert until(datetime(2026, 3, 1, tzinfo=UTC), words(zone)[0], until=rendered) == words(end)[0]


def test_the_conditions_of_stop_when_are_read(database: Database) -> None:
    (settings,) = [json.loads(block) for block in blocks(WAITS, "json settings") if "stop_when" in block]
    assert database.one("select minutehand.setting_problems(%s::jsonb) as found", json.dumps(settings))["found"] == []
    assert database.one("select minutehand.most_stop_comparisons() as n")["n"] == 1000
    assert re.search(r"more than 1,000 comparisons", WAITS)
