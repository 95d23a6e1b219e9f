"""Which database it is: the verdict, what the first claim records, and what a copy does not do."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from minutehand.store.project import project_reference
from tests.servers import Database, on_both_servers

A, B = "a" * 20, "b" * 20
#: What a claim recorded, and what stands there now: project, system identifier, oid of the database, oid of the table.
CASES: list[tuple[str, tuple[Any, ...], tuple[Any, ...], str]] = [
    ("nothing differs, no project is known", (None, 1, 10, 100), (None, 1, 10, 100), "same"),
    ("nothing differs, the project is known", (A, 1, 10, 100), (A, 1, 10, 100), "same"),
    ("the project was not known", (None, 1, 10, 100), (A, 1, 10, 100), "same"),
    ("the project is not known now", (A, 1, 10, 100), (None, 1, 10, 100), "same"),
    ("the server may not be asked", (None, None, 10, 100), (None, 1, 10, 100), "same"),
    ("the server may not be asked now", (None, 1, 10, 100), (None, None, 10, 100), "same"),
    ("pg_upgrade", (None, 1, 10, 100), (None, 2, 10, 100), "moved"),
    ("pg_upgrade of a project", (A, 1, 10, 100), (A, 2, 10, 100), "moved"),
    ("a template", (None, 1, 10, 100), (None, 1, 11, 100), "copy"),
    ("a dump on another server", (None, 1, 10, 100), (None, 2, 11, 101), "copy"),
    ("a dump on another server, with the same oid of the database", (None, 1, 10, 100), (None, 2, 10, 101), "copy"),
    ("a dump into the same database", (None, 1, 10, 100), (None, 1, 10, 101), "copy"),
    ("a dump into a project, over an address that names none", (A, 1, 10, 100), (None, 1, 11, 101), "copy"),
    ("a dump of a database into a project", (None, 1, 10, 100), (A, 2, 11, 101), "copy"),
    ("a project restored in place", (A, 1, 10, 100), (A, 1, 10, 101), "restored"),
    ("a project restored into a new database", (A, 1, 10, 100), (A, 2, 11, 101), "restored"),
    ("a branch made by a dump", (A, 1, 10, 100), (B, 2, 11, 101), "copy"),
    ("a branch made of the files", (A, 1, 10, 100), (B, 1, 10, 100), "copy"),
    ("a branch made of the files, on another server", (A, 1, 10, 100), (B, 2, 10, 100), "copy"),
]


@on_both_servers
def test_the_verdict_follows_from_what_differs(database: Database) -> None:
    verdicts = {}
    for what, recorded, now, _ in CASES:
        project, system, oid, table = recorded
        verdicts[what] = database.one(
            "select minutehand.judge_identity("
            "row(true, %s::bigint, %s::bigint, %s::bigint, %s::text, %s::text, 'there',"
            " now(), false, null, null)::minutehand.database_identity, %s::bigint, %s::bigint, %s::bigint) as state",
            *(system, oid, table, project, now[0], *now[1:]),
        )["state"]
    assert verdicts == {what: state for what, _, _, state in CASES}
    nothing = "select minutehand.judge_identity(null::minutehand.database_identity, 1, 10, 100) as state"
    assert database.one(nothing) == {"state": "new"}


@pytest.mark.parametrize(
    ("host", "user", "project"),
    [
        (f"db.{A}.supabase.co", "postgres", A),
        (f"{A}.supabase.co", "", A),
        ("aws-0-eu-central-1.pooler.supabase.com", f"postgres.{A}", A),
        ("aws-0-eu-central-1.pooler.supabase.com", f"minutehand_app.{A}", A),
        ("aws-0-eu-central-1.pooler.supabase.com", "postgres", None),
        ("db.example.com", "postgres", None),
        ("api.example.com", "", None),
        ("127.0.0.1", f"postgres.{A[1:]}", None),
        (f"db.{A}.supabase.co.example.com", "postgres", None),
    ],
)
def test_a_project_is_known_by_an_address_that_names_it(host: str, user: str, project: str | None) -> None:
    assert project_reference(host, user) == project


def state(database: Database) -> Any:
    return database.call("automation_identity")


def claim(database: Database, **caller: Any) -> Any:
    return database.call("automation_claim", p_token=str(uuid.uuid4()), p_caller=caller or None)


def pending(database: Database, **columns: Any) -> str:
    row = {"status": "pending", "created_at": "2020-01-01", **columns}
    marks = ", ".join(["%s"] * len(row))
    query = f"insert into automation_execution_logs ({', '.join(row)}) values ({marks}) returning id::text"
    return str(database.one(query, *row.values())["id"])


@on_both_servers
def test_the_first_claim_records_the_database_and_a_tick_does_not(database: Database) -> None:
    database.call("automation_tick")
    assert state(database)["state"] == "new"
    claim(database, location="db.example.com/shop", project=A)
    (row,) = database.sql("select * from minutehand.database_identity")
    assert row["system_identifier"] is not None, "every role may ask for it"
    assert (row["project"], row["location"]) == (A, "db.example.com/shop")
    claim(database, location="elsewhere")
    assert database.sql("select * from minutehand.database_identity") == [row]
    assert state(database)["state"] == "same"


def test_a_role_that_may_not_ask_for_the_system_identifier_concludes_nothing(database: Database) -> None:
    database.sql("revoke execute on function pg_control_system() from public; create role own_one")
    try:
        database.sql("grant usage on schema minutehand to own_one")
        database.sql("grant execute on function minutehand.system_identifier() to own_one; set role own_one")
        assert database.one("select minutehand.system_identifier() as it") == {"it": None}
    finally:
        database.sql("reset role; grant execute on function pg_control_system() to public")
        database.sql("drop owned by own_one; drop role own_one")


def test_an_address_of_another_project_makes_it_a_copy_and_the_first_one_is_learned(database: Database) -> None:
    claim(database, location="127.0.0.1/shop")
    claim(database, location="db/shop", project=A)
    assert database.one("select project from minutehand.database_identity") == {"project": A}
    pending(database, workflow_id=str(uuid.uuid4()))
    tick = database.call("automation_tick", p_worker={"id": "w", "mode": "worker", "project": B})
    assert (tick["due"], tick["paused"], tick["identity"]["state"]) == (0, True, "copy")
    assert f"the project is {B}, not {A}" in tick["identity"]["reason"]
    assert claim(database, project=B)["ended"] == []
    assert claim(database)["ended"] == [], "also over an address that names none"
    assert len(claim(database, project=A)["ended"]) == 1


def become_a_copy(database: Database) -> None:
    """As of another database, whose row came with a dump."""
    claim(database, location="there/shop")
    database.sql("update minutehand.database_identity set database_oid = database_oid + 1")


def test_nothing_is_claimed_swept_matched_or_pruned_on_a_copy(database: Database) -> None:
    become_a_copy(database)
    token = str(uuid.uuid4())
    due = pending(database)
    pending(database, status="processing", lease_token=token, lease_expires_at="2020-01-02", worker="gone")
    database.sql(
        "insert into automation_events (occurred_at, table_name, operation, types)"
        " values ('2020-01-01', 'jobs', 'UPDATE', '{}')"
    )
    before = database.sql("select to_jsonb(l) as l from automation_execution_logs l order by id")
    for _ in range(2):
        tick = database.call("automation_tick", p_worker={"id": "w", "mode": "worker"}, p_hold_seconds=60)
        assert (tick["due"], tick["to_match"], tick["lost_leases"], tick["held"]) == (0, [], 0, 0)
        assert tick["identity"]["reason"].startswith("this is a copy of there/shop")
        answer = claim(database)
        assert (answer["executions"], answer["ended"], answer["next_seconds"]) == ([], [], None)
        named = database.call("automation_claim", p_token=str(uuid.uuid4()), p_ids=[due])
        assert (named["executions"], named["ended"]) == ([], [])
    assert database.sql("select to_jsonb(l) as l from automation_execution_logs l order by id") == before
    assert database.one("select count(*) as n from automation_events where matched_at is null") == {"n": 1}
    assert database.one("select count(*) as n from automation_workers") == {"n": 1}, "the heartbeat"
    shown = database.call("automation_execution", p_id=due)
    assert "this is a copy of there/shop" in shown["waits_for"]


@pytest.mark.parametrize("mode", ["copy", "test"])
def test_the_database_itself_calls_nobody_from_a_copy(database: Database, mode: str) -> None:
    assert database.one("select minutehand.may_call_out() as may") == {"may": True}
    become_a_copy(database)
    if mode == "test":
        database.call("automation_identify", p_as="test")
    assert database.one("select minutehand.may_call_out() as may") == {"may": False}
    begun = database.one(
        "select (minutehand.direct_begin(l)).status from automation_execution_logs l where id = %s", pending(database)
    )
    assert begun == {"status": "pending"}
    # It returns before it asks for the token, of which there is none.
    database.sql("select minutehand.direct_call('{\"no_claim\": false}', l) from automation_execution_logs l")


def test_a_test_copy_is_claimed_only_by_who_redirects(database: Database) -> None:
    become_a_copy(database)
    answer = database.call(
        "automation_identify", p_as="test", p_email_to="me@example.com", p_caller={"location": "here"}
    )
    assert (answer["was"], answer["changed"]) == ("copy", True)
    database.call("automation_tick")  # it holds what was due
    pending(database, workflow_id=str(uuid.uuid4()))
    for caller in ({}, {"redirects": False}, {"location": "here"}):
        answer = claim(database, **caller)
        assert (answer["ended"], answer["next_seconds"]) == ([], None)
    answer = claim(database, redirects=True)
    assert len(answer["ended"]) == 1
    assert answer["test"] == {"email_to": "me@example.com", "sms_to": None}
    written = database.call(
        "automation_write_record",
        p_execution_id=pending(database),
        p_token=None,
        p_step={},
        p_table="jobs",
        p_operation="create",
    )
    assert written["answer"] == "lost"


def test_production_is_made_a_test_copy_only_on_purpose(database: Database) -> None:
    claim(database)
    with pytest.raises(Exception, match="the database that Minutehand works on"):
        database.call("automation_identify", p_as="test")
    with pytest.raises(Exception, match="unknown kind of database"):
        database.call("automation_identify", p_as="staging")
    assert database.call("automation_identify", p_as="production")["changed"] is False
    database.call("automation_identify", p_as="test", p_confirmed=True, p_actor={"via": "cli", "name": "ann"})
    assert state(database)["state"] == "test"
    audited = database.one("select actor, action, target from automation_audit")
    assert audited == {"actor": {"via": "cli", "name": "ann"}, "action": "identify", "target": "test"}
    assert database.call("automation_identify", p_as="production")["was"] == "test"
    assert state(database)["state"] == "same"


def test_a_move_is_an_alert_and_the_work_goes_on(database: Database) -> None:
    claim(database, location="there/shop")
    database.sql("update minutehand.database_identity set system_identifier = 1")
    pending(database, workflow_id=str(uuid.uuid4()))
    tick = database.call("automation_tick")
    assert (tick["due"], tick["identity"]["state"]) == (1, "moved")
    assert len(claim(database)["ended"]) == 1
    alerts = database.call("automation_alerts_claim", p_token=str(uuid.uuid4()), p_share=0.2, p_age_seconds=600)
    assert [alert["kind"] for alert in alerts] == ["moved"]
    database.call("automation_identify", p_as="production")
    assert state(database)["state"] == "same"


@pytest.mark.parametrize(("skip", "ends"), [(False, ("pending", "restored")), (True, ("skipped", "stale"))])
def test_what_was_due_is_held_and_what_is_due_later_is_not(database: Database, skip: bool, ends: Any) -> None:
    become_a_copy(database)
    due = {
        pending(database): "never begun",
        pending(database, started_at="2020-01-01", scheduled_at="2020-01-03", code="waiting"): "a wait",
        pending(database, started_at="2020-01-01", attempt=2): "a retry",
        pending(
            database, status="processing", lease_token=str(uuid.uuid4()), lease_expires_at="2999-01-01", attempt=1
        ): "in flight",
    }
    later = pending(database, scheduled_at="2999-01-01")
    answer = database.call("automation_identify", p_as="production", p_skip_due=skip)
    assert answer["held"] == 4
    assert claim(database)["executions"] == [], "before a tick has held them, too"
    assert database.call("automation_tick")["held" if skip else "restored"] == 4
    rows = {row["id"]: row for row in database.sql("select id::text, status, code from automation_execution_logs")}
    assert {due[id_]: (rows[id_]["status"], rows[id_]["code"]) for id_ in due} == dict.fromkeys(due.values(), ends)
    assert rows[later]["status"] == "pending"
    assert database.call("automation_tick")["due"] == 0
    released = database.call("automation_release", p_ids=list(due))
    assert released["released"] == 4
    assert database.call("automation_tick")["due"] == 4
    assert json.dumps(released["answers"]).count("released") == 4
