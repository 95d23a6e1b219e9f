"""automation_write_record: the one way by which an automation writes the app's rows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claim, foreign, pending, row, success, tick, token, while_open, workflow

pytestmark = on_both_servers

TABLES = """
create table jobs (
  id text primary key, user_id text, organization_id text, status text, revenue numeric check (revenue >= 0),
  tags text[], made_on date, details jsonb, notes text not null default '',
  label text generated always as (id || '!') stored);
insert into jobs (id, user_id, organization_id, status) values
  ('J-1', 'user-1', 'org-1', 'open'), ('J-2', 'user-2', 'org-2', 'open');
create table notes (
  id bigint generated always as identity primary key, user_id text, organization_id text, job_id text, body text);
"""


@pytest.fixture
def app(database: Database) -> Database:
    """An app of two organisations, whose jobs and notes automations may write."""
    database.sql(TABLES)
    for table in ("jobs", "notes"):
        database.call("automation_trigger_add", p_table=table, p_tenant="organization_id", p_writable=True)
    return database


def held(database: Database, **columns: Any) -> tuple[str, str]:
    lease = token()
    columns = {"organization_id": "org-1", "entity_id": "J-1", **columns}
    (one,) = pending(database, workflow(database, organization="org-1"), **columns)
    claim(database, p_token=lease)
    return one, lease


def write(database: Database, who: tuple[str, str], values: Any, **said: Any) -> Any:
    arguments = {"p_step": success("1"), "p_table": "jobs", "p_operation": "update", "p_id": "J-1", **said}
    one, lease = who
    return database.call(
        "automation_write_record", p_execution_id=one, p_token=lease, p_values=values, p_now=NOW, **arguments
    )


def job(database: Database, key: str = "J-1") -> dict[str, Any]:
    return database.one("select * from jobs where id = %s", key)


def test_an_update_writes_the_row_and_the_step_together(app: Database) -> None:
    who = held(app, attempt=3)
    values = {"status": "done", "revenue": "12.50", "tags": ["a", "b"], "made_on": "2030-02-01", "details": {"x": [1]}}
    assert write(app, who, values) == {"answer": "done", "id": "J-1"}
    stored = job(app)
    assert (stored["status"], stored["tags"], stored["details"]) == ("done", ["a", "b"], {"x": [1]})
    assert (str(stored["revenue"]), stored["made_on"].isoformat()) == ("12.50", "2030-02-01")
    assert (row(app, who[0])["actions_executed"], row(app, who[0])["attempt"]) == ([success("1")], 0)


def test_a_repeat_writes_once(app: Database) -> None:
    who = held(app)
    app.sql("alter table notes add n serial")
    values = {"job_id": "J-1", "body": "hello"}
    first = write(app, who, values, p_table="notes", p_operation="create", p_id=None)
    assert first["answer"] == "done"
    again = write(app, who, values, p_table="notes", p_operation="create", p_id=None)
    assert again == {"answer": "already"}
    assert app.one("select count(*) as n from notes")["n"] == 1


def test_a_repeat_that_waits_for_the_first_writes_once(app: Database) -> None:
    who = held(app)
    create = {"p_table": "notes", "p_operation": "create", "p_id": None}
    first, second = while_open(app, *[lambda mine: write(mine, who, {"body": "hello"}, **create)] * 2)
    assert (first["answer"], second["answer"]) == ("done", "already")
    assert app.one("select count(*) as n from notes")["n"] == 1


def test_a_created_row_belongs_to_the_workflows_tenant(app: Database) -> None:
    who = held(app)
    answer = write(app, who, {"job_id": "J-1", "body": "hello"}, p_table="notes", p_operation="create", p_id=None)
    (note,) = app.sql("select * from notes")
    assert answer["id"] == str(note["id"])
    assert (note["organization_id"], note["user_id"], note["body"]) == ("org-1", "user-1", "hello")


def test_without_the_lease_nothing_is_written(app: Database) -> None:
    one, lease = held(app)
    assert write(app, (one, token()), {"status": "done"}) == {"answer": "lost"}
    assert write(app, (token(), lease), {"status": "done"}) == {"answer": "lost"}
    app.call("automation_cancel", p_ids=[one])
    assert write(app, (one, lease), {"status": "done"}) == {"answer": "lost"}
    assert job(app)["status"] == "open"
    app.sql("update automation_execution_logs set lease_token = %s", lease)
    assert write(app, (one, lease), {"status": "done"}) == {"answer": "lost"}


def test_another_tenants_row_is_not_there(app: Database) -> None:
    answer = write(app, held(app), {"status": "done"}, p_id="J-2")
    assert (answer["answer"], answer["code"]) == ("refused", "row_gone")
    assert job(app, "J-2")["status"] == "open"


def test_the_wall_stands_around_the_workflow_whatever_the_execution_says(app: Database) -> None:
    who = held(app)
    app.sql("update automation_execution_logs set organization_id = 'org-2', user_id = 'user-2'")
    assert write(app, who, {"status": "done"}, p_id="J-2")["code"] == "row_gone"
    write(app, who, {"body": "hello"}, p_table="notes", p_operation="create", p_id=None)
    assert app.one("select organization_id from notes")["organization_id"] == "org-1"


def test_a_workflow_without_a_tenant_writes_nothing_where_rows_have_one(app: Database) -> None:
    lease = token()
    one = foreign(app, workflow(app, user=None), {"job_id": "J-1"}, organization_id="org-1", user_id="user-1")
    claim(app, p_token=lease)
    for operation in ("update", "create"):
        answer = write(app, (one, lease), {"status": "done"}, p_operation=operation)
        assert (answer["code"], answer["reason"]) == ("not_writable", "the workflow has no tenant")


def test_an_app_of_one_tenant_has_no_walls(app: Database) -> None:
    app.call("automation_trigger_add", p_table="jobs", p_tenant="none", p_writable=True)
    assert write(app, held(app), {"status": "done"}, p_id="J-2") == {"answer": "done", "id": "J-2"}


@pytest.mark.parametrize(
    "table",
    ["unknown", "plain", "watched", "automation_execution_logs", "automation_workflows", "automation_control",
     "automation_limits", "communication_logs", "auth.users", "public.automation_workflows",
     "pg_catalog.pg_authid", "jobs; drop table jobs", "public.jobs"],
)  # fmt: skip
def test_only_tables_added_as_writable_are_written(app: Database, table: str) -> None:
    app.sql("create table plain (id text primary key, user_id text, status text)")
    app.sql("create table watched (id text primary key, user_id text, status text)")
    app.call("automation_trigger_add", p_table="watched", p_tenant="user_id")
    before = app.sql("select * from automation_workflows")
    who = held(app)
    answer = write(app, who, {"status": "done"}, p_table=table)
    assert (answer["answer"], answer["code"]) == ("refused", "not_writable")
    assert "is not writable for automations" in answer["reason"]
    # A table's name is a workflow's word: no command to paste where it is more than a name, or could not help.
    assert ("trigger add" in answer["reason"]) == (";" not in table and "automation_" not in table)
    assert app.sql("select * from automation_workflows where id <> %s", row(app, who[0])["workflow_id"]) == before


def test_not_even_a_trigger_of_ours_opens_our_own_tables(app: Database) -> None:
    config = '{"id": "id", "type": "log", "tenant": null, "writable": true}'
    app.sql(
        "create trigger minutehand_capture after update on automation_workflows for each row "
        f"execute function automation_capture('{config}')"
    )
    answer = write(app, held(app), {"name": "mine"}, p_table="automation_workflows")
    assert (answer["answer"], answer["code"]) == ("refused", "not_writable")


@pytest.mark.parametrize(
    ("values", "said", "reason"),
    [
        ({"nonsense": 1, "status": "x", "also": 2}, {}, "table jobs has no column also, nonsense"),
        ({"status = 'x' --": 1}, {}, "table jobs has no column status = 'x' --"),
        ({"xmin": 1}, {}, "table jobs has no column xmin"),
        ({}, {}, "values must be an object with at least one column"),
        ([1], {}, "values must be an object with at least one column"),
        ({"status": "x"}, {"p_operation": "delete"}, "unknown operation delete"),
        ({"organization_id": "org-2"}, {}, "the columns that name the tenant cannot be written"),
        ({"user_id": "user-2"}, {"p_operation": "create"}, "the columns that name the tenant cannot be written"),
        ({"id": "J-9"}, {}, "the key of a row cannot be changed"),
    ],
)
def test_what_may_not_be_written_is_refused_with_why(app: Database, values: Any, said: Any, reason: str) -> None:
    who = held(app)
    answer = write(app, who, values, **said)
    assert answer == {"answer": "refused", "code": "not_writable", "reason": reason}
    assert row(app, who[0])["actions_executed"] is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"revenue": "many"}, "invalid input syntax"),
        ({"revenue": -1}, "violates check constraint"),
        ({"notes": None}, "violates not-null constraint"),
        ({"made_on": "2030-02-31"}, "out of range"),
        ({"label": "x"}, "can only be updated to DEFAULT"),
        ({"status": "forbidden"}, "the office says no"),
    ],
)
def test_a_value_that_the_table_refuses_ends_the_step_and_not_the_call(app: Database, values: Any, reason: str) -> None:
    app.sql("""
        create function office() returns trigger language plpgsql as
        $$ begin if new.status = 'forbidden' then raise exception 'the office says no'; end if; return new; end $$;
        create trigger office before update on jobs for each row execute function office();
    """)
    who = held(app)
    answer = write(app, who, values)
    assert (answer["answer"], answer["code"]) == ("refused", "bad_value")
    assert reason in answer["reason"]
    assert row(app, who[0])["actions_executed"] is None
    assert write(app, who, {"status": "done"})["answer"] == "done"


@pytest.mark.parametrize("key", ["J-404", None, "'; drop table jobs; --"])
def test_a_row_that_is_gone_is_told(app: Database, key: str | None) -> None:
    answer = write(app, held(app), {"status": "done"}, p_id=key)
    assert (answer["answer"], answer["code"]) == ("refused", "row_gone")


def test_the_trigger_sees_the_cause_and_later_writes_of_the_session_have_none(app: Database) -> None:
    who = held(app)
    write(app, who, {"status": "done"})
    app.sql("update jobs set status = 'paid' where id = 'J-1'")
    events = app.sql("select cause from automation_events where entity_id = 'J-1' and operation = 'UPDATE' order by id")
    assert [str(event["cause"]) for event in events] == [who[0], "None"]


def test_no_cause_stays_behind_after_a_refusal(app: Database) -> None:
    who = held(app)
    app.sql("begin")
    write(app, who, {"revenue": -1})
    app.sql("update jobs set status = 'paid' where id = 'J-1'")
    app.sql("commit")
    (event,) = app.sql("select cause from automation_events where entity_id = 'J-1' and operation = 'UPDATE'")
    assert event["cause"] is None


def test_a_late_worker_that_waits_for_the_sweep_writes_nothing(app: Database) -> None:
    who = held(app)
    later = NOW.replace(year=2031)
    _, answer = while_open(app, lambda mine: tick(mine, later), lambda mine: write(mine, who, {"status": "done"}))
    assert (answer, job(app)["status"]) == ({"answer": "lost"}, "open")


def test_keys_of_any_type_are_found(app: Database) -> None:
    app.sql("create table orders (id uuid primary key, organization_id text, status char(8))")
    key = token()
    app.sql("insert into orders values (%s, 'org-1', 'open')", key)
    app.call("automation_trigger_add", p_table="orders", p_tenant="organization_id", p_writable=True)
    who = held(app)
    assert write(app, who, {"status": "done"}, p_table="orders", p_id=key.upper()) == {"answer": "done", "id": key}
    answer = write(app, who, {"status": "done"}, p_table="orders", p_id="J-1", p_step=success("2"))
    assert answer["code"] == "bad_value"


def test_the_apps_own_triggers_find_the_apps_names(app: Database) -> None:
    """As apps write them: no schema, no search_path of their own."""
    app.sql("""
        create table clients (id text primary key, jobs_done integer not null default 0);
        create table paths (path text);
        insert into clients values ('J-1');
        create function count_it() returns trigger language plpgsql as $$
        begin
          update clients set jobs_done = jobs_done + 1 where id = new.id::text;
          insert into paths values (current_setting('search_path'));
          return new;
        end $$;
        create trigger count_it before update on jobs for each row execute function count_it();
        create trigger count_note after insert on notes for each row execute function count_it();
    """)
    who = held(app)
    before = app.one("select current_setting('search_path') as path")
    app.sql("begin")
    assert write(app, who, {"status": "done"}) == {"answer": "done", "id": "J-1"}
    create = {"p_table": "notes", "p_operation": "create", "p_id": None, "p_step": success("2")}
    assert write(app, who, {"body": "hello"}, **create)["answer"] == "done"
    assert app.one("select current_setting('search_path') as path") == before
    app.sql("commit")
    assert app.one("select jobs_done from clients where id = 'J-1'") == {"jobs_done": 1}
    assert app.sql("select distinct path from paths") == [{"path": "public, extensions, pg_temp"}]


def test_a_trigger_that_says_no_leaves_the_path_as_it_was(app: Database) -> None:
    app.sql("""
        create function office() returns trigger language plpgsql as
        $$ begin raise exception 'the office says no'; end $$;
        create trigger office before update on jobs for each row execute function office();
    """)
    who = held(app)
    app.sql("begin")
    assert write(app, who, {"status": "done"})["code"] == "bad_value"
    assert "public, extensions" not in app.one("select current_setting('search_path') as path")["path"]
    app.sql("commit")


def test_what_stands_in_the_apps_path_is_not_taken_for_ours(app: Database) -> None:
    """A function of the app's with our statement's names would run with our rights, and could take down the wall."""
    app.sql("""
        create function to_jsonb(jobs) returns jsonb language sql as $$ select '{"organization_id": "org-1"}'::jsonb $$;
        create schema minutehand_app; create table minutehand_app.jobs (id text);
    """)
    assert write(app, held(app), {"status": "done"}, p_id="J-2")["code"] == "row_gone"
    assert job(app, "J-2")["status"] == "open"


@pytest.mark.parametrize("operation", ["update", "create"])
def test_no_workflow_reaches_the_users_of_the_platform(app: Database, operation: str) -> None:
    app.sql("create schema auth; create table auth.users (id text primary key, user_id text, email text)")
    app.sql("insert into auth.users values ('J-1', 'user-1', 'old@example.com')")
    answer = write(app, held(app), {"email": "mine@example.com"}, p_table="auth.users", p_operation=operation)
    assert (answer["answer"], answer["code"]) == ("refused", "not_writable")
    assert app.sql("select email from auth.users") == [{"email": "old@example.com"}]


def test_a_large_table_is_written_by_its_key(app: Database) -> None:
    app.sql("insert into jobs (id, organization_id) select 'K-' || n, 'org-1' from generate_series(1, 20000) n")
    before = scans(app)
    assert write(app, held(app), {"status": "done"}, p_id="K-77")["answer"] == "done"
    assert scans(app) == before


def scans(database: Database) -> int:
    database.sql("select pg_stat_force_next_flush()")
    database.sql("select pg_stat_clear_snapshot()")
    return int(database.one("select seq_scan from pg_stat_user_tables where relname = 'jobs'")["seq_scan"])
