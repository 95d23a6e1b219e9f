"""The way to the database goes silent: packets vanish, nothing closes, and what is sent seems to arrive.

TCP cannot see it; so a call has a time limit, and a listener that hears nothing asks.  In the normal run the limits are
short, and the worker runs in the test's own process; in the long one they are as they are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.config import LogSettings, RunSettings
from minutehand.scheduler.demo.receivers import Answer
from minutehand.scheduler.engine.worker import Worker
from minutehand.store import Store
from minutehand.store.drivers import postgres
from minutehand.store.drivers.postgres import PostgresDriver
from minutehand.store.errors import Unreachable
from tests.chaos.harness import LONG, Shop
from tests.chaos.line import Line
from tests.contract.backends import CountingDriver
from tests.journeys.app import App, Gate, wait_until, webhook
from tests.logs import forget_log
from tests.servers import CLAIM, Database

#: The driver gives a cancellation 5 s to arrive and 5 s to be heard (psycopg), beyond our own limits.
CANCELLED_SECONDS = 10.0


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make them short."""
    if not LONG:
        monkeypatch.setattr(postgres, "CALL_SECONDS", 1.0)
        monkeypatch.setattr(postgres, "LISTENER_CHECK_SECONDS", 0.5)
        monkeypatch.setattr(postgres, "LISTENER_ANSWER_SECONDS", 0.5)
    yield
    forget_log()


@pytest.fixture
def app(database: Database, shop: Shop) -> App:
    """The app, whose jobs send a webhook each."""
    made = App(database)
    made.workflow(webhook(shop.url))
    return made


@asynccontextmanager
async def working(url: str, *, poll_seconds: float, connect_seconds: float = 2) -> AsyncIterator[Worker]:
    """A worker beside the block, in this process."""
    store = Store(PostgresDriver(url, connect_timeout_seconds=connect_seconds))
    hands = ExecutorSettings(allow_private_addresses=True)
    worker = Worker(store, RunSettings(), hands, LogSettings(log_level="error"), poll_seconds=poll_seconds)
    work = asyncio.ensure_future(worker.work())
    try:
        yield worker
    finally:
        worker.stop()
        await work
        await store.close()


async def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> float:
    """Wait beside the worker; returns how long it took."""
    started = time.monotonic()
    await asyncio.to_thread(wait_until, condition, what, seconds)
    return time.monotonic() - started


LISTENERS = "select pid from pg_stat_activity where query = 'listen minutehand' and datname = current_database()"


def test_a_listener_that_hears_nothing_is_backed_by_the_poll_and_listens_anew(app: App, shop: Shop) -> None:
    async def go(url: str, line: Line) -> None:
        async with working(url, poll_seconds=1):
            await until(lambda: app.database.sql(LISTENERS), "the listener")
            deaf = app.database.sql(LISTENERS)
            await asyncio.sleep(0.2)
            assert line.silence(listener_only=True) == 1
            app.complete()
            await until(lambda: len(shop.requests) == 1, "the message by the poll", 10)
            allowed = postgres.LISTENER_CHECK_SECONDS + postgres.LISTENER_ANSWER_SECONDS + CANCELLED_SECONDS + 60
            took = await until(lambda: new_listener(deaf), "the new listener", allowed)
            print(f"\nlistener silent: listens anew after {took:.1f} s")

    def new_listener(deaf: list[dict[str, Any]]) -> bool:
        return any(row not in deaf for row in app.database.sql(LISTENERS))

    with Line(app.database.url) as line:
        asyncio.run(go(line.url, line))


def test_when_all_goes_silent_it_says_so_and_works_on_once_a_new_connection_passes(app: App, shop: Shop) -> None:
    async def go(url: str, line: Line) -> None:
        async with working(url, poll_seconds=0.3) as worker:
            app.complete_many(3)  # several connections are open
            await until(lambda: len(shop.requests) == 3, "the first messages")
            assert line.silence() >= 2
            allowed = postgres.CALL_SECONDS + CANCELLED_SECONDS + 60
            told = await until(lambda: worker.liveness.is_database_unreachable, "the word of it", allowed)
            assert not worker.liveness.is_stuck
            app.complete()
            line.heal()  # the old connections stay silent
            took = await until(lambda: len(shop.requests) == 4, "the next message", 30 + allowed)
            print(f"\nall silent: told after {told:.1f} s, worked on {took:.1f} s after its end")
            assert not worker.liveness.is_database_unreachable

    with Line(app.database.url) as line:
        asyncio.run(go(line.url, line))


def test_a_call_that_hangs_is_tried_once_more_and_leaves_nothing_behind(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "CALL_SECONDS", 0.3)
    monkeypatch.setattr("minutehand.store.repeat.SHORT_SECONDS", 0.5)
    driver = CountingDriver(PostgresDriver(app.database.url))

    async def claim() -> None:
        try:
            await Store(driver).claim(1, **CLAIM)
        finally:
            await driver.close()

    with psycopg.connect(app.database.url) as other:
        other.execute("lock table automation_execution_logs in access exclusive mode")
        with pytest.raises(Unreachable, match=r"did not answer within 0\.3 s"):
            asyncio.run(claim())
        assert app.database.sql(WAITING) == [], "it does not wait on in the database"
    assert driver.calls == ["claim", "claim"]


WAITING = "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
#: Another job's execution, due soon.
LATER = """
insert into automation_execution_logs (workflow_id, trigger_type, organization_id, status, trigger_data, scheduled_at)
select id, 'job_completed', 'north', 'pending', '{}', now() + interval '1.5 s' from automation_workflows
"""


def test_what_is_in_flight_holds_up_no_claim_when_the_database_comes_back(
    app: App, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minutehand.store.repeat.SHORT_TRIES", 1)  # no repeats: a claim fails at once
    # A claim that is given up while the database does it holds its rows until their lease ends.
    monkeypatch.setattr(postgres, "CALL_SECONDS", 30.0)
    gate = Gate()
    shop.then(Answer(after=gate))

    async def go(url: str, line: Line) -> None:
        async with working(url, poll_seconds=3600, connect_seconds=3) as worker:
            await until(lambda: app.database.sql(LISTENERS), "the listener")
            app.database.sql(LATER)
            app.complete()
            await until(gate.reached.is_set, "the long step")
            line.refuse()
            await until(lambda: worker.liveness.is_database_unreachable, "the claim that failed")
            line.heal()
            await until(ended, "what was due meanwhile", 25)
            assert not gate.is_set()
            gate.set()

    def ended() -> bool:
        return bool(app.database.sql("select 1 from automation_execution_logs where status = 'completed'"))

    try:
        with Line(app.database.url) as line:
            asyncio.run(go(line.url, line))
    finally:
        gate.set()
    assert [row["status"] for row in app.executions()] == ["completed"] * 2
