"""A workflow without steps never starts, and everything says so; where its steps seem to be is named."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from minutehand.store import schema
from minutehand.store.errors import BadRequest
from tests.adopted import old_app
from tests.servers import Database, on_both_servers
from tests.sql.jobs import STEPS, executions, fired, match, move, watched_jobs, workflow

pytestmark = on_both_servers

COLUMNS = "add actions jsonb, add nodes jsonb, add workflow_definition jsonb, add automation_steps text, add tags jsonb"
READS = ", which is not read: Minutehand reads steps, template_config, workflow_config and action_type"
OFF = [{"type": "email", "enabled": False}, {"type": "sms", "disabled": True}]
#: Columns of a workflow, and why it has nothing to run.
WITHOUT: dict[str, tuple[dict[str, Any], str]] = {
    "a empty": ({"steps": []}, "it has no steps"),
    "b null": ({"steps": Jsonb(None)}, "it has no steps"),
    "c trigger": ({"steps": [{"type": "trigger", "config": {}}]}, "it has no steps"),
    "d off": ({"steps": OFF}, "all its steps are switched off"),
    "e number": ({"steps": Jsonb(7)}, "steps: expected a list, got a number"),
    "f text": ({"steps": Jsonb("send a mail")}, "steps: expected a list, got text that is not JSON"),
    "g object": (
        {"steps": {"nodes": STEPS}},
        "steps: expected a list, got an object; they seem to be in steps.nodes" + READS,
    ),
    "h actions": ({"steps": [], "actions": STEPS}, "it has no steps; they seem to be in column actions" + READS),
    "i nodes": (
        {"steps": [], "nodes": [{"id": "1"}], "tags": ["vip"]},
        "it has no steps; they seem to be in column nodes" + READS,
    ),
    "j definition": (
        {"steps": [], "workflow_definition": {"flow": STEPS}},
        "it has no steps; they seem to be in column workflow_definition" + READS,
    ),
    "k text column": (
        {"steps": [], "automation_steps": json.dumps(STEPS)},
        "it has no steps; they seem to be in column automation_steps" + READS,
    ),
    "l in its config": (
        {"steps": [], "trigger_config": {"conditions": [], "actions": []}, "tags": ["a"]},
        "it has no steps",
    ),
}


@pytest.fixture
def jobs(database: Database) -> Database:
    """Watched jobs, an app's columns, and these workflows."""
    watched_jobs(database, count=2)
    database.sql(f"alter table automation_workflows {COLUMNS}")
    for name, (columns, _) in WITHOUT.items():
        workflow(database, name, **columns)
    return database


def test_a_workflow_without_steps_never_starts(jobs: Database) -> None:
    workflow(jobs, "with", steps=STEPS)
    for status in ("done", "open", "done"):
        move(jobs, status)
    match(jobs)
    assert fired(jobs) == ["with", "with", "with: rate_limited"]
    jobs.sql("update automation_workflows set steps = %s where name = 'a empty'", Jsonb(STEPS))
    move(jobs, "open", job="J-2")
    match(jobs)
    assert fired(jobs)[3:] == ["a empty", "with"], "it used up no rate limit"


def test_the_verdict_says_why(jobs: Database) -> None:
    known = {one["name"]: one["steps_problem"] for one in jobs.call("automation_metrics", p_facts=True)["workflows"]}
    assert known == {name: problem for name, (_, problem) in WITHOUT.items()}


def test_a_log_that_the_app_inserts_for_one_ends_as_failed_with_the_same_words(jobs: Database) -> None:
    jobs.sql(
        "insert into automation_execution_logs (workflow_id, organization_id, trigger_type, trigger_data, status)"
        " select id, 'north', 'job_status_changed', '{\"job_id\": \"J-1\"}', 'pending' from automation_workflows"
    )
    answer = jobs.call("automation_claim", p_token="6f0f3a5e-5f0f-4a3e-9d5e-3f0f6a5e5f0f", p_limit=100)
    assert answer["executions"] == []
    ended = jobs.sql(
        "select w.name, l.status, l.code, l.reason, l.error_message from automation_execution_logs l"
        " join automation_workflows w on w.id = l.workflow_id order by w.name"
    )
    assert [tuple(one.values()) for one in ended] == [
        (name, "failed", "bad_workflow", problem, problem) for name, (_, problem) in WITHOUT.items()
    ]


