"""docs/time.md: its examples are read, and do what it says."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from minutehand.executor.schedules import schedule_problem
from tests.servers import Database
from tests.sql.jobs import STEPS, watched_jobs

PAGE = (Path(__file__).parents[2] / "docs" / "time.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[Any]:
    """The JSON blocks of this kind."""
    return [json.loads(text) for text in re.findall(rf"```json {kind}\n(.*?)```", PAGE, re.DOTALL)]


def test_each_schedule_of_the_page_fires(database: Database) -> None:
    (configs,) = blocks("schedules")
    for config in configs:
        row = Jsonb({"trigger_type": "schedule", "trigger_config": config})
        form = database.one("select minutehand.schedule_form(%s) as form", row)["form"]
        assert "problem" not in form, form
        assert schedule_problem(form, "Europe/Berlin", datetime(2027, 1, 1, tzinfo=UTC)) is None


def test_each_date_of_the_page_is_read(database: Database) -> None:
    watched_jobs(database)
    database.sql("alter table jobs add starts timestamptz, add due date")
    database.sql("create index on jobs (starts, id); create index on jobs (due, id)")
    (configs,) = blocks("dates")
    for number, config in enumerate(configs):
        row = {"name": f"d{number}", "organization_id": "north", "trigger_type": "date", "trigger_config": config}
        saved = database.call("automation_workflow_save", p_workflow=row | {"steps": STEPS})
        assert (saved["problem"], saved["time"]["problem"], saved["emitted"]) == (None, None, True)


def test_the_workflows_of_the_page_are_saved_and_have_no_problem(database: Database) -> None:
    watched_jobs(database)
    for workflow in blocks("workflow"):
        saved = database.call("automation_workflow_save", p_workflow=workflow)
        assert (saved["problem"], saved["steps_problem"], saved["time"]["problem"]) == (None, None, None)
        assert saved["emitted"]
