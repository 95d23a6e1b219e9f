"""`start`: a tick at once and then each minute, through outages, until it is told to stop."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

import psycopg
import pytest

from scheduler.demo.receivers import Answer
from store.embedded import Embedded
from tests.journeys.app import App, Gate, Minutehand, Running, wait_until, webhook
from tests.servers import SETTINGS, Database, temporary_folder


def test_the_first_tick_is_at_once_and_the_second_after_the_given_time(app, minutehand, shop):
    app.workflow(webhook(shop.url))
    app.complete()
    with minutehand.running("start", "--every", "1s") as processor:
        wait_until(lambda: len(ticks(processor)) == 1, "the end of the first tick")
        assert len(shop.requests) == 1
        app.complete()
        wait_until(lambda: len(ticks(processor)) == 2, "the end of the second tick")
        assert len(shop.requests) == 2
        code, out, err = processor.end(signal.SIGTERM)
    assert (code, out) == (0, "")
    first, second = (datetime.fromisoformat(tick["timestamp"]) for tick in ticks(processor))
    assert (second - first).total_seconds() > 0.5
    assert json.loads(err.splitlines()[-1])["event"] == "stopped"


def test_sigterm_lets_what_runs_finish_and_releases_the_rest(app, minutehand, shop):
    gate = Gate()
    shop.then(Answer(after=gate))
    app.workflow(webhook(shop.url))
    app.complete_many(3)
    with minutehand.running("start", "--concurrency", "1") as processor:
        wait_until(gate.reached.is_set, "the first request")
        processor.kill(signal.SIGTERM)
        wait_until(lambda: statuses(app) == ["pending", "pending", "processing"], "the release")
        gate.set()
        assert processor.end()[0] == 0
    assert statuses(app) == ["completed", "pending", "pending"]
    assert [row["attempt"] for row in app.executions() if row["status"] == "pending"] == [0, 0]
    assert len(shop.requests) == 1


def test_the_grace_ends_what_does_not_finish_and_it_is_found_again(app, minutehand, shop):
    gate = Gate()
    shop.then(Answer(after=gate))
    app.workflow(webhook(shop.url))
    app.complete()
    with minutehand.running("start", "--grace", "0.2s") as processor:
        wait_until(gate.reached.is_set, "the request")
        code, _, err = processor.end(signal.SIGTERM)
        gate.set()
    assert (code, '"lost": 1' in err) == (0, True)
    assert statuses(app) == ["processing"]
    app.expire_leases()
    minutehand.run_once()
    app.make_due()
    assert minutehand.run_once()["completed"] == 1


@pytest.fixture
def own_server() -> Iterator[Embedded]:
    """A server that a test may stop."""
    with temporary_folder() as folder:
        server = Embedded(folder / "home")
        try:
            yield server
        finally:
            server.stop()


def test_it_waits_for_a_database_that_is_away_at_first_and_goes_away_again(own_server, minutehand, shop):
    url = own_server.start(SETTINGS)
    minutehand.environment["DATABASE_URL"] = url
    assert minutehand("migrate").returncode == 0
    own_server.stop()
    with minutehand.running("start", "--every", "0.3s", "--grace", "0.5s") as processor:
        wait_until(lambda: "tick_failed" in processor.heard(), "a failed tick")
        for number in (1, 2):
            complete_one(own_server.start(SETTINGS), shop.url)
            wait_until(partial(lambda n: len(shop.requests) == n, number), f"message {number}")
            own_server.stop()
        code, _, _ = processor.end(signal.SIGTERM)
    assert code == 0


def complete_one(url: str, receiver: str) -> None:
    with psycopg.connect(url, autocommit=True, row_factory=psycopg.rows.dict_row) as connection:
        connection.execute("drop table if exists jobs, clients cascade")
        app = App(Database(url, connection))
        connection.execute("delete from automation_workflows")
        connection.execute("delete from automation_execution_logs")
        app.workflow(webhook(receiver))
        app.complete()


def ticks(processor: Running) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in processor.heard().split("\n")[:-1]]
    return [line for line in lines if line["event"] == "tick_done"]


def statuses(app: App) -> list[str]:
    return sorted(row["status"] for row in app.executions())


def test_a_bad_configuration_ends_it_at_once(empty_database, tmp_path):
    done = Minutehand(tmp_path, {"DATABASE_URL": empty_database.url})("start")
    assert (done.returncode, "minutehand migrate" in done.stderr) == (78, True)
