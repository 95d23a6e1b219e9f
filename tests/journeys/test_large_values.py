"""A value that is too large to be shown to steps fails the step that uses it, by name, and nothing else (R14, R17)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minutehand.scheduler.demo.receivers import HttpReceiver
from tests.journeys.app import App, Minutehand, email, webhook
from tests.servers import Database

LARGE = "(select string_agg(md5(n::text), '') from generate_series(1, 10000) n)"


@pytest.mark.parametrize(
    "step",
    [
        email(to="ada@example.com", message="{{ job.photo }}"),
        {"type": "condition", "config": {"conditions": [{"field": "photo", "operator": "contains", "value": "x"}]}},
        {"type": "condition", "config": {"conditions": [{"field": "job.photo", "operator": "is_not_empty"}]}},
    ],
    ids=["a template", "a condition", "a condition on a path"],
)
def test_a_step_that_uses_it_fails_by_name(database: Database, minutehand: Minutehand, step: dict[str, Any]) -> None:
    app = App(database)
    database.sql("alter table jobs add photo text")
    app.workflow(step)
    job = app.complete()
    database.sql(f"update jobs set photo = {LARGE}")
    minutehand.run_once()
    status, code, reason = app.end_of(job)
    assert (status, code) == ("failed", "value_too_large")
    assert "job.photo is too large" in str(reason)


def test_a_default_body_leaves_it_out_and_says_so(
    database: Database, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    app = App(database)
    database.sql("alter table jobs add photo text")
    app.workflow(webhook(shop.url))
    app.complete()
    database.sql(f"update jobs set photo = {LARGE}")
    assert minutehand.run_once()["completed"] == 1
    assert "photo" not in json.loads(shop.requests[-1].body)["context"]["job"]
    assert app.execution()["actions_executed"][0]["result"]["left_out"] == ["job.photo"]
