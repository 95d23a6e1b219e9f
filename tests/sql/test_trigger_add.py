"""automation_trigger_add, _remove and automation_triggers: which tables are watched, and how."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import TABLE, events, move, session, watched_jobs

pytestmark = servers.on_both_servers


def add(database: Database, table: str, **options: Any) -> Any:
    """Watch a table."""
    return database.call("automation_trigger_add", p_table=table, **options)


def refused(database: Database, table: str, **options: Any) -> tuple[str | None, str]:
    """The SQLSTATE and the words with which it is refused."""
    with pytest.raises(psycopg.Error) as caught:
        add(database, table, **options)
    assert caught.value.diag.message_hint
    return caught.value.sqlstate, caught.value.diag.message_primary or ""


def test_what_is_not_said_has_defaults(database: Database) -> None:
    database.sql(TABLE)
    entry = {
        "table": "jobs",
        "enabled": True,
        "id": "id",
        "type": "job",
        "status": "status",
        "tenant": "organization_id",
        "user": "user_id",
        "exclude": [],
        "links": {},
        "writable": False,
    }
    assert add(database, "jobs") == entry
    assert database.call("automation_triggers") == [entry]


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ("jobs", "job"),
        ("properties", "property"),
        ("companies", "company"),
        ("addresses", "address"),
        ("job_statuses", "job_status"),
        ("status", "status"),
        ("bonuses", "bonus"),
        ("boxes", "box"),
        ("branches", "branch"),
        ("invoices", "invoice"),
        ("expenses", "expense"),
        ("purchases", "purchase"),
        ("warehouses", "warehouse"),
        ("movies", "movy"),  # what it gets wrong, --type says
        ("analysis", "analysis"),
        ("staff", "staff"),
        ("Visits", "visit"),
    ],
)
def test_the_type_is_the_tables_name_in_the_singular(database: Database, table: str, kind: str) -> None:
    assert database.one("select minutehand.singular(lower(%s)) as kind", table)["kind"] == kind


@pytest.mark.parametrize(
    ("columns", "rows", "tenant"),
    [
        ("organization_id text, user_id text", "", "organization_id"),
        ("organization_id text, user_id text", "(1, 'north', 'u-1')", "organization_id"),
        ("organization_id text, user_id text", "(1, null, 'u-1')", "user_id"),
        ("organization_id text, user_id text", "(1, null, 'u-1'), (2, 'north', 'u-1')", "organization_id"),
        ("user_id text", "(1, 'u-1')", "user_id"),
        ("organization_id text", "(1, null)", "organization_id"),
    ],
)
def test_the_tenant_is_the_organization_where_rows_have_one(
    database: Database, columns: str, rows: str, tenant: str
) -> None:
    database.sql(f"create table jobs (id int primary key, {columns})")
    if rows:
        database.sql(f"insert into jobs values {rows}")
    assert add(database, "jobs")["tenant"] == tenant


def test_an_organization_that_only_the_newest_rows_have_is_found(database: Database) -> None:
    database.sql("create table jobs (id int primary key, organization_id text, user_id text)")
    database.sql("insert into jobs select i, null, 'u-1' from generate_series(1, 5000) i")
    database.sql("insert into jobs values (5001, 'north', 'u-1')")
    assert add(database, "jobs")["tenant"] == "organization_id"


def test_a_table_without_tenant_needs_a_word(database: Database) -> None:
    database.sql("create table jobs (id int primary key, account text)")
    state, message = refused(database, "jobs")
    assert (state, message) == ("MH400", "table public.jobs has neither organization_id nor user_id")
    assert add(database, "jobs", p_tenant="account")["tenant"] == "account"
    assert add(database, "jobs", p_tenant="none")["tenant"] is None


def test_adding_again_changes_the_settings(database: Database) -> None:
    watched_jobs(database)
    add(database, "jobs", p_type="task", p_exclude=["search"], p_links={"user_id": "jobs"}, p_writable=True)
    (entry,) = database.call("automation_triggers")
    assert {name: entry[name] for name in ("type", "exclude", "links", "writable")} == {
        "type": "task",
        "exclude": ["search"],
        "links": {"user_id": "jobs"},
        "writable": True,
    }
    move(database, "done")
    assert [event["types"][0] for event in events(database)] == ["task_updated"]


def test_adding_the_same_again_touches_nothing(database: Database) -> None:
    watched_jobs(database)
    with session(database, autocommit=False) as app:
        move(app, "done")  # holds the table against any change of it
        assert add(database, "jobs")["enabled"]
        app.connection.commit()


def test_adding_enables_a_disabled_one(database: Database) -> None:
    watched_jobs(database)
    database.sql('alter table jobs disable trigger "!minutehand_capture"')
    assert not database.call("automation_triggers")[0]["enabled"]
    add(database, "jobs")
    assert database.call("automation_triggers")[0]["enabled"]
    move(database, "done")
    assert len(events(database)) == 1


def test_a_table_in_use_is_not_waited_for_long(database: Database) -> None:
    watched_jobs(database)
    with session(database, autocommit=False) as app, session(database) as operator, ThreadPoolExecutor(1) as thread:
        move(app, "done")
        started = time.monotonic()
        adding = thread.submit(add, operator, "jobs", p_type="task")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            adding.result(timeout=60)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            database.call("automation_trigger_remove", p_table="jobs")
        assert time.monotonic() - started < 45


@pytest.mark.parametrize(
    "name", ["Field.Visits", '"Field"."Visits"', "public.Visits", '"Visits"', "Visits", "odd name", "o'clock"]
)
def test_tables_are_named_as_they_stand(database: Database, name: str) -> None:
    database.sql(
        'create schema "Field"; create table "Field"."Visits" (id int primary key, user_id text);'
        'create table "Visits" (id int primary key, user_id text);'
        'create table "odd name" (id int primary key, user_id text);'
        'create table "o\'clock" (id int primary key, user_id text);'
    )
    plain = name.replace('"', "").removeprefix("public.")
    assert add(database, name)["table"] == plain
    assert [entry["table"] for entry in database.call("automation_triggers")] == [plain]


@pytest.mark.parametrize(
    ("table", "options", "expected"),
    [
        ("nothing", {}, ("MH404", "there is no table nothing")),
        ("JOBS", {}, ("MH404", "there is no table JOBS")),
        ("pg_catalog.pg_class", {}, ("MH404", "there is no table pg_catalog.pg_class")),
        ("open_jobs", {}, ("MH400", "open_jobs is not a table but a view or a foreign table")),
        ("automation_events", {}, ("MH400", "automation_events is one of Minutehand's own tables")),
        ("communication_logs", {}, ("MH400", "communication_logs is one of Minutehand's own tables")),
        ("minutehand.adopted", {"p_tenant": "none", "p_id": "table_name"}, None),
        ("jobs", {"p_id": "number"}, ("MH404", "table public.jobs has no column number")),
        ("jobs", {"p_status": "state"}, ("MH404", "table public.jobs has no column state")),
        ("jobs", {"p_tenant": "account"}, ("MH404", "table public.jobs has no column account")),
        ("jobs", {"p_exclude": ["title", "gone"]}, ("MH404", "table public.jobs has no column gone")),
        ("jobs", {"p_links": {"client": "clients"}}, ("MH404", "table public.jobs has no column client")),
    ],
)
def test_what_cannot_be_watched_is_refused_by_name(
    database: Database, table: str, options: dict[str, Any], expected: tuple[str, str] | None
) -> None:
    database.sql(TABLE)
    database.sql("create view open_jobs as select * from jobs")
    answer = refused(database, table, **options)
    assert answer == (expected or ("MH400", "minutehand.adopted is one of Minutehand's own tables"))
    assert database.call("automation_triggers") == []


def test_an_apps_table_in_another_schema_may_have_a_name_like_ours(database: Database) -> None:
    database.sql("create schema app; create table app.automation_notes (id int primary key, user_id text)")
    assert add(database, "app.automation_notes")["type"] == "automation_note"


def test_a_removed_table_is_watched_no_more(database: Database) -> None:
    watched_jobs(database)
    assert database.call("automation_trigger_remove", p_table="jobs") == {"table": "jobs", "removed": True}
    assert database.call("automation_trigger_remove", p_table="jobs") == {"table": "jobs", "removed": False}
    move(database, "done")
    assert events(database) == database.call("automation_triggers") == []
    with pytest.raises(psycopg.Error) as caught:
        database.call("automation_trigger_remove", p_table="nothing")
    assert caught.value.sqlstate == "MH404"


def test_a_partitioned_table_can_be_changed_and_removed(database: Database) -> None:
    database.sql(
        "create table visits (id int primary key, user_id text) partition by range (id);"
        "create table visits_1 partition of visits for values from (1) to (10);"
    )
    add(database, "visits")
    add(database, "visits", p_type="call")
    database.sql("insert into visits values (1, 'u-1')")
    assert [event["types"] for event in events(database)] == [["call_created"]]
    assert database.call("automation_trigger_remove", p_table="visits")["removed"]
    database.sql("insert into visits values (2, 'u-1')")
    assert len(events(database)) == 1


def test_a_renamed_table_is_still_watched(database: Database) -> None:
    watched_jobs(database)
    database.sql("alter table jobs rename to tasks")
    database.sql("update tasks set status = 'done'")
    assert [entry["table"] for entry in database.call("automation_triggers")] == ["tasks"]
    assert [(event["table_name"], event["types"][-1]) for event in events(database)] == [("tasks", "job_done")]
