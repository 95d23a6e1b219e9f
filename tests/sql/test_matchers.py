"""What excludes workflows from a change without reading them: it never outlives its row, and costs little.

Costs are counted (calls of functions, rows read, bytes of WAL), not timed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.jobs import counts, fired, match, move, session, watched_jobs, when, workflow

pytestmark = on_both_servers

NEVER = when("title", "something else")
#: What an app may do to the workflows behind the back of our triggers, each of which lets the workflow start.
BEHIND: dict[str, tuple[dict[str, Any], list[str]]] = {
    "its triggers are disabled": (
        {"trigger_config": NEVER},
        ["alter table automation_workflows disable trigger user",
         "update automation_workflows set trigger_config = '{}'"],
    ),
    "a restore writes it": (
        {"is_active": False},
        ["set session_replication_role = replica", "update automation_workflows set is_active = true",
         "set session_replication_role = origin"],
    ),
    "a restore brings it": (
        {"steps": []},
        ["create table kept as select * from automation_workflows", "truncate automation_workflows",
         "update kept set steps = '[{\"type\": \"stop\"}]'",
         "set session_replication_role = replica", "insert into automation_workflows select * from kept",
         "set session_replication_role = origin"],
    ),
    "its column is dropped": (
        {"conditions": NEVER},
        ["alter table automation_workflows drop column conditions"],
    ),
    "its column is renamed": (
        {"conditions": NEVER},
        ["alter table automation_workflows rename column conditions to older"],
    ),
    "a save could not keep it": (
        {"trigger_config": NEVER},
        ["create or replace function minutehand.keep_matcher(p_id uuid) returns void language plpgsql as "
         "$$ begin raise exception 'no' using errcode = '55P03'; end $$",
         "update automation_workflows set trigger_config = '{}'"],
    ),
}  # fmt: skip


def fresh(database: Database) -> list[bool]:
    """Whether each workflow, by name, has a matcher of its row."""
    rows = database.sql(
        "select v.row_xmin = w.xmin and v.row_ctid = w.ctid and v.row_shape = minutehand.workflows_shape() as is_fresh"
        " from automation_workflows w left join minutehand.verdicts v on v.workflow_id = w.id order by w.name"
    )
    return [bool(row["is_fresh"]) for row in rows]


def tick(database: Database) -> None:
    """Run the first tick of a minute."""
    database.sql("truncate minutehand.tick_log")
    database.call("automation_tick", p_worker={"id": "w", "mode": "worker", "host": "h", "version": "1"})


def calls(database: Database, act: Callable[[Database], Any]) -> dict[str, int]:
    """How often each function of ours is called by it, once the session has its plans."""
    with session(database) as mine:
        mine.sql("set track_functions = 'all'")
        act(mine)
        before = _calls(mine)
        act(mine)
        after = _calls(mine)
    return {name: n - before.get(name, 0) for name, n in after.items() if n > before.get(name, 0)}


def _calls(database: Database) -> dict[str, int]:
    database.sql("select pg_stat_force_next_flush()")
    database.sql("select pg_stat_clear_snapshot()")
    rows = database.sql(
        "select funcname as name, calls::int from pg_stat_user_functions where schemaname = 'minutehand'"
    )
    return {row["name"]: row["calls"] for row in rows}


def many_workflows(database: Database, count: int, **columns: Any) -> None:
    """Save so many that want another title."""
    for number in range(count):
        workflow(database, f"other {number}", trigger_config=NEVER, **columns)


def changes() -> Callable[[Database], None]:
    """An UPDATE of one row that gives it another status each time."""
    numbers = itertools.count()
    return lambda database: move(database, f"step {next(numbers)}")


@pytest.mark.parametrize("how", BEHIND)
def test_a_matcher_never_outlives_its_row(database: Database, how: str) -> None:
    columns, statements = BEHIND[how]
    watched_jobs(database)
    if "conditions" in columns:
        database.sql("alter table automation_workflows add column conditions jsonb")
    workflow(database, **columns)
    assert fresh(database) == [True]
    with session(database) as app:  # keeps its plans
        move(app, "first")
        assert fired(database) == []
        for statement in statements:
            database.sql(statement)
        assert fresh(database) == [False]
        move(app, "second")
    assert fired(database) == ["tell"]


def test_the_next_tick_keeps_what_is_missing(database: Database) -> None:
    watched_jobs(database)
    workflow(database, "a", trigger_config=NEVER)
    workflow(database, "b")
    database.sql("alter table automation_workflows add column colour text")
    assert fresh(database) == [False, False]
    tick(database)
    assert fresh(database) == [True, True]
    database.sql("update minutehand.verdicts set row_xmin = null")
    tick(database)
    assert fresh(database) == [True, True]


def test_a_counter_keeps_the_version_and_the_matcher(database: Database) -> None:
    watched_jobs(database)
    database.sql("alter table automation_workflows add column execution_count integer default 0")
    workflow(database, trigger_config=NEVER)
    database.sql("update automation_workflows set execution_count = execution_count + 1")
    assert fresh(database) == [True]
    assert database.one("select version from automation_workflows") == {"version": 1}


def test_an_app_trigger_that_changes_the_row_again_leaves_the_matcher_of_the_last(database: Database) -> None:
    watched_jobs(database)
    database.sql(
        "create function again() returns trigger language plpgsql as $$ begin if pg_trigger_depth() = 1 then "
        "update automation_workflows set trigger_config = '{}' where id = new.id; end if; return null; end $$"
    )
    database.sql("create trigger a_again after insert on automation_workflows for each row execute function again()")
    workflow(database, trigger_config=NEVER)
    move(database, "done")
    assert fired(database) == ["tell"]


def test_a_status_column_of_another_table_does_not_decide(database: Database) -> None:
    """The matcher is of the column that the type's table has; `trigger add` may name another one."""
    watched_jobs(database)
    workflow(database, trigger_type="job_updated", trigger_config={"to_status": ["check"]})
    database.call("automation_trigger_add", p_table="jobs", p_status="job_type")
    database.sql("update jobs set job_type = 'check'")
    assert fired(database) == ["tell"]


