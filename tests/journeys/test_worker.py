"""The continuous worker: at once when something is due, quiet when nothing is, and back by itself."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import psycopg
import pytest

from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.config import LogSettings, RunSettings
from minutehand.scheduler.demo.receivers import Answer, HttpReceiver, SmtpReceiver
from minutehand.scheduler.engine.housekeeping import PRUNE_SECONDS
from minutehand.scheduler.engine.worker import Worker
from minutehand.store import Store
from minutehand.store.drivers.postgres import LISTENER_CHECK_SECONDS, PostgresDriver
from minutehand.store.embedded import Embedded
from tests.contract.backends import CountingDriver
from tests.journeys.app import App, Gate, Minutehand, email, wait_until, webhook
from tests.journeys.test_start import complete_one
from tests.logs import forget_log
from tests.servers import SETTINGS, Database

#: So long that nothing in these tests happens by it.
FAR = "1h"


def is_listening(app: App) -> bool:
    return bool(app.database.sql("select id from automation_workers where mode = 'worker' and listens"))


def test_a_notification_starts_an_execution_at_once(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    app.workflow(webhook(shop.url))
    with minutehand.running("worker", "--poll-seconds", FAR) as worker:
        wait_until(lambda: is_listening(app), "the worker")
        for number in range(1, 4):
            app.complete()
            wait_until(partial(lambda n: len(shop.requests) == n, number), f"message {number}")
        assert worker.end(signal.SIGTERM)[0] == 0
    assert worker.events("worker_stopped")[0]["completed"] == 3


def test_an_execution_runs_when_it_comes_due_without_notification_or_poll(
    app: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    workflow = app.workflow(webhook(shop.url))
    in_a_second = "select (now() + interval '1.5 s')::text as at"
    at = app.database.one(in_a_second)["at"].replace(" ", "T") + ":00"
    minutehand("enqueue", workflow, "--payload", "{}", "--at", at)
    with minutehand.running("worker", "--poll-seconds", FAR):
        wait_until(lambda: shop.requests, "the message")
    row = app.database.one("select started_at >= scheduled_at as after_it from automation_execution_logs")
    assert row["after_it"]


def test_the_poll_finds_what_no_notification_reported(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    app.workflow(webhook(shop.url))
    with minutehand.running("worker", "--poll-seconds", "0.3"):
        wait_until(lambda: is_listening(app), "the worker")
        app.database.sql("update automation_workers set heartbeat_at = now() - interval '1 h'")  # nobody is told
        app.complete()
        wait_until(lambda: shop.requests, "the message")


def test_over_rest_it_polls(project: Any, shop: HttpReceiver, tmp_path: Any) -> None:
    App(project.owner).workflow(webhook(shop.url))
    given = {
        "SUPABASE_URL": project.url,
        "SUPABASE_SERVICE_ROLE_KEY": project.secret_key,
        "MINUTEHAND_ALLOW_PRIVATE_ADDRESSES": "1",
    }
    with Minutehand(tmp_path, given).running("worker", "--poll-seconds", "0.3") as worker:
        wait_until(lambda: worker.events("worker_polls"), "the word that it polls")
        project.owner.sql("insert into jobs (id, organization_id, client_id) values ('J-1', 'north', 'C-1')")
        project.owner.sql("update jobs set status = 'completed' where id = 'J-1'")
        wait_until(lambda: shop.requests, "the message")
        assert worker.end(signal.SIGTERM)[0] == 0


def test_a_slow_step_delays_no_other_execution(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    gate = Gate()
    shop.then(Answer(after=gate))
    app.workflow(webhook(shop.url))
    with minutehand.running("worker", "--poll-seconds", FAR) as worker:
        wait_until(lambda: is_listening(app), "the worker")
        app.complete()
        wait_until(gate.reached.is_set, "the slow one")
        for _ in range(3):
            app.complete()
        wait_until(lambda: len(shop.requests) == 4, "the others")
        gate.set()
        assert worker.end(signal.SIGTERM)[0] == 0
    assert {row["status"] for row in app.executions()} == {"completed"}


def test_a_retry_runs_when_it_is_due(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    shop.then(Answer(status=429, headers={"Retry-After": "1"}))
    app.workflow(webhook(shop.url))
    with minutehand.running("worker", "--poll-seconds", FAR):
        wait_until(lambda: is_listening(app), "the worker")
        app.complete()
        wait_until(lambda: len(shop.requests) == 2, "the second try")


def test_a_worker_stops_after_max_jobs_or_max_time(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    app.workflow(webhook(shop.url))
    app.complete_many(5)
    with minutehand.running("worker", "--max-jobs", "3") as worker:
        assert worker.end()[0] == 0
    assert worker.events("worker_stopped")[0]["completed"] == 3
    with minutehand.running("worker", "--max-time", "1s") as worker:
        assert worker.end()[0] == 0
    assert len(shop.requests) == 5


def test_a_signal_lets_what_runs_finish_and_releases_the_rest(
    app: App, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    gate = Gate()
    shop.then(Answer(after=gate))
    app.workflow(webhook(shop.url))
    app.complete_many(5)
    with minutehand.running("worker", "--concurrency", "1") as worker:
        wait_until(gate.reached.is_set, "the first")
        worker.kill(signal.SIGTERM)
        wait_until(lambda: [r["status"] for r in app.executions()].count("pending") == 4, "the release")
        gate.set()
        assert worker.end()[0] == 0
    ends = sorted((row["status"], row["attempt"]) for row in app.executions())
    assert ends == [("completed", 1)] + [("pending", 0)] * 4


@pytest.fixture
def own_log() -> Iterator[None]:
    """A worker in the test's own process sets the log up; undo it."""
    yield
    forget_log()


