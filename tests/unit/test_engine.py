"""The engine over a real database; what an execution does is given by the test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from minutehand.executor.outcome import Ended, Outcome
from minutehand.scheduler.engine.engine import Engine
from minutehand.scheduler.engine.leases import Leases
from minutehand.scheduler.engine.summary import Summary
from minutehand.store import Claim, Execution, LeaseLost, Settled, Store
from minutehand.store.errors import AccessDenied, BadRequest, Conflict, Unreachable
from tests.engines import engine_over

ROWS = """
with w as (
  insert into automation_workflows (name, organization_id, trigger_type, settings, steps)
  values ('W', 'north', 'x', '{"rate_limit": null}', '[{"type": "stop"}]') returning id
)
insert into automation_execution_logs (workflow_id, organization_id, entity_id, scheduled_at, lost_leases, event_id)
select w.id, 'north', n::text, now() - interval '1 hour' + n * interval '1 second', %s, n
from w, generate_series(1, %s) n
"""


@pytest.fixture
def rows(database) -> Callable[..., None]:
    """Make pending executions; their `entity_id` counts from 1, oldest first."""

    def make(count: int, *, lost_leases: int = 0) -> None:
        database.sql(ROWS, lost_leases, count)

    return make


@pytest.fixture
def run(database) -> Callable[..., Summary]:
    """Run the engine once; the rows must all have ended or have come back."""

    def go(execute: Any, *, store: type[Store] = Store, **settings: Any) -> Summary:
        return asyncio.run(_run(database.url, execute, store, settings))

    return go


async def _run(url: str, execute: Any, kind: type[Store], settings: dict[str, Any]) -> Summary:
    store = kind.postgres(url)
    try:
        engine = engine_over(store, execute, **settings)
        if hasattr(execute, "engine"):
            execute.engine = engine
        return await engine.run(await store.tick())
    finally:
        await store.close()


def end(execution: Execution, ended: Ended = Ended.DONE, **said: Any) -> Outcome:
    return Outcome(execution_id=execution.id, token=execution.lease.token, ended=ended, **said)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what others do; fail when they do not."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in the database
            await asyncio.sleep(0.01)


async def complete(execution: Execution) -> Outcome:
    return end(execution)


def ends(summary: Summary) -> dict[str, int]:
    assert summary.claimed == sum(summary.ends.values())
    return {name: count for name, count in summary.ends.items() if count}


@pytest.mark.parametrize(("budget", "done", "due"), [(1, 1, 6), (5, 5, 2), (7, 7, 0), (10, 7, 0), (None, 7, 0)])
def test_a_budget_limits_the_run_and_without_one_all_are_run(rows, run, budget, done, due):
    rows(7)
    summary = run(complete, budget=budget)
    assert (ends(summary), summary.due) == ({"completed": done}, due)


def test_all_are_run_when_they_need_several_claims(rows, run, monkeypatch):
    monkeypatch.setattr("minutehand.scheduler.engine.pace.CLAIM_SIZE", 10)
    rows(47)
    seen: list[str] = []

    async def execute(execution: Execution) -> Outcome:
        seen.append(execution.id)
        return end(execution)

    assert ends(run(execute, budget=None, concurrency=3)) == {"completed": 47}
    assert len(set(seen)) == len(seen) == 47


def test_a_tick_claims_once_when_less_is_due_than_its_budget(rows, run):
    rows(3)
    limits: list[int] = []

    class Claiming(Store):
        async def claim(self, limit: int, **more: Any) -> Claim:
            limits.append(limit)
            return await super().claim(limit, **more)

    assert ends(run(complete, store=Claiming, budget=10)) == {"completed": 3}
    assert limits == [10]


def test_at_most_concurrency_executions_run_at_once(rows, run):
    rows(20)
    inside = most = 0

    async def execute(execution: Execution) -> Outcome:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        return end(execution)

    run(execute, budget=None, concurrency=4)
    assert most == 4


def test_a_slow_execution_occupies_one_lane_only(rows, run):
    rows(12)
    others_done = asyncio.Event()
    finished: list[str] = []

    async def execute(execution: Execution) -> Outcome:
        if execution.entity_id == "1":
            await asyncio.wait_for(others_done.wait(), 10)
        finished.append(str(execution.entity_id))
        if len(finished) == 11:
            others_done.set()
        return end(execution)

    assert ends(run(execute, budget=None, concurrency=2)) == {"completed": 12}
    assert finished[-1] == "1"


def test_suspects_run_one_by_one_with_nothing_else_in_flight(rows, run, database):
    rows(3)
    database.sql("update automation_execution_logs set lost_leases = 2 where entity_id in ('1', '2')")
    inside: set[str] = set()
    beside: dict[str, set[str]] = {}

    async def execute(execution: Execution) -> Outcome:
        me = str(execution.entity_id)
        inside.add(me)
        for _ in range(3):
            await asyncio.sleep(0)
            beside.setdefault(me, set()).update(inside - {me})
        inside.discard(me)
        assert execution.alone == (me != "3")
        return end(execution)

    assert ends(run(execute, budget=None)) == {"completed": 3}
    assert beside == {"1": set(), "2": set(), "3": set()}


def test_a_lost_lease_writes_nothing_more(rows, run, database):
    rows(2)

    async def execute(execution: Execution) -> Outcome:
        if execution.entity_id == "1":
            raise LeaseLost(execution.id)
        return end(execution)

    summary = run(execute)
    assert ends(summary) == {"completed": 1, "lost": 1}
    assert statuses(database) == {"1": ("processing", None), "2": ("completed", None)}


def test_a_late_worker_cannot_settle(rows, run, database):
    rows(1)

    async def execute(execution: Execution) -> Outcome:
        database.sql("update automation_execution_logs set lease_token = gen_random_uuid()")
        return end(execution)

    assert ends(run(execute)) == {"lost": 1}
    assert statuses(database) == {"1": ("processing", None)}


def test_a_database_that_is_away_meanwhile_defers_it(rows, run, database):
    rows(2)

    async def execute(execution: Execution) -> Outcome:
        if execution.entity_id == "1":
            raise Unreachable("db.example.com is away")
        return end(execution)

    assert ends(run(execute, budget=2)) == {"completed": 1, "waiting": 1}
    row = database.one(
        "select status, attempt, code, reason, scheduled_at > claimed_at as is_later"
        " from automation_execution_logs where entity_id = '1'"
    )
    assert row == {
        "status": "pending",
        "attempt": 0,
        "code": "database_unreachable",
        "reason": "the database did not answer",
        "is_later": True,
    }


def test_a_crash_ends_one_execution_and_affects_no_other(rows, run, database):
    rows(3)

    async def execute(execution: Execution) -> Outcome:
        if execution.entity_id == "2":
            raise ZeroDivisionError("a secret")
        return end(execution)

    assert ends(run(execute)) == {"completed": 2, "failed": 1}
    assert statuses(database)["2"] == ("failed", "internal_error")
    row = database.one("select reason from automation_execution_logs where entity_id = '2'")
    assert row["reason"] == "a bug in the executor: ZeroDivisionError"


def test_an_outcome_that_cannot_be_recorded_is_lost_and_comes_back(rows, run, database):
    class Mute(Store):
        async def settle(self, outcomes: list[dict[str, Any]]) -> list[Settled]:
            raise Unreachable("away")

    rows(2)
    assert ends(run(complete, store=Mute, lease_seconds=1)) == {"lost": 2}
    assert set(statuses(database).values()) == {("processing", None)}


@pytest.mark.parametrize(
    "error", [Unreachable("away"), AccessDenied("the key was accepted before"), Conflict("a lock")], ids=type
)
def test_an_outcome_is_recorded_however_long_the_database_is_away_while_the_lease_lives(rows, run, database, error):
    class Deaf(Store):
        calls = 0

        async def settle(self, outcomes: list[dict[str, Any]]) -> list[Settled]:
            Deaf.calls += 1
            if Deaf.calls < 3:
                raise error
            return await super().settle(outcomes)

    rows(2)
    assert ends(run(complete, store=Deaf)) == {"completed": 2}


def test_an_outcome_that_no_call_can_carry_is_lost_alone(rows, run, database):
    class Picky(Store):
        async def settle(self, outcomes: list[dict[str, Any]]) -> list[Settled]:
            if any(outcome["code"] == "bad" for outcome in outcomes if "code" in outcome):
                raise BadRequest("one of these cannot be stored")
            return await super().settle(outcomes)

    async def execute(execution: Execution) -> Outcome:
        return end(execution, Ended.FAILED, code="bad" if execution.entity_id == "1" else "other", reason="no")

    rows(3)
    assert ends(run(execute, store=Picky, budget=3)) == {"failed": 2, "lost": 1}


def test_what_the_claim_ends_counts_as_claimed(rows, run, database):
    rows(3)
    database.sql("update automation_execution_logs set workflow_id = gen_random_uuid() where entity_id = '1'")
    summary = run(complete, budget=3)
    assert ends(summary) == {"completed": 2, "failed": 1}
    assert [row["code"] for row in summary.executions if row["status"] == "failed"] == ["unreadable"]


def test_a_stop_releases_what_is_queued_at_once_and_lets_what_runs_finish(rows, run, database, monkeypatch):
    monkeypatch.setattr("minutehand.scheduler.engine.pace.Pace.claim_size", lambda pace: 10)
    rows(4)

    class Stopper:
        engine: Engine

        async def __call__(self, execution: Execution) -> Outcome:
            self.engine.stop()
            await until(lambda: [status for status, _ in statuses(database).values()].count("pending") == 3)
            return end(execution)

    stopper = Stopper()
    stopper.engine = None  # type: ignore[assignment]
    assert ends(run(stopper, concurrency=1)) == {"completed": 1, "released": 3}
    assert sorted(row["attempt"] for row in database.sql("select attempt from automation_execution_logs")) == [
        0,
        0,
        0,
        1,
    ]


def test_what_outlasts_the_grace_is_counted_as_lost(rows, run):
    rows(1)

    class Stopper:
        engine: Engine

        async def __call__(self, execution: Execution) -> Outcome:
            self.engine.stop()
            await asyncio.Event().wait()
            raise AssertionError

    stopper = Stopper()
    stopper.engine = None  # type: ignore[assignment]
    assert ends(run(stopper, grace_seconds=0.05)) == {"lost": 1}


def test_a_renewal_extends_our_leases_and_marks_the_lost_ones(rows, database):
    rows(2)

    async def go() -> list[Execution]:
        store = Store.postgres(database.url)
        try:
            claim = await store.claim(2, worker="w", lease_seconds=10, max_attempts=5)
            leases = Leases(store, 100)
            leases.add(claim.executions)
            database.sql("update automation_execution_logs set lease_token = gen_random_uuid() where entity_id = '2'")
            await leases.renew()
            return claim.executions
        finally:
            await store.close()

    ours, theirs = asyncio.run(go())
    ours.check_lease()
    assert ours.lease.expires_monotonic - time.monotonic() > 60
    with pytest.raises(LeaseLost):
        theirs.check_lease()
    left = database.one(
        "select extract(epoch from lease_expires_at - now()) as seconds from automation_execution_logs"
        " where entity_id = '1'"
    )
    assert 60 < left["seconds"] <= 100


def test_leases_are_renewed_while_the_engine_runs(rows, run, database):
    rows(1)
    expiry = "select lease_expires_at as at from automation_execution_logs"

    async def execute(execution: Execution) -> Outcome:
        first = database.one(expiry)["at"]
        await until(lambda: database.one(expiry)["at"] != first)
        return end(execution)

    assert ends(run(execute, lease_seconds=1)) == {"completed": 1}


def statuses(database) -> dict[str, tuple[str, str | None]]:
    found = database.sql("select entity_id, status, code from automation_execution_logs")
    return {row["entity_id"]: (row["status"], row["code"]) for row in found}


def test_max_time_ends_a_tick_whose_batch_was_short(rows, run):
    rows(2)

    async def execute(execution: Execution) -> Outcome:
        await asyncio.sleep(600)
        return end(execution)

    began = time.monotonic()
    summary = run(execute, budget=10, max_seconds=4, grace_seconds=0.2)
    assert ends(summary) == {"lost": 2}
    assert time.monotonic() - began < 300


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"budget": None}, {"waiting": 1, "completed": 2}),
        ({"budget": None, "max_seconds": 30}, {"waiting": 1, "completed": 2}),
        ({"budget": 10}, {"waiting": 1, "completed": 1}),
    ],
    ids=["a drain", "a drain with time", "a tick"],
)
def test_a_drain_waits_for_what_it_deferred_and_a_tick_never_does(rows, run, how, expected):
    rows(2)
    seen: list[str] = []

    async def execute(execution: Execution) -> Outcome:
        seen.append(str(execution.entity_id))
        if execution.entity_id == "1" and seen.count("1") == 1:
            return end(execution, Ended.DEFERRED, code="busy", reason="not now")
        return end(execution)

    assert ends(run(execute, **how)) == expected


@pytest.mark.parametrize("max_seconds", [None, 60])
def test_a_drain_waits_for_nothing_that_comes_back_late(rows, run, max_seconds):
    rows(2)

    async def execute(execution: Execution) -> Outcome:
        return end(execution, Ended.DEFERRED, code="busy", reason="not now", retry_after_seconds=3600)

    began = time.monotonic()
    assert ends(run(execute, budget=None, max_seconds=max_seconds)) == {"waiting": 2}
    assert time.monotonic() - began < 60
