"""One of the app's rows that cannot be read stops its own execution alone, whoever reads it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.servers import Database, on_both_servers
from tests.sql.jobs import workflow
from tests.sql.queue_rows import token

pytestmark = on_both_servers

#: What makes a row of a table with the columns `id`, `organization_id`, `name` and `notes` unreadable.
UNREADABLE = {
    "json that jsonb refuses": ("json", """'{"a": "\\u0000"}'"""),
    "a text that jsonb cannot hold": ("text", "repeat('x', 270000000)"),
}
READERS = ("automation_context", "automation_advance", "automation_begin_calls", "automation_record_step")


def fill(database: Database, table: str, kind: str = "json that jsonb refuses") -> None:
    """Make jobs J-1 and J-2 with the clients C-1 and C-2; row 1 of the table is unreadable."""
    type_, value = UNREADABLE[kind]
    database.sql(
        f"""
        create table clients (id text primary key, organization_id text, name text, notes {type_});
        create table jobs (
          id text primary key, organization_id text, status text, notes {type_}, client_id text references clients);
        insert into clients select 'C-' || n, 'north', 'Client ' || n from generate_series(1, 2) n;
        insert into jobs (id, organization_id, status, client_id)
        select 'J-' || n, 'north', 'done', 'C-' || n from generate_series(1, 2) n;
        update {table} set notes = {value} where right(id, 1) = '1';
        """
    )
    database.call("automation_trigger_add", p_table="jobs")


def read(database: Database, reader: str) -> dict[str, dict[str, Any]]:
    """Claim an execution for each job and read what they are about, in one call; gives the answers by job."""
    made = workflow(database, organization_id="north")
    lease = token()
    for job in ("J-1", "J-2"):
        database.call("automation_enqueue", p_workflow=made, p_payload={"job": job})
    database.sql(
        "update automation_execution_logs set trigger_data = jsonb_build_object('table_name', 'jobs'),"
        " entity_id = trigger_data #>> '{payload,job}'"
    )
    claim = database.call("automation_claim", p_token=lease)
    jobs = {execution["id"]: execution["entity_id"] for execution in claim["executions"]}
    items = [{"id": one, "token": lease} for one in jobs]
    argument = "p_steps" if reader == "automation_record_step" else "p_items"
    return {jobs[answer["id"]]: answer for answer in database.call(reader, **{argument: items})}


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize("reader", READERS)
def test_an_unreadable_linked_row_is_not_shown_and_stops_nobody(database: Database, reader: str, kind: str) -> None:
    fill(database, "clients", kind)
    answers = read(database, reader)
    assert [answers[job]["stop"] for job in ("J-1", "J-2")] == [None, None]
    assert [answers[job]["row"]["id"] for job in ("J-1", "J-2")] == ["J-1", "J-2"]
    assert (answers["J-1"]["links"], answers["J-2"]["links"]["client"]["name"]) == ({}, "Client 2")
    assert answers["J-1"]["hidden"]["client"]["code"] == "link_unreadable"
    assert answers["J-2"]["hidden"] == {}


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize("reader", READERS)
def test_an_unreadable_row_stops_its_own_execution_alone(database: Database, reader: str, kind: str) -> None:
    fill(database, "jobs", kind)
    answers = read(database, reader)
    assert (answers["J-1"]["held"], answers["J-1"]["row"]) == (True, None)
    assert (answers["J-1"]["stop"]["ended"], answers["J-1"]["stop"]["code"]) == ("failed", "unreadable")
    assert answers["J-1"]["stop"]["reason"].startswith("row J-1 of public.jobs cannot be read")
    assert (answers["J-2"]["stop"], answers["J-2"]["row"]["id"]) == (None, "J-2")


def test_a_view_whose_column_fails_is_one_links_affair(database: Database) -> None:
    fill(database, "jobs")
    database.sql(
        "update jobs set notes = null; create view scores as select id, 1 / (right(id, 1)::int - 1) as n from jobs"
    )
    database.call("automation_trigger_add", p_table="jobs", p_links={"id": "scores"}, p_tenant="none")
    answers = read(database, "automation_context")
    assert answers["J-1"]["hidden"]["id"]["reason"] == "id cannot be read (SQLSTATE 22012)"
    assert answers["J-1"]["links"]["client"]["name"] == "Client 1"
    assert answers["J-2"]["links"]["id"]["n"] == 1


@pytest.mark.parametrize("verb", ["automation_dry_run", "automation_enqueue"])
def test_who_names_an_unreadable_row_is_told(database: Database, verb: str) -> None:
    fill(database, "jobs")
    workflow(database, organization_id="north")
    with pytest.raises(psycopg.Error, match=r"row J-1 of public\.jobs cannot be read") as refused:
        database.call(verb, p_workflow="tell", p_row="J-1")
    assert refused.value.sqlstate == "MH400"
    assert database.call(verb, p_workflow="tell", p_row="J-2")["id" if verb == "automation_enqueue" else "row"]


def test_large_values_are_left_out_where_not_all_could_be_answered(database: Database) -> None:
    fill(database, "jobs")
    database.sql("update jobs set notes = to_json(repeat('x', 200000000)); insert into clients values ('C-3', 'north')")
    database.sql("insert into jobs values ('J-3', 'north', 'done', null, 'C-3')")
    made = workflow(database, organization_id="north")
    lease = token()
    for job in ("J-1", "J-2", "J-3"):
        database.sql(
            "insert into automation_execution_logs (workflow_id, organization_id, trigger_data)"
            " values (%s, 'north', jsonb_build_object('table_name', 'jobs', 'record_id', %s::text))",
            made,
            job,
        )
    claim = database.call("automation_claim", p_token=lease)
    jobs = {execution["id"]: execution["entity_id"] for execution in claim["executions"]}
    answers = database.call("automation_context", p_items=[{"id": one, "token": lease} for one in jobs])
    ends = {jobs[answer["id"]]: (answer["stop"] or {}).get("code") for answer in answers}
    assert ends == {"J-1": None, "J-2": None, "J-3": None}
    hidden = {jobs[answer["id"]]: answer["hidden"] for answer in answers}
    assert hidden["J-1"]["job.notes"]["code"] == "value_too_large"


def test_a_call_whose_note_cannot_be_stored_stops_alone(database: Database) -> None:
    fill(database, "jobs")
    database.sql("update jobs set notes = null")
    database.sql(
        "alter table automation_execution_logs"
        " add constraint no_calls check (entity_id <> 'J-1' or resume_step is null)"
    )
    answers = read(database, "automation_begin_calls")
    assert answers["J-1"]["stop"]["code"] == "unrecordable"
    assert (answers["J-2"]["stop"], answers["J-2"]["called"]) == (None, False)
