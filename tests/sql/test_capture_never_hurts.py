"""The trigger never hurts the app (R8): whatever is wrong with us, its statement commits, and waits once at most."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests import servers
from tests.servers import Database
from tests.sql.jobs import (
    counts,
    events,
    fired,
    match,
    move,
    notices,
    session,
    watched_jobs,
    workflow,
)

pytestmark = servers.on_both_servers

LOGS = "automation_execution_logs"
#: The wait that is allowed is 250 ms, twice where two things are locked; a wait for each change takes 25 s and more.
PATIENCE_SECONDS = 15.0
MANY = 100


@contextmanager
def locked(database: Database, *tables: str) -> Iterator[None]:
    """Another session works on these tables: nobody else may touch them."""
    with session(database, autocommit=False) as other:
        for table in tables:
            other.sql(f"lock table {table} in access exclusive mode")
        yield


def lost(database: Database) -> int:
    """How many changes were counted, but not recorded."""
    count = database.call("automation_metrics")["events"]["lost"]
    assert isinstance(count, int)
    return count


def update_all(database: Database) -> list[str]:
    """Give every job a status in one statement, as the app does; gives the warnings."""
    with notices(database) as heard:
        database.sql("set statement_timeout = '60s'")  # a test that fails should end
        started = time.monotonic()
        database.sql("update jobs set status = 'done'")
        assert time.monotonic() - started < PATIENCE_SECONDS
        database.sql("reset statement_timeout")
    assert database.one("select count(*) as n from jobs where status <> 'done'")["n"] == 0
    return heard


@pytest.mark.parametrize("table", [LOGS, "automation_workflows", "automation_workers"])
def test_a_locked_table_leaves_events_for_the_tick(database: Database, table: str) -> None:
    watched_jobs(database, count=1000)
    workflow(database)
    with locked(database, table):
        assert update_all(database) == []
    assert counts(database) == (1000, 1000, 0)
    while match(database)["matched"]:  # as many as a tick takes at most, or has the time for
        pass
    assert counts(database) == (1000, 0, 1000)
    assert lost(database) == 0


def test_a_locked_events_table_costs_the_events_and_says_so(database: Database) -> None:
    watched_jobs(database, count=1000)
    workflow(database)
    with locked(database, "automation_events"):
        heard = update_all(database)
    assert len(heard) == 1
    assert "a change of public.jobs was not recorded" in heard[0]
    assert counts(database) == (0, 0, 0)
    assert lost(database) == 1000
    move(database, "new")
    assert counts(database) == (1, 0, 1)  # the next transaction is whole again


def test_with_everything_locked_the_app_still_saves(database: Database) -> None:
    watched_jobs(database, count=1000)
    workflow(database)
    with session(database, autocommit=False) as other:
        other.sql(f"lock table automation_events, {LOGS}, automation_workflows in access exclusive mode")
        other.sql("alter sequence minutehand.lost_events restart")
        assert len(update_all(database)) == 1
    assert counts(database) == (0, 0, 0)


def test_later_statements_of_a_transaction_do_not_wait_again(database: Database) -> None:
    watched_jobs(database, count=MANY)
    workflow(database)
    for table in ("automation_events", LOGS):
        with locked(database, table), session(database, autocommit=False) as app:
            started = time.monotonic()
            for number in range(1, MANY + 1):
                move(app, f"{table} {number}", f"J-{number}")
            app.connection.commit()
            assert time.monotonic() - started < PATIENCE_SECONDS
    assert counts(database) == (MANY, MANY, 0)
    assert lost(database) == MANY


@pytest.mark.parametrize(
    ("harm", "mend"),
    [
        (f"alter table {LOGS} rename to moved", f"alter table moved rename to {LOGS}"),
        ("alter table automation_workflows rename to moved", "alter table moved rename to automation_workflows"),
        (f"alter table {LOGS} rename chain_depth to moved", f"alter table {LOGS} rename moved to chain_depth"),
        (
            "alter function minutehand.rate_limited_until rename to moved",
            "alter function minutehand.moved rename to rate_limited_until",
        ),
        ("alter table automation_workers rename to moved", "alter table moved rename to automation_workers"),
    ],
    ids=["logs renamed", "workflows renamed", "column missing", "function missing", "workers renamed"],
)
def test_a_half_migrated_schema_leaves_events_for_the_tick(database: Database, harm: str, mend: str) -> None:
    watched_jobs(database, count=3)
    workflow(database)
    move(database, "warm")  # plans that were made before are no better
    database.sql(harm)
    update_all(database)
    assert counts_of_events(database) == (4, 3)
    for _ in range(12):  # however long it lasts, they are not given up
        match(database, "2030-01-01T00:00:00Z")
        database.sql("update automation_events set match_after = null")
    database.sql(mend)
    assert match(database) == {"matched": 3, "executions": 3, "set_aside": 0}
    assert lost(database) == 0


def counts_of_events(database: Database) -> tuple[int, int]:
    """Events, and those not matched yet."""
    unmatched = [event for event in events(database) if event["matched_at"] is None]
    assert all(event["error"] for event in unmatched)
    return len(events(database)), len(unmatched)


@pytest.mark.parametrize(
    "harm",
    [
        "alter table automation_events rename to moved",
        "alter table automation_events drop column cause",
        "drop function minutehand.capture",
        "drop function minutehand.table_name cascade",
        "drop function minutehand.current_cause",
    ],
)
def test_an_event_that_cannot_be_written_is_counted(database: Database, harm: str) -> None:
    watched_jobs(database, count=3)
    database.sql(harm)
    heard = update_all(database)
    assert len(heard) == 1  # not one for each row
    assert database.one("select last_value as n, is_called from minutehand.lost_events") == {"n": 3, "is_called": True}


def test_not_even_the_whole_schema_missing_stops_a_save(database: Database) -> None:
    watched_jobs(database, count=3)
    database.sql("alter schema minutehand rename to elsewhere")
    assert len(update_all(database)) == 1


def test_a_value_that_does_not_convert_costs_its_own_event_alone(database: Database) -> None:
    watched_jobs(database, count=3)
    database.sql(r"""update jobs set notes = '"\u0000"', title = 'Roof' where id = 'J-2'""")
    assert lost(database) == 1
    database.sql("update jobs set status = 'done'")
    assert [event["entity_id"] for event in events(database)] == ["J-1", "J-3"]
    assert lost(database) == 2


def test_the_apps_own_timeout_still_works(database: Database) -> None:
    watched_jobs(database, count=1000)
    with locked(database, "automation_events"):
        database.sql("set statement_timeout = '50ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            database.sql("update jobs set status = 'done'")
        database.sql("reset statement_timeout")
    assert database.sql("show lock_timeout") == [{"lock_timeout": "0"}]
    assert database.one("select count(*) as n from jobs where status = 'done'")["n"] == 0


@pytest.mark.parametrize(
    "statement",
    [
        "insert into jobs (id, status) values ('J-1', 'done') on conflict (id) do update set status = excluded.status",
        "insert into jobs (id) values ('J-1'), ('J-7') on conflict do nothing",
        "do $$ begin update jobs set status = 'done'; exception when others then raise notice 'caught'; end $$",
        "with m as (update jobs set status = 'done' returning id) insert into jobs (id) select id || 'x' from m",
        "delete from jobs",
        "update jobs set id = id || 'x'",
    ],
)
def test_a_failing_trigger_aborts_no_statement(database: Database, statement: str) -> None:
    watched_jobs(database, count=3)
    database.sql("drop table automation_events cascade")
    with notices(database) as heard:
        database.sql(statement)
    assert [line for line in heard if "caught" in line] == []
    before = {("J-1", "scheduled"), ("J-2", "scheduled"), ("J-3", "scheduled")}
    assert {(row["id"], row["status"]) for row in database.sql("select id, status from jobs")} != before
    with database.connection.cursor() as cursor, cursor.copy("copy jobs (id) from stdin") as copy:
        for number in range(50):
            copy.write_row((f"K-{number}",))
    assert database.one("select count(*) as n from jobs where id like 'K-%%'")["n"] == 50


@contextmanager
def role(database: Database) -> Iterator[Database]:
    """A session of a role that may change jobs, and nothing else."""
    name = database.one("select 'app_' || current_database() as name")["name"]
    database.sql(f"create role {name}; grant select, insert, update, delete on jobs to {name}")
    try:
        with session(database) as app:
            app.sql(f"set role {name}")
            yield app
    finally:
        database.sql(f"drop owned by {name}; drop role {name}")


def test_a_role_without_any_right_on_our_tables_is_recorded_and_matched(database: Database) -> None:
    watched_jobs(database)
    workflow(database)
    with role(database) as app, notices(app) as heard:
        move(app, "done")
        app.sql("insert into jobs (id, organization_id) values ('J-2', 'north')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.sql("select * from automation_events")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.sql("select minutehand.current_cause()")
    assert heard == []
    assert fired(database) == ["tell"]
    assert len(events(database)) == 2


@pytest.mark.parametrize("name", ["jsonb", "text", "uuid", "timestamptz", "text[]", "regclass"])
def test_a_roles_own_type_is_not_mistaken_for_ours(database: Database, name: str) -> None:
    watched_jobs(database)
    workflow(database)
    # The test's own clock is open to it.
    database.sql(
        "create or replace function minutehand.clock() returns timestamptz language sql stable as 'select now()'"
    )
    with role(database) as app, notices(app) as heard:
        database.sql("grant create on schema public to public; grant temporary on database " + database_name(database))
        plain = name.removesuffix("[]")
        app.sql(
            "create function public.seize(value anyelement) returns boolean language plpgsql as"
            " $$ begin raise warning 'runs as %', current_user; return true; end $$"
        )
        app.sql(f"create domain pg_temp.{plain} as pg_catalog.{plain} check (public.seize(value))")
        move(app, "done")
    assert heard == []
    assert fired(database) == ["tell"]


@pytest.mark.parametrize("name", ["jsonb", "text", "uuid", "timestamptz"])
def test_nor_where_the_role_saves_a_workflow_or_writes_a_users_row(database: Database, name: str) -> None:
    database.sql(
        "create or replace function minutehand.clock() returns timestamptz language sql stable as 'select now()';"
        "create or replace function minutehand.match_budget() returns interval language sql as"
        " $$ select interval '9 s' $$;"
        "create table profiles (id text primary key, organization_id text);"
        "insert into profiles values ('ann', 'north');"
        "create table jobs (id text primary key, user_id text, status text);"
        "insert into jobs values ('J-1', 'ann', 'new')"
    )
    database.call("automation_trigger_add", p_table="jobs")
    workflow(database, user_id="ann")
    with role(database) as app, notices(app) as heard:
        database.sql("grant create on schema public to public; grant temporary on database " + database_name(database))
        database.sql("grant select, insert, update on automation_workflows to public")
        database.sql("alter table automation_workflows disable row level security")
        app.sql(
            "create function public.seize(value anyelement) returns boolean language plpgsql as"
            " $$ begin raise warning 'runs as %', current_user; return true; end $$"
        )
        app.sql(f"create domain pg_temp.{name} as pg_catalog.{name} check (public.seize(value))")
        app.sql("update jobs set status = 'done'")
        app.sql(
            "insert into automation_workflows (name, organization_id, trigger_type, steps, trigger_config) values"
            " ('theirs', 'north', 'job_done', '[{\"type\": \"stop\"}]', '{\"conditions\": [{\"field\": \"status\"}]}')"
        )
        app.sql("update automation_workflows set name = 'renamed' where name = 'theirs'")
    assert [line for line in heard if "runs as postgres" in line] == []
    assert fired(database) == ["tell"]


def database_name(database: Database) -> str:
    """The database's name, ending a GRANT."""
    return str(database.one("select current_database() || ' to public' as name")["name"])
