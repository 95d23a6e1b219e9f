"""automation_enqueue: a workflow started by hand or from code."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import psycopg
import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import events, executions, session, watched_jobs, workflow

pytestmark = servers.on_both_servers

NOON = "2030-01-01T12:00:00+00:00"


def refused(database: Database, **arguments: Any) -> tuple[str | None, str]:
    """The SQLSTATE and the words with which it is refused; nothing may have been written."""
    with pytest.raises(psycopg.Error) as caught:
        database.call("automation_enqueue", **arguments)
    assert events(database) == executions(database) == []
    assert caught.value.diag.message_hint
    return caught.value.sqlstate, caught.value.diag.message_primary or ""


@pytest.mark.parametrize("by", ["id", "name", "ID"])
def test_a_workflow_is_named_by_its_id_or_name(database: Database, by: str) -> None:
    watched_jobs(database)
    made = workflow(database, "Follow up")
    named = {"id": made, "name": "Follow up", "ID": made.upper()}[by]
    answer = database.call("automation_enqueue", p_workflow=named, p_row="J-1", p_now=NOON)
    (log,) = executions(database)
    assert answer == {
        "id": str(log["id"]),
        "workflow_id": made,
        "workflow": "Follow up",
        "status": "pending",
        "due": NOON,
        "existed": False,
        "dry_run": False,
    }
    assert (log["status"], log["entity_id"]) == ("pending", "J-1")
    assert (log["workflow_version"], log["organization_id"]) == (1, "north")
    assert log["trigger_data"] == {"table_name": "jobs", "operation": "ENQUEUE", "record_id": "J-1"}
    assert events(database)[0]["id"] == log["event_id"]


def test_a_payload_needs_no_row_and_no_watched_table(database: Database) -> None:
    workflow(database, trigger_type="manual")
    payload = {"amount": 7, "nothing": None}
    database.call("automation_enqueue", p_workflow="tell", p_payload=payload)
    (log,) = executions(database)
    assert log["trigger_data"] == {"operation": "ENQUEUE", "payload": payload}
    assert log["entity_id"] is None


def test_what_does_not_exist_is_named(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    assert refused(database, p_workflow="nothing", p_row="J-1") == ("MH404", 'there is no workflow "nothing"')
    assert refused(database, p_workflow="tell", p_row="J-9") == ("MH404", "there is no row J-9 in jobs")
    assert refused(database, p_workflow="tell") == ("MH400", 'nothing to run workflow "tell" on')


def test_a_name_that_several_have_is_refused(database: Database) -> None:
    watched_jobs(database)
    first = workflow(database)
    workflow(database)
    assert refused(database, p_workflow="tell", p_row="J-1") == ("MH409", 'there are 2 workflows named "tell"')
    database.call("automation_enqueue", p_workflow=first, p_row="J-1")
    assert len(executions(database)) == 1


def test_a_row_of_no_watched_table_is_refused(database: Database) -> None:
    workflow(database)
    state, message = refused(database, p_workflow="tell", p_row="J-1")
    assert state == "MH404"
    assert message == 'no watched table has the trigger type "job_status_changed" of workflow "tell"'


def test_another_tenants_row_is_refused(database: Database) -> None:
    watched_jobs(database)
    workflow(database, organization_id="south")
    state, message = refused(database, p_workflow="tell", p_row="J-1")
    assert (state, message) == ("MH400", 'row J-1 of jobs belongs to another tenant than workflow "tell"')


def test_a_users_own_row_is_theirs(database: Database) -> None:
    database.sql(
        "create table notes (id int primary key, user_id text); insert into notes values (1, 'u-1'), (2, 'u-2')"
    )
    database.call("automation_trigger_add", p_table="notes")
    workflow(database, trigger_type="note_created", user_id="u-1", organization_id="north")
    assert refused(database, p_workflow="tell", p_row="2")[0] == "MH400"
    database.call("automation_enqueue", p_workflow="tell", p_row="1")
    assert len(executions(database)) == 1


def test_a_rows_id_is_written_as_the_table_writes_it(database: Database) -> None:
    database.sql("create table visits (id uuid primary key, organization_id text)")
    database.sql("insert into visits values ('6a2f41a3-c54c-4a2b-9d1f-0123456789ab', 'north')")
    database.call("automation_trigger_add", p_table="visits")
    workflow(database, trigger_type="visit_created")
    database.call("automation_enqueue", p_workflow="tell", p_row="6A2F41A3-C54C-4A2B-9D1F-0123456789AB")
    assert executions(database)[0]["entity_id"] == "6a2f41a3-c54c-4a2b-9d1f-0123456789ab"


def test_a_key_makes_it_happen_once(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    workflow(database, "other")
    again = {"p_row": "J-1", "p_key": "k", "p_at": "2030-05-05T00:00:00Z"}
    first = database.call("automation_enqueue", p_workflow="tell", p_now=NOON, **again)
    database.sql("update automation_execution_logs set status = 'completed'")
    second = database.call("automation_enqueue", p_workflow="tell", p_now="2030-06-06T00:00:00Z", **again)
    assert second == first | {"existed": True, "status": "completed"}
    assert not database.call("automation_enqueue", p_workflow="other", **again)["existed"]
    assert not database.call("automation_enqueue", p_workflow="tell", **again | {"p_key": "another"})["existed"]
    assert len(executions(database)) == 3


def test_without_a_key_it_happens_each_time(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    for _ in range(2):
        database.call("automation_enqueue", p_workflow="tell", p_row="J-1")
    assert [row["status"] for row in executions(database)] == ["pending", "pending"]


def test_two_sessions_with_one_key_make_one(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    arguments = {"p_workflow": "tell", "p_row": "J-1", "p_key": "k"}
    with session(database, autocommit=False) as one, session(database) as two, ThreadPoolExecutor(1) as thread:
        first = one.call("automation_enqueue", **arguments)
        second = thread.submit(two.call, "automation_enqueue", **arguments)
        while not database.one("select count(*) as n from pg_locks where not granted")["n"]:
            assert not second.done()
        one.connection.commit()
        assert second.result(timeout=60)["id"] == first["id"]
    assert len(executions(database)) == 1


def test_a_later_time_is_when_it_is_due(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    answer = database.call(
        "automation_enqueue", p_workflow="tell", p_row="J-1", p_at="2030-01-02T00:00:00+00:00", p_now=NOON
    )
    assert answer["due"] == "2030-01-02T00:00:00+00:00"
    assert executions(database)[0]["scheduled_at"] == datetime.fromisoformat("2030-01-02T00:00:00+00:00")
    claim = database.call("automation_claim", p_token="0189d5f5-0000-7000-8000-000000000001", p_now=NOON)
    assert claim["executions"] == []


def test_a_dry_run_writes_nothing_and_refuses_the_same(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    answer = database.call("automation_enqueue", p_workflow="tell", p_row="J-1", p_dry_run=True, p_now=NOON)
    assert (answer["id"], answer["due"], answer["dry_run"], answer["existed"]) == (None, NOON, True, False)
    assert events(database) == executions(database) == []
    assert refused(database, p_workflow="tell", p_row="J-9", p_dry_run=True)[0] == "MH404"
    made = database.call("automation_enqueue", p_workflow="tell", p_row="J-1", p_key="k")
    answer = database.call("automation_enqueue", p_workflow="tell", p_row="J-1", p_key="k", p_dry_run=True)
    assert (answer["id"], answer["existed"]) == (made["id"], True)


def test_the_longest_type_names_the_table(database: Database) -> None:
    watched_jobs(database)
    database.sql("create table job_statuses (id text primary key, organization_id text)")
    database.sql("insert into job_statuses values ('s', 'north')")
    database.call("automation_trigger_add", p_table="job_statuses")
    workflow(database, trigger_type="job_status_created")
    database.call("automation_enqueue", p_workflow="tell", p_row="s")
    assert executions(database)[0]["trigger_data"]["table_name"] == "job_statuses"