def test_what_is_cut_from_the_change_is_not_compared(database: Database) -> None:
    watched_jobs(database)
    workflow(database, trigger_type="job_updated", trigger_config=when("search", "x"))
    database.sql("update jobs set search = (select string_agg(md5(n::text), '') from generate_series(1, 10000) n)")
    assert counts(database) == (1, 1, 0)
    match(database)
    (event,) = database.sql("select error from automation_events")
    assert "was too large to be recorded" in event["error"]


def test_a_change_reads_none_of_the_workflows_that_it_does_not_start(database: Database) -> None:
    watched_jobs(database)
    many_workflows(database, 20)
    workflow(database, "off", is_active=False)
    made = calls(database, changes())
    assert (made["is_excluded"], made["evaluate_condition"]) == (21, 20)
    assert not {"start_if_matching", "row_of", "can_start", "conditions_of", "normal_conditions"} & made.keys()
    assert sum(made.values()) <= 21 + 20 * 3 + 20, made


def test_a_change_without_workflows_calls_little(database: Database) -> None:
    watched_jobs(database)
    many_workflows(database, 5, organization_id="south")
    made = calls(database, changes())
    assert not {"match_event", "candidate_workflows", "is_excluded"} & made.keys()
    assert sum(made.values()) <= 12, made


def test_a_tenant_of_a_thousand_workflows_reads_them_by_index(database: Database) -> None:
    watched_jobs(database)
    many_workflows(database, 1)
    database.sql(
        "insert into automation_workflows (name, organization_id, trigger_type, trigger_config, steps, created_at)"
        " select w.name || n, w.organization_id, w.trigger_type, w.trigger_config, w.steps, w.created_at"
        " from automation_workflows w, generate_series(1, 999) n"
    )
    database.sql(
        "insert into automation_workflows (name, organization_id, trigger_type, trigger_config, steps, created_at)"
        " select w.name || n, 'south', w.trigger_type, w.trigger_config, w.steps, w.created_at"
        " from (select * from automation_workflows limit 1) w, generate_series(1, 3000) n"
    )
    database.sql("vacuum analyze automation_workflows")
    database.sql("vacuum analyze minutehand.verdicts")
    counters = (
        "select sum(seq_tup_read)::int as scanned, sum(idx_tup_fetch)::int as fetched from pg_stat_user_tables"
        " where relname in ('automation_workflows', 'verdicts')"
    )
    change = changes()
    with session(database) as mine:
        change(mine)
        read = []
        for _ in range(2):
            mine.sql("select pg_stat_force_next_flush()")
            mine.sql("select pg_stat_clear_snapshot()")
            read.append(mine.one(counters))
            change(mine)
    assert read[1]["scanned"] - read[0]["scanned"] == 0
    assert read[1]["fetched"] - read[0]["fetched"] <= 2 * 1000 + 10


def test_a_change_writes_little_more_than_its_event(database: Database) -> None:
    watched_jobs(database)
    database.sql("create table bare (like jobs including all)")
    database.sql("insert into bare select * from jobs")
    many_workflows(database, 3)
    database.sql("checkpoint")
    wal = {}
    for table in ("bare", "jobs"):
        for number in range(20):  # whole pages are written at the first change of each after a checkpoint
            database.sql(f"update {table} set status = %s", f"step {number}")
        before = database.one("select pg_current_wal_insert_lsn() as lsn")["lsn"]
        for number in range(20):
            database.sql(f"update {table} set status = %s", f"next {number}")
        wal[table] = database.one("select (pg_current_wal_insert_lsn() - %s::pg_lsn)::int / 20 as n", before)["n"]
    assert wal["jobs"] - wal["bare"] <= 1200, wal


@pytest.mark.parametrize("text", ["".join(map(chr, range(1, 128))), "In Progress", "in__progress", "-done-", "_", "",
                                  "CANCELLED by-client", "İptal", "Terminé", "a\u00a0b", "x\ty", "ΤΈΛΟΣ"])  # fmt: skip
def test_the_short_way_to_fold_says_what_the_long_one_says(database: Database, text: str) -> None:
    """Each character by itself, and between letters."""
    row = database.one(
        """
        select bool_and(minutehand.fold(t) is not distinct from replace(coalesce(nullif(minutehand.fold_capitals(
                 regexp_replace(minutehand.fold_case(t) collate "C", minutehand.separators(), '', 'g')), ''),
                 minutehand.fold_case(t)), 'cancelled', 'canceled')) as folds,
               bool_and(minutehand.slug(t) is not distinct from trim(both '_' from regexp_replace(
                 minutehand.fold_case(t) collate "C", minutehand.separators() || '+', '_', 'g'))) as slugs
        from (select %s::text as t
              union all select c from string_to_table(%s, null) as c
              union all select 'A' || c || 'b' || c || c || 'Z' from string_to_table(%s, null) as c) x
        """,
        text, text, text,
    )  # fmt: skip
    assert row == {"folds": True, "slugs": True}
