"""Doctor's eye on vacuum: dead rows, and who keeps PostgreSQL from removing them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from minutehand.scheduler.doctor import vacuum
from minutehand.store import schema
from minutehand.store.embedded import Embedded
from tests.servers import Database, on_both_servers
from tests.sql.doctor import assert_fixed_by_sql, facts, levels, results_of
from tests.sql.queue_rows import backlog, session, workflow


def _later() -> str:
    """In two and a half hours from now (not from when the tests were collected: they run for most of an hour)."""
    return (datetime.now(UTC) + timedelta(minutes=150)).isoformat()


@on_both_servers
def test_many_dead_rows_are_told_with_what_removes_them(database: Database) -> None:
    database.sql("alter table automation_execution_logs set (autovacuum_enabled = off)")
    backlog(database, workflow(database), 15_000)
    database.sql("select pg_stat_force_next_flush()")
    database.sql("update automation_execution_logs set status = 'completed'")
    database.sql("select pg_stat_force_next_flush()")
    off, bloated = results_of(database, "dead rows")
    assert "automation_execution_logs is never vacuumed automatically" in off.fact
    assert "automation_execution_logs: 15000 dead rows, 15000 live rows, never vacuumed" in bloated.fact
    for result in (off, bloated):
        assert result.fix is not None
        database.sql(result.fix)
    database.sql("select pg_stat_force_next_flush()")
    assert levels(database, "dead rows") == ["ok"]


@on_both_servers
@pytest.mark.parametrize("dead", [9_999, 10_000])
def test_few_dead_rows_or_few_beside_many_are_nothing(database: Database, dead: int) -> None:
    looked = facts(database)
    (mine,) = [item for item in looked.section("vacuum")["tables"] if item["table"] == "automation_events"]
    mine |= {"dead": dead, "rows": 40_000, "seconds": 60}
    assert _said(looked) == ["vacuum keeps up"]
    mine |= {"rows": 39_000}
    assert (_said(looked) == ["vacuum keeps up"]) == (dead < 10_000)
    looked.section("vacuum")["hidden"] = 2
    if dead == 10_000:
        assert "may be hidden (2 sessions of other roles)" in _said(looked)[0]


def _said(looked: Any) -> list[str]:
    return [result.fact for result in vacuum.dead_rows(looked)]


@on_both_servers
@pytest.mark.parametrize(
    ("begin", "state"),
    [
        ("insert into jobs_of_the_app values (1)", "idle in transaction"),
        ("declare c cursor for select * from jobs_of_the_app", "idle in transaction"),
    ],
    ids=["written", "snapshot"],
)
def test_an_old_transaction_is_told_and_can_be_ended(database: Database, begin: str, state: str) -> None:
    database.sql("create table jobs_of_the_app (id int)")
    with psycopg.connect(database.url, application_name="report", row_factory=dict_row) as other:
        other.execute(begin.encode())
        assert levels(database, "old transactions") == ["ok"], "it is young"
        words = ("report", f"pid {other.info.backend_pid}", "2 h old", state)
        assert_fixed_by_sql(database, "old transactions", "warn", *words, now=_later())
        with pytest.raises(psycopg.OperationalError):
            other.execute(b"select 1")


@on_both_servers
def test_a_transaction_that_holds_nothing_is_left_in_peace(database: Database) -> None:
    with session(database) as other:
        other.sql("begin")
        other.sql("select 1")
        assert levels(database, "old transactions", now=_later()) == ["ok"]


@on_both_servers
def test_a_role_that_may_not_see_others_says_so(database: Database) -> None:
    role = re.sub(r"\W", "_", f"least_of_{database.connection.info.dbname}")
    with session(database) as other:
        other.sql("select 1")
        database.sql(f"create role {role}")
        try:
            database.sql(f"grant usage on schema minutehand to {role}")
            database.sql(f"grant execute on all functions in schema minutehand to {role}")
            database.sql(f"set role {role}")
            hidden = database.one("select minutehand.facts_vacuum(now()) ->> 'hidden' as n")["n"]
        finally:
            database.sql("reset role")
            database.sql(f"drop owned by {role}")
            database.sql(f"drop role {role}")
    assert int(hidden) >= 1
    assert facts(database).section("vacuum")["hidden"] == 0


@pytest.fixture
def logical(own_server: Embedded) -> Iterator[Database]:
    """A database on a server that can prepare transactions and has replication slots."""
    url = own_server.start({"max_prepared_transactions": "2", "wal_level": "logical", "fsync": "off"})
    asyncio.run(schema.migrate(url))
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        yield Database(url, connection)


def test_prepared_transactions_and_slots_that_nobody_reads_are_told(logical: Database) -> None:
    with psycopg.connect(logical.url) as other:
        other.execute(b"create table t (id int)")
        other.execute(b"prepare transaction 'app''s own'")
    assert_fixed_by_sql(logical, "old transactions", "warn", "app's own", "is 2 h old", now=_later())
    logical.sql("select pg_create_logical_replication_slot('left_behind', 'pgoutput')")
    looked = facts(logical)
    (slot,) = looked.section("vacuum")["slots"]
    assert (slot["slot"], slot["active"], slot["transactions"] < 10) == ("left_behind", False, True)
    assert levels(logical, "old transactions") == ["ok"]
    slot["transactions"] = 100_001
    (result,) = vacuum.old_transactions(looked)
    assert "left_behind, which nobody reads, is 100001 transactions behind" in result.fact
    assert result.fix is not None
    logical.sql(result.fix)
    assert facts(logical).section("vacuum")["slots"] == []
