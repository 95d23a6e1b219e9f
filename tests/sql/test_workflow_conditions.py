"""Where a workflow says which changes it wants, and where its steps stand: each place is read, and all must hold."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.servers import Database, on_both_servers
from tests.sql.jobs import fired, match, move, watched_jobs, when, workflow

pytestmark = on_both_servers

DONE = [{"field": "status", "operator": "equals", "value": "Completed"}]
NEVER = [{"field": "status", "operator": "equals", "value": "never"}]
COLUMNS = ("trigger_conditions", "template_config", "workflow_config", "action_config")


@pytest.fixture
def jobs(database: Database) -> Database:
    """Watched jobs, and the columns that the apps' tables of workflows have."""
    watched_jobs(database)
    for column in COLUMNS:
        database.sql(f"alter table automation_workflows add column {column} jsonb")
    database.sql("alter table automation_workflows add column action_type text")
    return database


def trigger(**config: Any) -> dict[str, Any]:
    return {"type": "trigger", "config": {"triggerType": "job_status_changed", **config}}


def flow(*steps: Any) -> dict[str, Any]:
    return {"template_config": {"steps": list(steps)}}


FROM_TO = {"from_status": ["In Progress", "Scheduled"], "to_status": ["completed"]}


#: What a workflow says in all its places, and whether the job's way from scheduled to Completed starts it.
SAYS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"trigger_config": {"conditions": DONE}}, True),
    ({"trigger_config": {"conditions": NEVER}}, False),
    ({"trigger_conditions": DONE}, True),
    ({"trigger_conditions": NEVER}, False),
    ({"trigger_conditions": {"conditions": NEVER, "operator": "AND"}}, False),
    ({"trigger_conditions": {"any": [DONE[0], NEVER[0]]}}, True),
    ({"trigger_conditions": {"status": "Completed"}}, False),  # not an accepted form, and said to be none
    ({"trigger_conditions": {}}, True),
    ({"trigger_conditions": {"conditions": []}}, True),
    ({"trigger_config": {"conditions": DONE}, "trigger_conditions": NEVER}, False),
    ({"trigger_config": {"conditions": NEVER}, "trigger_conditions": DONE}, False),
    ({"trigger_config": {"conditions": DONE}, "trigger_conditions": {"operator": "or", "rules": DONE}}, True),
    ({"trigger_config": FROM_TO}, True),
    ({"trigger_config": {"from_status": "scheduled"}}, True),
    ({"trigger_config": {"from_status": ["paused"], "to_status": []}}, False),
    ({"trigger_config": {"toStatus": ["paused"]}}, False),
    ({"trigger_config": {"fromStatus": ["Scheduled"], "toStatus": ["completed"]}}, True),
    ({"trigger_config": {"from_status": [], "to_status": None}}, True),
    ({"trigger_config": {"conditions": DONE, "to_status": ["paused"]}}, False),
    ({"trigger_config": {"from_status": [7]}}, False),
    ({"trigger_config": {"from_tags": ["vip"]}}, False),
    (flow(trigger(**FROM_TO)), True),
    (flow(trigger(to_status=["paused"])), False),
    (flow(trigger(conditions=NEVER)), False),
    (flow(trigger(conditions=[], from_status=[], to_status=[])), True),
    ({"steps": [trigger(conditions=NEVER), {"type": "stop"}]}, False),
    ({"steps": {"steps": [trigger(conditions=NEVER)]}}, False),
    ({"workflow_config": {"steps": [trigger(conditions=NEVER)]}}, False),
    ({"trigger_config": {"conditions": DONE}, **flow(trigger(**FROM_TO), trigger(conditions=NEVER))}, False),
    (flow({"type": "sms", "config": {"conditions": NEVER}}), True),
]


def test_all_that_a_workflow_says_of_a_change_must_hold(jobs: Database) -> None:
    for number, (columns, _) in enumerate(SAYS):
        workflow(jobs, f"{number:02} {columns}"[:150], **columns)
    move(jobs, "Completed")
    match(jobs)  # what the trigger's budget left, on a busy machine
    assert fired(jobs) == [f"{number:02} {columns}"[:150] for number, (columns, fires) in enumerate(SAYS) if fires]


