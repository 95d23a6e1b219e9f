"""Partitioned tables: a row that an UPDATE moves is updated, not deleted and created (docs/exact.md, Partitions)."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests import servers
from tests.journeys.app import Minutehand
from tests.servers import Database
from tests.sql.jobs import workflow

pytestmark = servers.on_both_servers

JOBS = """
create table jobs (
  id text, organization_id text, status text, year int, title text, branch text not null default 'b',
  primary key (id, status, year, branch)
) partition by list (status);
create table jobs_open partition of jobs for values in ('open', 'planned');
create table jobs_done partition of jobs for values in ('done') partition by range (year);
create table jobs_done_2026 partition of jobs_done for values from (2026) to (2027);
create table jobs_done_other partition of jobs_done default partition by hash (branch);
create table jobs_done_other_1 partition of jobs_done_other for values with (modulus 2, remainder 0);
create table jobs_done_other_2 partition of jobs_done_other for values with (modulus 2, remainder 1);
insert into jobs select 'J-' || n, 'north', 'open', 2026, 'Boiler' from generate_series(1, 6) n;
"""
TYPES = ("job_created", "job_deleted", "job_updated", "job_status_changed", "job_done", "job_open", "job_planned")
DONE, MOVED = ["job_updated", "job_status_changed", "job_done"], ["job_updated"]


def watched(database: Database, **options: Any) -> None:
    """The partitioned table with six open jobs, watched, and a workflow for each type."""
    database.sql(JOBS)
    database.call("automation_trigger_add", p_table="jobs", **options)
    for type_ in TYPES:
        workflow(database, type_, trigger_type=type_, settings={"rate_limit": None})


def told(database: Database) -> dict[str, list[str]]:
    """Which workflows started, of each row, in the order of the changes; and forget it."""
    rows = database.sql(
        "select l.entity_id, w.name from automation_execution_logs l"
        " join automation_workflows w on w.id = l.workflow_id order by l.event_id"
    )
    database.sql("delete from automation_execution_logs; delete from automation_events")
    ids = dict.fromkeys(row["entity_id"] for row in rows)
    return {
        key: [row["name"] for row in sorted(rows, key=lambda row: TYPES.index(row["name"])) if row["entity_id"] == key]
        for key in ids
    }


CHANGES = [
    ("update jobs set status = 'done' where id = 'J-1'", {"J-1": DONE}),
    ("update jobs set status = 'planned' where id = 'J-1'",
     {"J-1": ["job_updated", "job_status_changed", "job_planned"]}),
    # Another column of a partition key, at each level, and one that changes without a move.
    ("update jobs set status = 'done', year = 2020 where id = 'J-1'", {"J-1": DONE}),
    ("update jobs set year = 2021", {f"J-{n}": MOVED for n in range(1, 7)}),
    ("update jobs set title = 'Roof' where id = 'J-1'", {"J-1": MOVED}),
    # The key changes with the partition.
    ("update jobs set status = 'done', id = 'J-1b' where id = 'J-1'", {"J-1b": DONE}),
    # Real ones.
    ("delete from jobs where id = 'J-1'", {"J-1": ["job_deleted"]}),
    ("insert into jobs values ('J-9', 'north', 'done', 2026)", {"J-9": ["job_created"]}),
    ("truncate jobs", {}),
    # Real ones of the same key in one statement, beside a row that moves.
    ("with gone as (delete from jobs where id = 'J-1' returning *),"
     " moved as (update jobs set status = 'done' where id = 'J-2')"
     " insert into jobs select id, organization_id, 'done', year, title from gone",
     {"J-1": ["job_created", "job_deleted"], "J-2": DONE}),
    # A move, then a real DELETE and INSERT in the same transaction.
    ("update jobs set status = 'done' where id = 'J-1'; delete from jobs where id = 'J-1';"
     " insert into jobs values ('J-1', 'north', 'open', 2026)",
     {"J-1": ["job_created", "job_deleted", *DONE]}),
    # The column changes and the row stays where it is; then it is deleted.
    ("update jobs set year = 2020 where id = 'J-1'; delete from jobs where id = 'J-1'",
     {"J-1": ["job_deleted", "job_updated"]}),
    ("begin; savepoint s; update jobs set status = 'done' where id = 'J-1'; rollback to s;"
     " delete from jobs where id = 'J-1'; insert into jobs values ('J-1', 'north', 'done', 2026); commit",
     {"J-1": ["job_created", "job_deleted"]}),
    ("merge into jobs j using (values ('J-1', 'done'), ('J-2', 'gone'), ('J-7', 'new')) v (id, how) on j.id = v.id"
     " when matched and v.how = 'gone' then delete when matched then update set status = 'done'"
     " when not matched then insert values (v.id, 'north', 'open', 2026)",
     {"J-1": DONE, "J-2": ["job_deleted"], "J-7": ["job_created"]}),
    ("update jobs set status = 'done'", {f"J-{n}": DONE for n in range(1, 7)}),
    ("update jobs_open set status = 'planned' where id = 'J-1'",
     {"J-1": ["job_updated", "job_status_changed", "job_planned"]}),
]  # fmt: skip


def test_a_row_that_moves_is_updated_and_nothing_else_is_paired(database: Database) -> None:
    watched(database)
    for change, expected in CHANGES:
        database.sql("set minutehand.quiet = on")
        database.sql("delete from jobs")
        database.sql("insert into jobs select 'J-' || n, 'north', 'open', 2026, 'Boiler' from generate_series(1, 6) n")
        database.sql("reset minutehand.quiet")
        database.sql("delete from automation_events")
        database.sql(change)
        assert told(database) == expected, change


def test_the_event_of_a_move_has_the_row_before_and_after(database: Database) -> None:
    watched(database)
    database.sql("update jobs set status = 'done', year = 2020, id = 'J-1b' where id = 'J-1'")
    event = database.one("select * from automation_events")
    assert (event["operation"], event["entity_id"], event["table_name"]) == ("UPDATE", "J-1b", "jobs")
    assert event["old"] == {"id": "J-1", "status": "open", "year": 2026}
    assert event["new"]["title"] == "Boiler"


def test_triggers_of_the_app_may_move_and_change_other_rows_meanwhile(database: Database) -> None:
    watched(database)
    database.sql(
        "create function follow() returns trigger language plpgsql as $$ begin"
        " update jobs set status = 'done' where id = 'J-' || (substr(old.id, 3)::int + 1) and status = 'open';"
        " return null; end $$;"
        "create trigger a_follow after delete on jobs for each row execute function follow()"
    )
    database.sql("update jobs set status = 'done' where id = 'J-1'")
    assert told(database) == {f"J-{n}": DONE for n in range(1, 7)}


def test_an_insert_that_the_app_lets_not_be_is_no_change_and_harms_nothing(database: Database) -> None:
    watched(database)
    database.sql(
        "create function never() returns trigger language plpgsql as $$ begin return null; end $$;"
        "create trigger never before insert on jobs_done_2026 for each row execute function never()"
    )
    database.sql("set minutehand.quiet = on; insert into jobs select 'X-' || n, 'north', 'open', 2026"
                 " from generate_series(1, 60) n; reset minutehand.quiet")  # fmt: skip
    database.sql("update jobs set status = 'done' where id like 'X-%%' and %s", True)
    database.sql("update jobs set status = 'planned' where id = 'J-1'")
    assert told(database) == {"J-1": ["job_updated", "job_status_changed", "job_planned"]}


def test_partitions_that_come_later_are_covered_or_named(database: Database, minutehand: Minutehand) -> None:
    watched(database)
    database.sql(
        "create table later (like jobs including defaults);"
        "insert into later values ('L-1', 'north', 'late', 2026, null);"
        "alter table jobs attach partition later for values in ('late')"
    )
    assert told(database) == {}
    database.sql("update jobs set status = 'open' where id = 'L-1'")
    assert told(database) == {"L-1": ["job_updated", "job_status_changed", "job_open"]}
    database.sql('alter table jobs_done_2026 disable trigger "!minutehand_capture"')
    database.sql(
        "create table region (like jobs); alter table region add column region text;"
        "create table other (id text primary key, user_id text, status text); create table child () inherits (other)"
    )
    database.sql("alter table jobs add column region text not null default 'a'")
    database.sql("alter table jobs drop constraint jobs_pkey, add primary key (id, status, year, branch, region)")
    database.sql(
        "create table more partition of jobs for values in ('more') partition by list (region);"
        "create table more_a partition of more for values in ('a')"
    )
    database.call("automation_trigger_add", p_table="other")
    said = " ".join(minutehand("doctor").stdout.split())
    assert "public.jobs_done_2026: our trigger is disabled on this partition of public.jobs" in said
    assert "jobs: its partition key has other columns now: a row that moves is told as deleted and created" in said
    assert "public.child inherits from public.other: its own rows start nothing" in said
    database.call("automation_trigger_add", p_table="jobs")
    assert "its partition key has other columns" not in " ".join(minutehand("doctor").stdout.split())


def test_a_partition_alone_is_not_watched(database: Database) -> None:
    database.sql(JOBS)
    for table in ("jobs_open", "jobs_done", "jobs_done_other_1"):
        with pytest.raises(psycopg.Error, match=f"table {table} is a partition of jobs") as caught:
            database.call("automation_trigger_add", p_table=table)
        assert caught.value.diag.message_hint == "Watch the whole table: minutehand trigger add jobs."
    database.call("automation_trigger_add", p_table="jobs")
    assert database.call("automation_trigger_remove", p_table="jobs")["removed"]
    assert (
        database.sql("select tgname from pg_trigger where tgname ~ 'minutehand' and tgrelid = 'jobs'::regclass") == []
    )
