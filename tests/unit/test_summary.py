from __future__ import annotations

from typing import cast

import pytest

from minutehand.executor.outcome import Ended, Outcome
from minutehand.scheduler.cli.commands.run_once import as_text
from minutehand.scheduler.database import Database
from minutehand.scheduler.engine.summary import ENDS, MOST_LISTED, Summary, end_of
from minutehand.store import Settled, Store, Tick
from minutehand.store.records import ExecutionRow, Pace
from tests.unit.executions import execution

DATABASE = Database("db.example.com/app", Store.postgres("postgresql://nobody@db.example.com/app"))

PACE: Pace = {"continuous": False, "per_tick": 10, "tick_seconds": 60.0}


def tick(*, due_capped: bool, pace: Pace) -> Tick:
    return Tick(
        schema_version=8, due=0, due_capped=due_capped, next_seconds=None, lost_leases=0, to_match=[], paused=False,
        tripped=[], held=0, flooded=0, holding=False, pace=pace,
    )  # fmt: skip


def settled(status: str | None, *, answer: str = "settled", code: str | None = None) -> Settled:
    return Settled(id="e1", answer=answer, status=status, code=code, reason=None, due_seconds=None)


def outcome(ended: Ended = Ended.DONE) -> Outcome:
    return Outcome(execution_id="e1", token="t", ended=ended)


@pytest.mark.parametrize(
    ("ended", "became", "end"),
    [
        (Ended.DONE, settled("completed"), "completed"),
        (Ended.DONE, settled("failed", code="partial"), "failed"),
        (Ended.SKIPPED, settled("skipped"), "skipped"),
        (Ended.DONE, settled("cancelled", answer="already"), "cancelled"),
        (Ended.RETRY, settled("pending"), "retried"),
        (Ended.UNKNOWN, settled("pending", code="uncertain_send"), "retried"),
        (Ended.WAITING, settled("pending"), "waiting"),
        (Ended.RELEASED, settled("pending"), "released"),
        (Ended.UNKNOWN, settled("failed", code="uncertain_send"), "uncertain"),
        (Ended.DONE, settled(None, answer="lost"), "lost"),
        (Ended.DONE, settled("failed", answer="failed", code="unrecordable"), "failed"),
    ],
)
def test_each_outcome_is_counted_under_its_one_end(ended, became, end):
    summary = Summary()
    assert end_of(outcome(ended), became) == end
    summary.add_settled(execution(), outcome(ended), became)
    assert {name: count for name, count in summary.ends.items() if count} == {end: 1}
    assert summary.claimed == sum(summary.ends.values()) == 1


def test_the_json_summary_has_its_documented_keys():
    shape = Summary(seconds=1.23456).as_json(DATABASE)
    counts = ("due", "held", "restored", "flooded")
    keys = ["schema", "backend", "database", "claimed", *ENDS, *counts, "notice", "seconds", "executions"]
    assert list(shape) == keys
    assert (shape["schema"], shape["backend"], shape["database"]) == (1, "postgres", "db.example.com/app")
    assert shape["seconds"] == 1.235


def test_all_executions_are_counted_and_a_thousand_are_listed():
    summary = Summary()
    for _ in range(MOST_LISTED + 5):
        summary.add_settled(execution(), outcome(), settled("completed"))
    assert (summary.claimed, summary.ends["completed"], len(summary.executions)) == (1005, 1005, 1000)


@pytest.mark.parametrize(
    ("end", "dead", "any_"),
    [
        *((end, False, False) for end in ("completed", "skipped", "cancelled", "waiting", "released")),
        *((end, True, True) for end in ("failed", "uncertain")),
        *((end, False, True) for end in ("retried", "lost")),
    ],
)
def test_what_counts_as_a_failure(end, dead, any_):
    summary = Summary()
    summary.ends[end] = 1
    assert (summary.failed_as("never"), summary.failed_as("dead"), summary.failed_as("any")) == (False, dead, any_)


def test_the_text_has_the_counts_and_a_line_for_each_that_did_not_complete():
    summary = Summary(seconds=0.5, due=3)
    summary.add_settled(execution(), outcome(), settled("completed"))
    summary.add_lost(execution(), "the lease was lost while it ran")
    row = {"id": "e2", "status": "failed", "code": "unreadable", "reason": "gone", "entity_id": None}
    summary.add_ended(cast("ExecutionRow", row))
    assert as_text(summary, DATABASE).splitlines() == [
        "3 claimed: 1 completed, 1 failed, 1 lost; 3 still due (postgres db.example.com/app, 0.50 s)",
        "  processing Thank the client / J-1  lost_lease: the lease was lost while it ran",
        "  failed     None / -  unreadable: gone",
    ]
    assert as_text(Summary(), DATABASE) == "nothing due (postgres db.example.com/app, 0.00 s)"


@pytest.mark.parametrize(
    ("due", "capped", "pace", "said"),
    [
        (490, False, PACE, "490 still due, 10 a tick: 49 min; run with --drain"),
        (490, False, {**PACE, "per_tick": 25}, "490 still due, 25 a tick: 20 min; run with --drain"),
        (490, False, {**PACE, "tick_seconds": 30.0}, "490 still due, 10 a tick: 24 min 30 s; run with --drain"),
        (990, True, PACE, "990+ still due, 10 a tick: over 1 h 39 min; run with --drain"),
        (10, False, PACE, "10 still due"),
        (490, False, {**PACE, "continuous": True}, "490 still due"),
    ],
)
def test_what_is_still_due_says_how_long_ticks_need_for_it(due: int, capped: bool, pace: Pace, said: str) -> None:
    summary = Summary(due=due)
    summary.add_settled(execution(), outcome(), settled("completed"))
    summary.note_backlog(tick(due_capped=capped, pace=pace))
    assert as_text(summary, DATABASE) == f"1 claimed: 1 completed; {said} (postgres db.example.com/app, 0.00 s)"


def test_held_executions_are_printed_first_and_not_counted_as_claimed():
    summary = Summary(held=7)
    assert (summary.as_json(DATABASE)["held"], summary.claimed, summary.failed_as("any")) == (7, 0, False)
    first, *_, last = as_text(summary, DATABASE).splitlines()
    assert (first.startswith("7 held as stale: "), last) == (True, "nothing due (postgres db.example.com/app, 0.00 s)")