UNREADABLE: list[tuple[dict[str, Any], str]] = [
    (
        {"trigger_conditions": {"days_overdue": 7}},
        "a condition has one of field, all, any, not or conditions, this",
    ),
    ({"trigger_conditions": Jsonb(7)}, "not a condition: 7"),
    ({"trigger_conditions": [{"field": "x", "operator": "starts_withh"}]}, 'unknown operator "starts_withh"'),
    ({"trigger_config": {"from_status": {"a": 1}}}, "from_status is not a list of statuses"),
    ({"trigger_config": {"to_status": [["x"]]}}, "to_status is not a list of statuses"),
    (flow(trigger(from_tags=["vip"])), "from_tags is not supported: write a condition"),
    (flow(trigger(conditions="x")), 'not a condition: "x"'),
    ({"trigger_config": {"conditions": DONE}, "trigger_conditions": {"rules": [{}]}}, "a condition has one of"),
]


def test_what_cannot_be_read_fires_nothing_and_is_told(jobs: Database) -> None:
    for number, (columns, _) in enumerate(UNREADABLE):
        workflow(jobs, f"{number:02}", **columns)
    move(jobs, "Completed")
    assert fired(jobs) == []
    told = [found["problem"] for found in jobs.call("automation_metrics", p_facts=True)["workflows"]]
    assert [said in problem for problem, (_, said) in zip(told, UNREADABLE, strict=True)] == [True] * len(told), told


PLACES: list[tuple[Any, str | None]] = [
    ({"steps": [{"type": "stop"}]}, None),
    ({"steps": []}, "it has no steps"),
    ({"steps": None}, "it has no steps"),
    ({"steps": [trigger()]}, "it has no steps"),
    ({"steps": 7}, "steps: expected a list, got a number"),
    ({"steps": {"type": "stop"}}, "steps: expected a list, got an object"),
    ({"steps": {"actions": [{"type": "stop"}]}}, None),
    ({"steps": {"action": {"type": "stop"}}}, None),
    ({"steps": [], **flow({"type": "stop"})}, None),
    ({"steps": [], **flow(trigger(), {"type": "stop"})}, None),
    ({"steps": [], **flow(trigger())}, "it has no steps"),
    ({"template_config": [{"type": "stop"}]}, None),
    ({"template_config": {"actions": [{"action_type": "sms"}]}}, None),
    ({"workflow_config": {"steps": [{"type": "stop"}]}}, None),
    ({"workflow_config": {"action": {}, "theme": ["dark"]}}, "it has no steps"),
    ({"action_type": "sms", "action_config": {}}, None),
    ({"action_type": ""}, "it has no steps"),
]


def test_steps_in_any_of_the_four_places_are_steps(database: Database) -> None:
    query = "select minutehand.steps_problem(%s) as said"
    assert [(row, database.one(query, Jsonb(row))["said"]) for row, _ in PLACES] == PLACES


DEEP = "[" * 5_000 + "]" * 5_000
ODD = ["null", "7", '"x"', "[]", "{}", "[7]", '{"steps": 7}', DEEP, f'{{"conditions": {DEEP}}}', str([{}] * 2_000)]


def test_reading_them_never_raises(database: Database) -> None:
    rows = [
        whole
        for column in ("trigger_config", "trigger_conditions", "steps", "template_config", "workflow_config")
        for value in ODD
        for whole in (
            f'{{"{column}": {value}}}',
            f'{{"trigger_config": {{"to_status": "x"}}, "{column}": {{"steps": {value}}}}}',
            f'{{"{column}": [{{"type": "trigger", "config": {{"conditions": {value}, "from_status": {value}}}}}]}}',
        )
    ]
    query = """
        select count(minutehand.steps_problem(row::jsonb)) as steps,
               count(minutehand.condition_problem(minutehand.conditions_of(row::jsonb, 'status'))) as problems
        from unnest(%s::text[]) as row
    """
    assert min(database.one(query, rows).values()) > 10


def test_the_usual_case_is_read_as_it_stands(database: Database) -> None:
    row: dict[str, Any] = {
        "trigger_config": when("status", "done"),
        "steps": [{"type": "stop"}],
        "template_config": {"steps": []},
    }
    read = database.one("select minutehand.conditions_of(%s, 'status') as said", Jsonb(row))["said"]
    assert read == row["trigger_config"]["conditions"]
