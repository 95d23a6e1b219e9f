"""Each saved definition of a workflow is kept, an execution runs the one it matched, and a save never fails for us."""

from __future__ import annotations

import time

import pytest
from psycopg.types.json import Jsonb

from tests import servers
from tests.servers import Database
from tests.sql.jobs import STEPS, adopt, executions, fired, move, notices, session, watched_jobs, workflow

pytestmark = servers.on_both_servers


def kept(database: Database) -> list[tuple[int, str]]:
    """The versions kept, with the name that each has."""
    rows = database.sql("select version, definition from automation_workflow_versions order by version")
    return [(row["version"], row["definition"]["name"]) for row in rows]


def test_every_saved_definition_is_kept(database: Database) -> None:
    workflow(database, "one")
    database.sql("update automation_workflows set name = 'two'")
    database.sql("update automation_workflows set steps = '[]'")
    assert kept(database) == [(1, "one"), (2, "two"), (3, "two")]
    assert database.one("select version from automation_workflows")["version"] == 3


def test_figures_and_times_are_no_new_version(database: Database) -> None:
    workflow(database, "one")
    database.sql("alter table automation_workflows add execution_count int, add last_triggered_at timestamptz")
    database.sql("update automation_workflows set execution_count = 7, last_triggered_at = now(), updated_at = now()")
    database.sql("update automation_workflows set name = name")
    assert kept(database) == [(1, "one")]


def test_an_app_cannot_set_the_version(database: Database) -> None:
    workflow(database, "one")
    database.sql("update automation_workflows set version = 99")
    database.sql("update automation_workflows set version = 99, name = 'two'")
    assert kept(database) == [(1, "one"), (2, "two")]
    assert database.one("select version from automation_workflows")["version"] == 2


def test_an_upsert_rewrites_no_history(database: Database) -> None:
    made = workflow(database, "one")
    for name in ("two", "three"):
        database.sql(
            "insert into automation_workflows (id, name) values (%s, %s)"
            " on conflict (id) do update set name = excluded.name",
            made,
            name,
        )
    assert kept(database) == [(1, "one"), (2, "two"), (3, "three")]


def test_a_workflow_that_comes_back_goes_on_counting(database: Database) -> None:
    made = workflow(database, "one")
    database.sql("delete from automation_workflows")
    workflow(database, "back", id=made)
    assert kept(database) == [(1, "one"), (2, "back")]


def test_an_execution_has_the_version_that_it_matched(database: Database) -> None:
    watched_jobs(database)
    made = workflow(database, "one", settings={"rate_limit": None})
    move(database, "a")
    database.sql("update automation_workflows set steps = %s, name = 'two'", Jsonb([*STEPS, {"type": "stop"}]))
    move(database, "b")
    assert [row["workflow_version"] for row in executions(database)] == [1, 2]
    claim = database.call("automation_claim", p_token="0189d5f5-0000-7000-8000-000000000001")
    steps = {key: len(found["definition"]["steps"]) for key, found in claim["workflows"].items()}
    assert steps == {f"{made}:1": 1, f"{made}:2": 2}


@pytest.mark.parametrize(
    "harm",
    [
        "drop table automation_workflow_versions",
        "alter table automation_workflow_versions drop column definition",
        "alter table automation_workflow_versions add constraint picky check (false) not valid",
        "drop function minutehand.definition",
        "alter schema minutehand rename to elsewhere",
    ],
)
def test_saving_a_workflow_never_fails_because_of_us(database: Database, harm: str) -> None:
    database.sql("alter table automation_workflows alter id set default gen_random_uuid()")
    workflow(database, "one")
    database.sql(harm)
    with notices(database) as heard:
        workflow(database, "new")
        database.sql("update automation_workflows set name = name || '!'")
    assert heard
    assert all("was not kept" in line for line in heard)
    names = {row["name"] for row in database.sql("select name from automation_workflows")}
    assert names == {"one!", "new!"}


def test_saving_many_workflows_waits_for_us_once(database: Database) -> None:
    for number in range(100):
        workflow(database, f"w{number}")
    with session(database, autocommit=False) as other, notices(database) as heard:
        other.sql("lock table automation_workflow_versions in access exclusive mode")
        started = time.monotonic()
        database.sql("update automation_workflows set steps = '[]'")
        database.sql("insert into automation_workflows (name) values ('new')")
        assert time.monotonic() - started < 15, "250 ms each would be 25 s"
    assert len(heard) == 2  # one for each transaction
    assert database.one("select count(*) as n from automation_workflows where steps = '[]'")["n"] == 101
    assert len(kept(database)) == 100


def test_a_definition_that_could_not_be_kept_still_runs(database: Database) -> None:
    watched_jobs(database)
    workflow(database, "one")
    with session(database, autocommit=False) as other:
        other.sql("lock table automation_workflow_versions in access exclusive mode")
        database.sql("update automation_workflows set name = 'two'")
    move(database, "done")
    claim = database.call("automation_claim", p_token="0189d5f5-0000-7000-8000-000000000001")
    assert [found["name"] for found in claim["workflows"].values()] == ["two"]


ADOPTED = """
create table automation_workflows (
  id uuid primary key default gen_random_uuid(), user_id uuid not null, organization_id uuid not null,
  name text not null, status text, is_active boolean, enabled boolean, trigger_type text, trigger_config json,
  steps json, created_at timestamptz, updated_at timestamptz
);
create table automation_execution_logs (
  id uuid primary key default gen_random_uuid(), workflow_id uuid references automation_workflows, organization_id uuid,
  trigger_type text not null, trigger_data json, status text not null, actions_executed json, error_message text,
  started_at timestamptz, completed_at timestamptz, created_at timestamptz default now()
);
create table jobs (id text primary key, organization_id uuid, user_id uuid, status text);
"""
NORTH = "11111111-1111-4111-8111-111111111111"


def test_an_apps_own_tables_of_uuid_and_json_are_matched_into(empty_database: Database) -> None:
    database = empty_database
    database.sql(ADOPTED)
    database.sql(
        "insert into automation_workflows (user_id, organization_id, name, trigger_type, trigger_config, steps)"
        " values (%s, %s, 'stood before', 'job_done', %s, '[{\"type\": \"stop\"}]')",
        NORTH,
        NORTH,
        '{"conditions": [{"field": "status", "operator": "equals", "value": "done"}]}',
    )
    adopt(database)
    database.sql("insert into jobs values ('J-1', %s, %s, 'new')", NORTH, NORTH)
    database.call("automation_trigger_add", p_table="jobs")
    move(database, "done")
    assert fired(database) == ["stood before"]
    assert executions(database)[0]["workflow_version"] == 1
    assert database.call("automation_enqueue", p_workflow="stood before", p_row="J-1")["status"] == "pending"
    # its row was not touched; a later save is its second version
    assert database.one("select version, updated_at from automation_workflows") == {"version": None, "updated_at": None}
    database.sql("update automation_workflows set name = 'saved again'")
    assert database.one("select version from automation_workflows") == {"version": 2}
    versions = database.sql("select definition ->> 'name' as name from automation_workflow_versions order by version")
    assert [row["name"] for row in versions] == ["stood before", "saved again"]
