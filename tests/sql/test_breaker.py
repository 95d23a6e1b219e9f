"""The breaker: a workflow that fires again and again without a cause is paused (R11)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.servers import Database, on_both_servers
from tests.sql.jobs import fired, move, watched_jobs
from tests.sql.jobs import workflow as jobs_workflow
from tests.sql.queue_rows import NOW, claimed, seconds, tick, together, workflow

pytestmark = on_both_servers


def starts(
    database: Database,
    workflow_id: str,
    count: int,
    *,
    transactions: int | None = None,
    until: datetime = NOW,
    spread: float = 50.0,
    **columns: Any,
) -> None:
    """Insert so many starts of a workflow, by so many transactions (each its own), within `spread` seconds before."""
    given = {"status": "completed", "caused_by": None, **columns}
    database.sql(
        """
        insert into automation_execution_logs (
          workflow_id, workflow_version, status, trigger_data, entity_id, user_id, created_at, caused_by)
        select %s, 1, %s, '{}', 'job-' || n, 'user-1', %s - (n %% %s + 1) * make_interval(secs => %s), %s
        from generate_series(1, %s) as n
        """,
        workflow_id, given["status"], until, transactions or count, spread / (transactions or count),
        given["caused_by"], count,
    )  # fmt: skip


def paused(database: Database) -> dict[str, str]:
    return {row["target"]: row["reason"] for row in database.sql("select * from automation_control")}


def test_301_changes_within_a_minute_pause_it_and_300_do_not(database: Database) -> None:
    calm, loop = workflow(database, name="calm"), workflow(database, name="loop")
    starts(database, calm, 300)
    starts(database, loop, 301)
    assert tick(database)["tripped"] == ["loop"]
    reason = (
        "breaker: started 301 times by changes without a cause within 1 min (limit 300); does it cause them itself?"
    )
    assert paused(database) == {loop: reason}
    assert tick(database)["tripped"] == [], "told once"


def test_after_a_person_has_resumed_it_it_counts_anew(database: Database) -> None:
    loop = workflow(database, name="loop")
    starts(database, loop, 400)
    assert tick(database)["tripped"] == ["loop"]
    database.call("automation_resume", p_scope="workflow", p_target="loop", p_now=NOW)
    assert tick(database, NOW + seconds(1))["tripped"] == []
    starts(database, loop, 301, until=NOW + seconds(55))
    assert tick(database, NOW + seconds(56))["tripped"] == ["loop"]


@pytest.mark.parametrize(
    "columns",
    [{"transactions": 1}, {"transactions": 300}, {"caused_by": "00000000-0000-4000-8000-000000000000"},
     {"status": "skipped"}, {"until": NOW - seconds(60)}, {"until": NOW + seconds(3600)}],
)  # fmt: skip
def test_a_bulk_change_a_chain_what_was_skipped_and_other_times_do_not_count(database: Database, columns: Any) -> None:
    starts(database, workflow(database), 1000, **columns)
    assert tick(database)["tripped"] == []


@pytest.mark.parametrize(
    ("settings", "trips"),
    [
        ({"breaker": None}, False),
        ({"breaker": {"n": 500}}, False),
        ({"breaker": {"n": 350}}, True),
        ({"breaker": {"n": 350, "per": "20 seconds"}}, False),
        ({"breaker": {"n": 5, "per": "1 second"}}, True),
        ({"breaker": {"n": 0}}, True),
        ({"breaker": {"n": "many", "per": "soon"}}, True),
        ({"breaker": {"n": 1e30, "per": 5}}, True),
        ({"breaker": {"n": 350, "per": "2 days"}}, True),
        ({"breaker": "off"}, True),
        ([], True),
        ({}, True),
    ],
)
def test_a_workflow_may_say_its_own_measure(database: Database, settings: Any, trips: bool) -> None:
    starts(database, workflow(database, name="loop", settings=settings), 400)
    assert tick(database)["tripped"] == (["loop"] if trips else [])


def test_a_measure_longer_than_a_minute_looks_back_as_far(database: Database) -> None:
    loop = workflow(database, name="loop", settings={"breaker": {"n": 100, "per": "30 minutes"}})
    starts(database, loop, 99, until=NOW - seconds(60), spread=1700)
    starts(database, loop, 1)
    assert tick(database)["tripped"] == []
    starts(database, loop, 1, spread=40)
    assert tick(database)["tripped"] == ["loop"]


def test_what_is_pending_is_held_in_the_same_beat(database: Database) -> None:
    loop, other = workflow(database, name="loop"), workflow(database, name="other")
    starts(database, loop, 301, status="pending")
    starts(database, other, 2, status="pending")
    assert (tick(database)["tripped"], tick(database)["due"]) == (["loop"], 2)
    assert len(claimed(database, 100)) == 2


def test_two_ticks_at_once_tell_it_once(database: Database) -> None:
    starts(database, workflow(database, name="loop"), 400)
    told = together(database, *[lambda mine: tick(mine)["tripped"]] * 4)
    assert sorted(told) == [[], [], [], ["loop"]]


def test_a_person_s_own_pause_keeps_its_reason(database: Database) -> None:
    loop = workflow(database, name="loop")
    database.call("automation_pause", p_scope="workflow", p_target="loop", p_reason="mine")
    starts(database, loop, 400)
    assert (tick(database)["tripped"], paused(database)) == ([], {loop: "mine"})


def test_changes_of_a_real_app_trip_it_and_one_bulk_change_does_not(database: Database) -> None:
    watched_jobs(database, count=8)
    jobs_workflow(database, "loop", settings={"rate_limit": None, "breaker": {"n": 5}})
    database.sql("update jobs set status = 'all at once'")
    assert database.call("automation_tick")["tripped"] == []
    for number in range(5):
        move(database, f"s{number}", "J-1")
    assert database.call("automation_tick")["tripped"] == ["loop"]
    assert len(fired(database)) == 13


def test_a_hundred_thousand_starts_of_a_minute_cost_a_beat_little(database: Database) -> None:
    """Nor does it read behind its minute: by the pages that it touches."""
    made = [workflow(database, name=f"w{n}", settings={"breaker": {"n": 1000000}}) for n in range(3)]
    for one in made:
        starts(database, one, 33_000)
    database.sql("analyze automation_execution_logs")
    database.sql("set statement_timeout = '8s'")  # as the platform's
    assert tick(database)["tripped"] == []
    busy, quiet = (
        pages_of(database, "minutehand.trip_breakers(%s)", NOW + timedelta(minutes=minutes)) for minutes in (0, 5)
    )
    assert quiet < busy / 4, (quiet, busy)
    whole = pages_of(database, "automation_tick(p_now => %s)", NOW + timedelta(minutes=5))
    assert whole < 60_000, "the volume guard looks at the newest 50,000 executions"


def pages_of(database: Database, call: str, now: datetime) -> int:
    """How many pages of the database a call touches."""
    (row,) = database.sql(f"explain (analyze, buffers, format json) select {call}", now)
    (plan,) = row["QUERY PLAN"]
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])
