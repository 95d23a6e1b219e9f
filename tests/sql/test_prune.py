"""automation_prune: what ended long ago goes in small bites, and nothing else does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, change, pending, row, session, workflow

pytestmark = on_both_servers
DAY = 86_400


def prune(database: Database, days: float = 90, limit: int = 500) -> Any:
    return database.call("automation_prune", p_keep_seconds=int(days * DAY), p_limit=limit, p_now=NOW)


def made(database: Database, status: str, days: float, count: int = 1) -> list[str]:
    rows = pending(database, workflow(database), count, created_at=NOW - timedelta(days=days))
    for one in rows:
        change(database, one, status=status)
    return rows


def left(database: Database) -> set[str]:
    return {str(found["id"]) for found in database.sql("select id from automation_execution_logs")}


@pytest.mark.parametrize("status", ["completed", "failed", "skipped", "cancelled"])
def test_what_ended_longer_ago_goes_with_its_sends(database: Database, status: str) -> None:
    (old,), (young,) = made(database, status, 91), made(database, status, 89)
    for one in (old, young):
        database.sql("insert into communication_logs (status, execution_id) values ('sent', %s)", one)
    assert prune(database) == {"deleted": 1, "more": False}
    assert left(database) == {young}
    sends = database.sql("select execution_id from communication_logs")
    assert [str(send["execution_id"]) for send in sends] == [young]


def test_what_waits_or_runs_stays_however_old(database: Database) -> None:
    kept = {*made(database, "pending", 200), *made(database, "processing", 200), *made(database, "running", 200)}
    assert prune(database)["deleted"] == 0
    assert left(database) == kept


def test_it_goes_in_bites_and_says_when_there_is_more(database: Database) -> None:
    made(database, "completed", 100, 5)
    assert [prune(database, limit=2) for _ in range(3)] == [
        {"deleted": 2, "more": True},
        {"deleted": 2, "more": True},
        {"deleted": 1, "more": False},
    ]


def test_what_another_session_looks_at_is_passed_over(database: Database) -> None:
    one, two = made(database, "completed", 100, 2)
    with session(database) as other:
        other.sql("begin")
        other.sql("select from automation_execution_logs where id = %s for update", one)
        assert prune(database)["deleted"] == 1
        other.sql("rollback")
    assert left(database) == {one}
    assert two not in left(database)


def test_what_the_app_still_points_to_is_left_whole(database: Database) -> None:
    (one,) = made(database, "completed", 100)
    database.sql("insert into communication_logs (status, execution_id) values ('sent', %s)", one)
    database.sql("create table notes (execution uuid references automation_execution_logs)")
    database.sql("insert into notes values (%s)", one)
    assert prune(database) == {"deleted": 0, "more": False}
    assert row(database, one)["status"] == "completed"
    assert database.one("select count(*) as n from communication_logs")["n"] == 1


def test_less_than_a_day_is_refused(database: Database) -> None:
    with pytest.raises(psycopg.Error, match="a day at least"):
        prune(database, days=0.5)


def tick_at(database: Database, hours: float) -> Any:
    worker = {"id": "cron", "mode": "run-once", "host": "h", "version": "1"}
    return database.call("automation_tick", p_worker=Jsonb(worker), p_now=NOW + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("ticks", "skips"),
    [
        ((), False),  # no processor ever ran: a person prunes
        ((-2, -1.5, -0.1), False),
        ((-24, 0), False),  # one run a night
        ((-24 * 3650, 0), True),  # the clock jumped ten years ahead, and a tick has seen it
        ((-24 * 3650,), True),
        ((-24 * 3650, -0.9, 0), True),
        ((-24 * 3650, -1.1, 0), False),  # an hour later
        ((24 * 3650, -2, 0), False),  # it is right again
        ((24 * 3650, -24 * 3, 0), True),
    ],
)
def test_nothing_is_deleted_for_an_hour_after_the_clock_jumped(
    database: Database, ticks: tuple[float, ...], skips: bool
) -> None:
    for hours in ticks:
        tick_at(database, hours)
    made(database, "completed", 100)
    events = (
        "insert into automation_events (occurred_at, table_name, operation, types) values (%s, 't', 'INSERT', '{}')"
    )
    database.sql(events, NOW - timedelta(days=40))
    if ticks:
        tick_at(database, 0)
    assert len(database.sql("select id from automation_events")) == (1 if skips or not ticks else 0)
    assert prune(database).get("skipped") is not None if skips else prune(database) == {"deleted": 1, "more": False}
    assert len(left(database)) == skips
