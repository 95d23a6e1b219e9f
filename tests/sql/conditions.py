"""What the tests of conditions share: a row with a value of every kind, and the question."""

from __future__ import annotations

from typing import Any

from psycopg.types.json import Jsonb

from tests.servers import Database

ROW: dict[str, Any] = {
    "status": "In Progress",
    "job_type": "HVAC",
    "service": None,
    "title": "100% of the furnace_room",
    "revenue": 450.5,
    "count_text": "10",
    "code": "007",
    "urgent": True,
    "tags": ["VIP", "new", 7],
    "no_tags": [],
    "blank": " \t\n",
    "due": "2026-03-01",
    "made": "2026-03-01T10:00:00+02:00",
    "bad_date": "2026-13-45",
    "address": {"city": "Toronto", "zip": None, "geo": {"lat": 43.7}},
    "no_address": {},
}


def leaf(field: str, operator: str, value: object = None) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def evaluate(database: Database, conditions: object, new: object = ROW, old: object = None, **more: object) -> Any:
    """The tree, after a look that the verdict alone says the same."""
    given = [value if value is None or isinstance(value, Jsonb) else Jsonb(value) for value in (conditions, new, old)]
    named = dict(zip(("p_conditions", "p_new", "p_old"), given, strict=True))
    tree = database.call("automation_evaluate", **named, **more)
    status = more.get("p_status_column", "status")
    assert (
        database.one("select minutehand.conditions_met(%s, %s, %s, %s) as held", *given, status)["held"] is tree["held"]
    )
    return tree


def holds(database: Database, conditions: object, new: object = ROW, old: object = None) -> bool:
    return evaluate(database, conditions, new, old)["held"]
