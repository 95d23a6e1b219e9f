"""automation_explain beside its situations (tests/journeys/test_explain.py): bad input, bounds, tenants, its cost."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import executions, move, watched_jobs, workflow

pytestmark = servers.on_both_servers


def explain(database: Database, text: str, limit: int = 50, **subject: Any) -> Any:
    return database.call("automation_explain", p_subject={"text": text, **subject}, p_limit=limit)


def codes(answer: Any) -> list[str | None]:
    return [one["code"] for one in answer["answers"]]


@pytest.mark.parametrize(
    ("subject", "sqlstate", "words"),
    [
        ({"text": ""}, "MH400", "nothing to explain"),
        ({"text": "  \u200b"}, "MH400", "nothing to explain"),
        ({"text": "event:"}, "MH400", "nothing to explain"),
        ({"text": "x" * 10_000}, "MH400", "longer than 500 characters"),
        ({"text": "J-1", "table": "nowhere"}, "MH404", "no table nowhere"),
        ({"text": "J-1", "workflow": "nobody's"}, "MH404", "none of that name was deleted"),
        ({"text": "J-1", "since": "yesterday evening"}, "22007", "yesterday evening"),
        ({"text": "J-1", "table": "x'; drop table jobs; --"}, "MH404", "no table"),
    ],
)
def test_bad_input_is_refused_by_name(database: Database, subject: Any, sqlstate: str, words: str) -> None:
    watched_jobs(database)
    with pytest.raises(psycopg.Error, match=words) as caught:
        database.call("automation_explain", p_subject=subject)
    assert caught.value.sqlstate == sqlstate


@pytest.mark.parametrize(
    "text", ["'", "%", "\\", "null", "event:99999999999999999999", "execution:zz", "00000000", "a@", "+"]
)
def test_nonsense_is_unknown_here(database: Database, text: str) -> None:
    watched_jobs(database)
    answer = explain(database, text)
    assert codes(answer) == ["unknown_here"]
    assert f'in the database "{answer["database"]}"; watched tables: jobs' in answer["answers"][0]["reason"]


def test_two_tables_with_one_id_are_both_named(database: Database) -> None:
    watched_jobs(database)
    database.sql("create table invoices (id text primary key, organization_id text, status text)")
    database.call("automation_trigger_add", p_table="invoices")
    database.sql("insert into invoices values ('J-1', 'north', 'open')")
    workflow(database)
    move(database, "done")
    with pytest.raises(psycopg.Error, match="several tables have a row J-1: invoices, jobs") as caught:
        explain(database, "J-1")
    assert (caught.value.sqlstate, caught.value.diag.message_hint) == (
        "MH409",
        "Name the table: minutehand explain --table invoices J-1",
    )
    assert explain(database, "J-1", table="jobs")["answers"][0]["fired"] is True
    assert explain(database, "J-1", table="public.invoices")["subject"]["table"] == "invoices"


def test_another_tenants_subject_is_as_unknown_as_nobodys(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    move(database, "done")
    (one,) = executions(database)
    for text in ("J-1", str(one["id"]), str(one["id"])[:13], f"event:{one['event_id']}", "row:J-1"):
        mine = explain(database, text, tenant="north")
        theirs = explain(database, text, tenant="south")
        nobodys = explain(database, "J-9999", tenant="south")
        assert mine["answers"][0]["workflow"] == "tell"
        assert codes(theirs) == ["unknown_here"]
        assert theirs["answers"][0]["reason"] == nobodys["answers"][0]["reason"].replace(
            "J-9999", theirs["subject"]["text"]
        )
        assert "jobs" not in str(theirs["answers"])


def test_a_tenant_sees_no_workflow_of_another(database: Database) -> None:
    watched_jobs(database)
    workflow(database, "theirs", organization_id="south")
    move(database, "done")
    assert "theirs" in str(explain(database, "J-1"))
    assert "theirs" not in str(explain(database, "J-1", tenant="north"))
    with pytest.raises(psycopg.Error, match="there is no workflow"):
        explain(database, "J-1", tenant="north", workflow="theirs")


def test_what_is_left_out_is_counted(database: Database) -> None:
    watched_jobs(database)
    for number in range(9):
        workflow(database, f"w{number}", settings={"rate_limit": None})
    for number in range(25):
        move(database, f"s{number}")
    answer = explain(database, "J-1", 20)
    assert (len(answer["answers"]), answer["more_changes"]) == (20, True)
    assert answer["more"] > 0
    newest = [one["event_id"] for one in answer["answers"]]
    assert newest == sorted(newest, reverse=True)


def test_an_answer_costs_the_same_beside_many_changes(database: Database) -> None:
    watched_jobs(database)
    for number in range(20):
        workflow(database, f"w{number}")
    database.sql(
        "insert into automation_events"
        " (occurred_at, table_name, operation, types, entity_id, organization_id, new, matched_at)"
        " select now(), 'jobs', 'INSERT', '{job_created}', 'X-' || n, 'north', '{}', now()"
        " from generate_series(1, 100000) n"
    )
    database.sql(
        "insert into automation_execution_logs (workflow_id, status, entity_id, organization_id, created_at)"
        " select gen_random_uuid(), 'completed', 'X-' || n, 'north', now() from generate_series(1, 100000) n"
    )
    move(database, "done")
    database.sql("vacuum analyze automation_events, automation_execution_logs")
    explain(database, "J-1")
    started = time.monotonic()
    for text in ("J-1", "event:100001", "nobody@example.com", "J-nobody"):
        explain(database, text)
    assert time.monotonic() - started < 8
    plan = database.sql(
        "explain select from automation_events e where e.entity_id = 'J-1' and e.table_name = 'jobs'"
        " order by e.id desc limit 21"
    )
    assert "automation_events_entity" in str(plan)