def test_enqueue_and_the_dry_run_say_the_same(jobs: Database) -> None:
    with pytest.raises(Exception, match='workflow "h actions" has nothing to run: it has no steps; they seem to be in'):
        jobs.call("automation_enqueue", p_workflow="h actions", p_row="J-1")
    assert executions(jobs) == []
    stops = jobs.call("automation_dry_run", p_workflow="h actions", p_row="J-1")["stops"]
    assert {"code": "bad_workflow", "as_of": "now", "reason": WITHOUT["h actions"][1]} in stops


def test_a_column_that_looks_like_steps_beside_steps_is_named(jobs: Database) -> None:
    workflow(jobs, "both", steps=STEPS, actions=STEPS)
    known = {one["name"]: one["unread"] for one in jobs.call("automation_metrics", p_facts=True)["workflows"]}
    (said,) = known["both"]
    assert said.startswith("the column actions is not read: the steps are those in steps")


#: trigger_data that the app wrote, the row that it is about, and why it cannot be read.
DATA: list[tuple[Any, str | None, str | None]] = [
    ({"job_id": "J-1"}, "J-1", None),
    ('{"job_id": "J-1", "new_status": "done"}', "J-1", None),
    ('"{\\"jobId\\": \\"J-1\\"}"', "J-1", None),
    (None, None, None),
    ([], None, None),
    ("", None, None),
    ("J-1", None, "trigger_data: expected an object, got text that is not JSON"),
    ([{"job_id": "J-1"}], None, "trigger_data: expected an object, got a list"),
    (7, None, "trigger_data: expected an object, got a number"),
]


def test_trigger_data_that_is_stored_as_text_is_read_or_named(database: Database) -> None:
    watched_jobs(database)
    for data, _, _ in DATA:
        made = workflow(database, str(data), trigger_type="manual")
        database.sql(
            "insert into automation_execution_logs (workflow_id, organization_id, trigger_type, trigger_data, status)"
            " values (%s, 'north', 'x', %s, 'pending')",
            made,
            Jsonb(data),
        )
    database.call("automation_claim", p_token="6f0f3a5e-5f0f-4a3e-9d5e-3f0f6a5e5f0f", p_limit=100)
    stored = database.sql(
        "select w.name, l.status, l.code, l.reason, l.entity_id, l.trigger_data from automation_execution_logs l"
        " join automation_workflows w on w.id = l.workflow_id"
    )
    by_name = {one["name"]: one for one in stored}
    for data, entity, problem in DATA:
        one = by_name[str(data)]
        assert (one["entity_id"], one["reason"], one["code"]) == (entity, problem, "unreadable" if problem else None)
        assert one["trigger_data"] == data if problem else isinstance(one["trigger_data"], dict), "nothing is lost"


#: What an app's table lacks, and the statement that the refusal prints.
LACKS = {
    "rename organization_id to org_id": (
        "public.automation_workflows has no organization_id",
        "org_id seems to be its organization_id",
        "alter table public.automation_workflows add column organization_id uuid generated always as (org_id) stored",
    ),
    "rename organization_id to workspace_id": (
        "public.automation_workflows has no organization_id",
        "workspace_id seems to be its organization_id",
        "alter table public.automation_workflows add column organization_id uuid "
        "generated always as (workspace_id) stored",
    ),
    "drop organization_id cascade": (
        "public.automation_workflows has no organization_id",
        "otherwise run: ",
        "alter table public.automation_workflows add column organization_id text",
    ),
    "drop trigger_config, drop steps": (
        "public.automation_workflows has no steps, trigger_config",
        "otherwise run: ",
        "alter table public.automation_workflows add column steps jsonb, add column trigger_config jsonb",
    ),
}


@pytest.mark.parametrize("change", LACKS)
def test_adoption_names_the_columns_that_are_missing_and_what_to_run(empty_database: Database, change: str) -> None:
    old_app(empty_database)
    empty_database.sql('drop policy "members read" on automation_workflows')
    empty_database.sql(f"alter table automation_workflows {change}")
    with pytest.raises(BadRequest) as refusal:
        asyncio.run(schema.migrate(empty_database.url))
    *words, statement = LACKS[change]
    said = str(refusal.value)
    assert [word in said for word in (*words, statement)] == [True] * 3, said
    empty_database.sql(statement)
    assert asyncio.run(schema.migrate(empty_database.url)).applied == ["0008_schema"]


def test_adoption_names_the_columns_of_the_logs(empty_database: Database) -> None:
    old_app(empty_database)
    empty_database.sql("alter table automation_execution_logs drop trigger_type")
    with pytest.raises(
        BadRequest, match=r"run: alter table public\.automation_execution_logs add column trigger_type text"
    ):
        asyncio.run(schema.migrate(empty_database.url))
