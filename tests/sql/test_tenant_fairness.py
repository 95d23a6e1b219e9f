"""Tenants in turn (R4): more executions are due than a claim takes."""

from __future__ import annotations

import math
from contextlib import ExitStack
from datetime import timedelta

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import NOW, claim, claimed, pending, session, together, workflow

pytestmark = on_both_servers


def tenants(
    database: Database,
    workflow_id: str,
    count: int,
    *,
    rows: int = 1,
    late: timedelta | None = None,
    name: str = "tenant",
) -> list[str]:
    """Insert `rows` executions for each of `count` tenants, due an hour ago or `late` from now; return the tenants."""
    inserted = database.sql(
        """
        insert into automation_execution_logs (
          workflow_id, workflow_version, event_id, user_id, entity_id, created_at, scheduled_at)
        select %s, 1, nextval('automation_events_id_seq'), %s || '-' || mod(n, %s), 'job-' || n,
               %s - interval '1 hour' + n * interval '1 ms', %s
        from generate_series(0, %s) as n
        returning user_id
        """,
        workflow_id,
        name,
        count,
        NOW,
        None if late is None else NOW + late,
        count * rows - 1,
    )
    return sorted({row["user_id"] for row in inserted})


def whose(database: Database, ids: list[str]) -> list[str]:
    """The tenants of these executions."""
    return [
        row["user_id"]
        for row in database.sql("select user_id from automation_execution_logs where id::text = any(%s)", ids)
    ]


@pytest.mark.parametrize(
    ("due", "limit", "rows", "waiting"),
    [
        (3, 2, 9, 0),
        (7, 3, 50, 0),
        (25, 10, 40, 0),
        (25, 1, 3, 0),
        (40, 10, 20, 200),
        (450, 100, 5, 0),
    ],
)
def test_in_each_round_each_tenant_has_a_turn(
    database: Database, due: int, limit: int, rows: int, waiting: int
) -> None:
    mine = workflow(database)
    if waiting:
        tenants(database, mine, waiting, late=timedelta(days=2), name="busy-later")
        tenants(database, mine, waiting, late=timedelta(days=2), name="zealous-later")
    expected = tenants(database, mine, due, rows=rows)
    for _ in range(2):
        turns: list[str] = []
        for _ in range(math.ceil(due / limit) + math.ceil(2 * waiting / 300)):  # a claim passes over 300
            taken = claimed(database, limit)
            assert len(taken) == limit
            turns += whose(database, taken)
        assert sorted(set(turns)) == expected


def test_an_execution_without_a_tenant_has_its_turn(database: Database) -> None:
    mine = workflow(database)
    tenants(database, mine, 6, rows=10)
    (one,) = pending(database, mine, user_id=None)
    assert one in [*claimed(database, 3), *claimed(database, 3), *claimed(database, 3)]


def test_a_newcomer_waits_for_one_round_at_most(database: Database) -> None:
    mine = workflow(database)
    tenants(database, mine, 20, rows=50)
    for name in ("a", "tenant-15", "z"):
        claimed(database, 5)
        (one,) = pending(database, mine, user_id=name + "-new", created_at=NOW)
        assert one in [one for _ in range(5) for one in claimed(database, 5)]


def test_beside_one_long_queue_and_thousands_that_wait_a_newcomer_is_next(database: Database) -> None:
    mine = workflow(database)
    tenants(database, mine, 1, rows=2000, name="busy")
    tenants(database, mine, 2000, late=timedelta(days=2))
    (one,) = pending(database, mine, user_id="zoe", created_at=NOW)
    taken = claimed(database, 10)
    assert (one in taken, len(taken)) == (True, 10)


def test_beside_one_long_queue_and_thousands_that_wait_nobody_is_passed_over_for_ever(database: Database) -> None:
    mine = workflow(database)
    tenants(database, mine, 1, rows=1000, name="busy")
    tenants(database, mine, 1500, late=timedelta(days=2))
    (one,) = pending(database, mine, user_id="tenant-7-old", created_at=NOW - timedelta(minutes=59, seconds=59.5))
    assert one in [one for _ in range(7) for one in claimed(database, 5)], "1,502 tenants, at least 300 in each claim"


@pytest.mark.parametrize("limit", [1, 10, 37, 200])
def test_a_claim_is_full_if_enough_is_due_whoever_it_belongs_to(database: Database, limit: int) -> None:
    mine = workflow(database)
    for rows in (1, 2, 4, 8, 16, 32, 64):
        tenants(database, mine, 2, rows=rows, name=f"of-{rows}")
    left = 254
    while left:
        taken = len(claimed(database, limit))
        assert taken == min(limit, left)
        left -= taken
    assert claim(database, limit)["next_seconds"] is None


def test_a_claim_is_full_even_if_those_who_get_what_is_left_over_have_no_more(database: Database) -> None:
    mine = workflow(database)
    for name, rows in (("a", 2), ("b", 2), ("c", 5)):
        tenants(database, mine, 1, rows=rows, name=name)
    for _ in range(30):  # who gets what an equal share leaves over is random
        with database.connection.transaction(force_rollback=True):
            assert len(claimed(database, 7)) == 7


@pytest.mark.parametrize("scope", ["tenant", "workflow"])
def test_behind_the_paused_rows_of_many_tenants_the_others_are_found(database: Database, scope: str) -> None:
    held, free = workflow(database), workflow(database)
    paused = tenants(database, held, 700, rows=2, name="paused")
    tenants(database, free, 30, name="working")
    targets = paused if scope == "tenant" else [held]
    database.sql("insert into automation_control (scope, target) select %s, unnest(%s::text[])", scope, targets)
    taken = [one for _ in range(3) for one in claimed(database, 10)]
    assert {name.split("-")[0] for name in whose(database, taken)} == {"working"}
    assert len(taken) == 30
    answer = claim(database)
    assert (answer["executions"], answer["next_seconds"]) == ([], None)
    assert database.call("automation_tick", p_now=NOW)["due"] == 0
    database.sql("delete from automation_control")
    assert len(claimed(database, 1500)) == 1400


def test_suspects_of_many_tenants_have_no_turn(database: Database) -> None:
    mine = workflow(database)
    tenants(database, mine, 400, rows=2)
    database.sql("update automation_execution_logs set lost_leases = 2")
    free = pending(database, mine, 30, user_id="working")
    assert [one for _ in range(3) for one in claimed(database, 10)] == free
    assert claimed(database) == []


def test_claims_at_the_same_time_wait_for_nobody_and_take_different_rows(database: Database) -> None:
    tenants(database, workflow(database), 301)
    taken = claimed(database, 1)  # the first claim of all records the database
    with ExitStack() as stack:
        for _ in range(11):  # more than there are turns to take
            mine = stack.enter_context(session(database))
            mine.sql("set lock_timeout = '1ms'")
            mine.sql("begin")
            taken += claimed(mine, 20)
        assert len(taken) == len(set(taken)) == 221
    assert len(claimed(database, 300)) == 80


def test_eight_at_once_claim_each_row_of_many_tenants_once(database: Database) -> None:
    tenants(database, workflow(database), 150, rows=3)
    tenants(database, workflow(database), 400, late=timedelta(days=2), name="later")

    def drain(mine: Database) -> list[str]:
        taken: list[str] = []
        while more := claimed(mine, 10):
            taken += more
        return taken

    parts = together(database, *[drain] * 8)
    taken = [one for part in parts for one in part]
    assert len(taken) == len(set(taken)) == 450
