"""Plans: however long the history or the queue, a call reads what it needs, whatever the statistics say (R4).

Measured by the server's own counters: sequential scans, and rows fetched through indexes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.queue_rows import (
    NOW,
    backlog,
    claim,
    claimed,
    failure,
    foreign,
    ids,
    pending,
    seconds,
    session,
    settle,
    success,
    tick,
    token,
    workflow,
)

pytestmark = on_both_servers
MANY = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What a call read of the execution logs."""

    seq_scans: int
    rows: int


def reads(database: Database, act: Callable[[Database], Any]) -> Reads:
    """Do it six times, the sixth with the plans that a session keeps, and count what that one read."""
    counters = """
        select seq_scan::int as seq_scans, (idx_tup_fetch + seq_tup_read)::int as rows
        from pg_stat_user_tables where relname = 'automation_execution_logs'
    """
    with session(database) as mine:
        seq_scans = []
        for _ in range(6):
            before = _counted(mine, counters)
            act(mine)
            after = _counted(mine, counters)
            seq_scans.append(after["seq_scans"] - before["seq_scans"])
        return Reads(seq_scans=sum(seq_scans), rows=after["rows"] - before["rows"])


def _counted(database: Database, counters: str) -> dict[str, Any]:
    database.sql("select pg_stat_force_next_flush()")
    database.sql("select pg_stat_clear_snapshot()")
    return database.one(counters)


@pytest.fixture(params=["analyzed", "not analyzed", "misled"])
def history(request: pytest.FixtureRequest, database: Database) -> Database:
    """A hundred thousand finished executions, with good statistics, none, or those of a day when all were pending."""
    database.sql("alter table automation_execution_logs set (autovacuum_enabled = off)")
    database.sql("alter table automation_events set (autovacuum_enabled = off)")
    misled = request.param == "misled"
    backlog(database, workflow(database), MANY, status="pending" if misled else "completed")
    if request.param != "not analyzed":
        database.sql("analyze")
    if misled:
        database.sql("update automation_execution_logs set status = 'completed'")
        database.sql("vacuum automation_execution_logs")
    return database


def test_a_claim_of_five_beside_a_long_history_reads_a_handful_of_rows(history: Database) -> None:
    made = pending(history, workflow(history), 30)
    taken: list[str] = []

    def five(mine: Database) -> None:
        taken.extend(ids(claim(mine, 5)))

    read = reads(history, five)
    assert taken == made
    assert read.seq_scans == 0
    assert read.rows <= 60


def test_a_claim_of_nothing_reads_nothing(history: Database) -> None:
    read = reads(history, claim)
    assert (read.seq_scans, read.rows) == (0, 0)


def test_a_beat_with_nothing_due_reads_nothing(history: Database) -> None:
    read = reads(history, tick)
    assert (read.seq_scans, read.rows <= 2) == (0, True), "the breaker looks at what was started in the last minute"


def test_the_volume_guard_reads_the_newest_of_the_hour_and_each_hour_once(history: Database) -> None:
    mine = workflow(history)
    backlog(history, mine, 60_000, status="completed")
    history.sql(
        "update automation_execution_logs set created_at = created_at + interval '23 h 30 min' where workflow_id = %s",
        mine,
    )
    moments = itertools.count()
    read = reads(history, lambda it: it.call("automation_tick", p_now=NOW + seconds(20 * next(moments))))
    assert read.seq_scans == 0
    assert read.rows <= 50_000 + 100, "of the 60,000 of the hour"


def test_a_first_look_reads_the_newest_and_a_bounded_count(history: Database) -> None:
    backlog(history, workflow(history), 15_000)
    read = reads(history, lambda mine: mine.call("automation_metrics", p_now=NOW))
    assert read.seq_scans == 0
    assert read.rows <= 20_000 + 10_000 + 10_000 + 100, "the newest, those that wait, and those that are due"


@pytest.mark.parametrize("analyzed", [True, False])
@pytest.mark.parametrize("due", [True, False], ids=["due", "waiting"])
def test_a_long_queue_of_one_tenant_costs_no_more_than_a_short_one(
    database: Database, due: bool, analyzed: bool
) -> None:
    database.sql("alter table automation_execution_logs set (autovacuum_enabled = off)")
    backlog(database, workflow(database), MANY)
    if not due:
        database.sql("update automation_execution_logs set scheduled_at = %s", NOW + timedelta(days=2))
        database.sql("vacuum automation_execution_logs")
    if analyzed:
        database.sql("analyze")
    read = reads(database, lambda mine: claim(mine, 10))
    assert read.seq_scans == 0
    assert read.rows <= 100
    read = reads(database, tick)
    assert read.seq_scans == 0
    assert read.rows <= 1100, "what is due is counted to a thousand"
    read = reads(database, lambda mine: claim(mine, 10, p_alone=True))
    assert read.seq_scans == 0
    assert read.rows <= 10