async def idle(store: Store, *, beats: int, poll_seconds: float) -> None:
    """Let a worker look so often, and end it."""
    quiet, kept = LogSettings(log_level="error"), RunSettings(keep_seconds=90 * 86_400)
    worker = Worker(store, kept, ExecutorSettings(), quiet, poll_seconds=poll_seconds)
    asyncio.get_running_loop().call_later((beats - 0.5) * poll_seconds, worker.stop)
    await worker.work()
    await store.close()


def test_an_idle_worker_makes_one_call_per_poll(app: App, own_log: None) -> None:
    driver = CountingDriver(PostgresDriver(app.database.url))
    started = time.monotonic()
    asyncio.run(idle(Store(driver), beats=20, poll_seconds=0.2))
    beats = driver.calls.count("tick")
    assert 2 <= beats <= (time.monotonic() - started) / 0.2 + 1
    assert driver.calls.count("claim") == 1, "the first look"
    assert driver.calls.count("prune") == 1, "once a minute"
    assert set(driver.calls) == {"tick", "claim", "prune"}


TRANSACTIONS = "select xact_commit + xact_rollback from pg_stat_database where datname = %s"
CONNECTED = "select count(*) from pg_stat_activity where datname = %s and application_name = 'minutehand'"


def test_an_idle_minute_takes_at_most_ten_transactions(
    app: App, own_log: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute, played thirty times as fast; the database counts, its listener included."""
    monkeypatch.setattr("minutehand.store.drivers.postgres.LISTENER_CHECK_SECONDS", LISTENER_CHECK_SECONDS / 30)
    monkeypatch.setattr("minutehand.scheduler.engine.housekeeping.PRUNE_SECONDS", PRUNE_SECONDS / 30)
    name = app.database.one("select pg_stat_force_next_flush(), current_database() as name")["name"]
    with psycopg.connect(app.database.url.replace(f"/{name}?", "/postgres?"), autocommit=True) as beside:

        def number(query: str) -> int:
            (row,) = beside.execute(query.encode(), [name]).fetchall()
            return int(row[0])

        def played(minutes: int) -> int:
            """Transactions of a worker that is idle for so long; its connections are gone, so all are counted."""
            before = number(TRANSACTIONS)
            asyncio.run(idle(Store.postgres(app.database.url), beats=6 * minutes, poll_seconds=10 / 30))
            wait_until(lambda: number(CONNECTED) == 0, "its connections' end")
            return number(TRANSACTIONS) - before

        # All goes by the clock: a busy machine looks less often, and what belongs to a start takes part in it.
        second = sorted(played(2) - played(1) for _ in range(3))[1]
    assert 0 < second <= 10, "the second minute"


def test_two_workers_run_each_execution_once(app: App, minutehand: Minutehand, post: SmtpReceiver) -> None:
    app.workflow(email())
    with minutehand.running("worker", "--poll-seconds", "1s"), minutehand.running("worker", "--poll-seconds", "1s"):
        app.complete_many(100)
        wait_until(lambda: {row["status"] for row in app.executions()} == {"completed"}, "all")
    assert len(post.messages) == 100


def test_a_worker_waits_for_an_unreachable_database_and_logs_it_once(
    own_server: Embedded, minutehand: Minutehand, shop: HttpReceiver
) -> None:
    minutehand.environment["DATABASE_URL"] = own_server.start(SETTINGS)
    assert minutehand("migrate").returncode == 0
    with minutehand.running("worker", "--poll-seconds", "0.2", "--grace", "20s") as worker:
        complete_one(own_server.start(SETTINGS), shop.url)
        wait_until(lambda: len(shop.requests) == 1, "the first message")
        own_server.stop()
        wait_until(lambda: worker.events("database_unreachable"), "the word that it is away")
        complete_one(own_server.start(SETTINGS), shop.url)
        wait_until(lambda: len(shop.requests) == 2, "the second message")
        wait_until(lambda: worker.events("database_reachable"), "the word that it is back")
        wait_until(worker.said_each_outage_once, "one word of each outage")
        assert worker.end(signal.SIGTERM)[0] == 0


def test_a_database_without_the_schema_ends_the_worker(empty_database: Database, tmp_path: Any) -> None:
    done = Minutehand(tmp_path, {"DATABASE_URL": empty_database.url})("worker")
    assert (done.returncode, "minutehand migrate" in done.stderr) == (78, True)


def test_a_listener_that_is_cut_off_listens_again(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    app.workflow(webhook(shop.url))
    cut = "select pg_terminate_backend(pid) from pg_stat_activity where query = 'listen minutehand' and datname = %s"
    alive = "select count(*) as n from pg_stat_activity where query = 'listen minutehand' and datname = %s"
    (name,) = app.database.one("select current_database()").values()
    with minutehand.running("worker", "--poll-seconds", FAR):
        wait_until(lambda: is_listening(app), "the worker")
        assert len(app.database.sql(cut, name)) == 1
        wait_until(lambda: app.database.one(alive, name)["n"] == 1, "the new listener")
        app.complete()
        wait_until(lambda: shop.requests, "the message")