def test_tenants_that_wait_cost_a_claim_and_a_tick_nothing(history: Database) -> None:
    mine = workflow(history)
    _tenants(history, mine, 20_000, scheduled_at=NOW + timedelta(days=2))
    (one,) = pending(history, mine, user_id="tenant-500")
    read = reads(history, lambda mine: claim(mine, p_ids=[one]))
    assert (read.seq_scans, read.rows <= 10) == (0, True)
    made = iter([pending(history, mine, user_id=f"tenant-{number}") for number in range(30)])
    read = reads(history, lambda mine: claim(mine) and next(made))
    assert (read.seq_scans, read.rows <= 100) == (0, True)
    read = reads(history, tick)
    assert (read.seq_scans, read.rows <= 100) == (0, True), "the 25 that are due, and what the breaker looks at"


@pytest.mark.parametrize(
    ("case", "tenants"),
    [("all due", 20_000), ("all due", 100), ("most wait", 20_000), ("one busy", 20_000), ("one busy", 200)],
)
def test_what_a_claim_reads_does_not_grow_with_the_tenants(history: Database, case: str, tenants: int) -> None:
    mine = workflow(history)
    _tenants(history, mine, tenants, scheduled_at=None if case == "all due" else NOW + timedelta(days=2))
    if case == "most wait":
        _tenants(history, mine, tenants, count=1000)
    elif case == "one busy":
        backlog(history, mine, 1000, user="busy")
    read = reads(history, tick)
    assert (read.seq_scans, read.rows <= 1100) == (0, True), "what is due is counted to a thousand"
    read = reads(history, lambda mine: claim(mine, 10))
    assert read.seq_scans == 0
    # Its ten rows, those that are due and fit or not, and the tenants that it passes over.
    assert read.rows <= (100 if case == "all due" else 500)
    read = reads(history, lambda mine: claim(mine, 100))
    assert (read.seq_scans, read.rows <= 1500) == (0, True)


def _tenants(
    database: Database, workflow_id: str, tenants: int, *, scheduled_at: Any = None, count: int = 20_000
) -> None:
    """Insert `count` executions of the first of so many tenants."""
    database.sql(
        """
        insert into automation_execution_logs (
          workflow_id, workflow_version, event_id, user_id, created_at, scheduled_at)
        select %s, 1, nextval('automation_events_id_seq'), 'tenant-' || mod(n, %s),
               %s - interval '1 day' + n * interval '1 ms', %s
        from generate_series(1, %s) as n
        """,
        workflow_id,
        tenants,
        NOW,
        scheduled_at,
        count,
    )


def test_what_a_lease_does_is_found_by_key_or_token(history: Database) -> None:
    mine = workflow(history)
    leases = iter([(token(), pending(history, mine, 5)) for _ in range(30)])

    def whole_turn(mine: Database) -> None:
        lease, made = next(leases)
        answer = claim(mine, 5, p_token=lease, p_ids=made)
        assert ids(answer) == ids(claim(mine, p_token=lease)) == made
        mine.call("automation_renew", p_tokens=[lease], p_now=NOW)
        steps = [{"id": one, "token": lease, "step": success("1")} for one in made]
        mine.call("automation_record_step", p_steps=steps, p_now=NOW)
        send = {"token": lease, "step": "2", "channel": "email", "recipient": "client@example.com"}
        sends = [send | {"id": one, "key": one} for one in made]
        mine.call("automation_reserve_sends", p_sends=sends, p_now=NOW)
        mine.call("automation_confirm_sends", p_sends=[one | {"status": "sent"} for one in sends], p_now=NOW)
        settle(mine, *[{"id": one, "token": lease, "ended": "failed"} for one in made[:4]])
        mine.call("automation_cancel", p_ids=made, p_now=NOW)
        mine.call("automation_retry", p_ids=made[:2], p_now=NOW)

    read = reads(history, whole_turn)
    assert read.seq_scans == 0
    assert read.rows <= 250


def test_plans_that_are_made_while_the_table_is_small_do_not_scan_it(database: Database) -> None:
    """A worker keeps them, and the table grows."""
    pending(database, workflow(database), 60)
    database.sql("analyze automation_execution_logs")

    def whole_turn(mine: Database) -> None:
        lease = token()
        made = ids(claim(mine, 8, p_token=lease, p_contexts=True))
        mine.call("automation_renew", p_tokens=[lease], p_now=NOW)
        held = [{"id": one, "token": lease} for one in made]
        mine.call("automation_advance", p_items=held, p_now=NOW)
        mine.call(
            "automation_advance",
            p_items=[one | {"steps": [success("1")], "resume_step": "2"} for one in held[:4]],
            p_now=NOW,
        )
        plain = [one | {"ended": "done", "steps": [success("1")]} for one in held[4:6]]
        settle(mine, *[one | {"ended": "failed"} for one in held[:4]], *plain)
        settle(mine, *[one | {"ended": "retry", "steps": [failure("1")]} for one in held[6:]])

    assert reads(database, whole_turn).seq_scans == 0


def test_lost_leases_are_found_among_what_is_in_flight(history: Database) -> None:
    mine = workflow(history)
    now = NOW

    def lose_five(who: Database) -> None:
        nonlocal now
        made = pending(who, mine, 5)
        assert set(claimed(who, p_ids=made, p_now=now)) == set(made)
        now += timedelta(hours=1)
        assert tick(who, now)["lost_leases"] == 5
        who.call("automation_cancel", p_ids=made)

    read = reads(history, lose_five)
    assert read.seq_scans == 0
    assert read.rows <= 100


def test_rows_that_others_inserted_are_decided_by_the_entitys_index(history: Database) -> None:
    mine = workflow(history)

    def two(who: Database) -> None:
        data = {"job_id": "J-7", "new_status": "completed"}
        made = [foreign(who, mine, data, created_at=NOW - seconds(number)) for number in range(2)]
        claim(who, p_ids=made)

    read = reads(history, two)
    assert read.seq_scans == 0
    assert read.rows <= 80


def test_pruning_reads_what_it_deletes(history: Database) -> None:
    history.sql(
        """
        insert into automation_events (occurred_at, table_name, operation, types, matched_at)
        select %s - case when n <= 6000 then interval '40 days' else interval '1 day' end, 'jobs', 'UPDATE', '{}', %s
        from generate_series(1, 60000) as n
        """,
        NOW,
        NOW,
    )
    counters = """
        select (idx_tup_fetch + seq_tup_read)::int as rows from pg_stat_user_tables where relname = 'automation_events'
    """
    read = reads(history, tick)
    assert (read.seq_scans, read.rows <= 2) == (0, True), "of the logs, but for the breaker"
    history.sql("vacuum automation_events")
    before = _counted(history, counters)
    tick(history)
    assert _counted(history, counters)["rows"] - before["rows"] <= 2500
    for _ in range(8):
        tick(history)
    assert history.one("select count(*) as n, min(occurred_at) as oldest from automation_events") == {
        "n": 54000,
        "oldest": NOW - timedelta(days=1),
    }
    before = _counted(history, counters)
    tick(history)
    assert _counted(history, counters)["rows"] - before["rows"] <= 10


@pytest.mark.parametrize(("count", "is_analyzed"), [(20, False), (200, True)])
def test_plain_ends_read_each_row_a_few_times_and_call_no_function_for_it(
    database: Database, count: int, is_analyzed: bool
) -> None:
    pending(database, workflow(database), 6 * count)
    if is_analyzed:  # it finds no lease, so that their index looks as small as it gets
        database.sql("analyze automation_execution_logs")

    def whole_turn(mine: Database) -> None:
        lease = token()
        claimed_now = ids(claim(mine, count, p_token=lease))
        assert len(claimed_now) == count
        mine.sql("set track_functions = 'all'")
        outcomes = [{"id": one, "token": lease, "ended": "done", "steps": [success("1")]} for one in claimed_now]
        with mine.connection.transaction():
            answers = settle(mine, *outcomes)
            calls = mine.sql("select funcname, calls from pg_stat_xact_user_functions where calls >= %s", count)
        assert {answer["answer"] for answer in answers.values()} == {"settled"}
        assert calls == []

    read = reads(database, whole_turn)
    assert read.seq_scans == 0
    # Read through the index of leases, each would be compared with each.
    assert read.rows <= 10 * count
