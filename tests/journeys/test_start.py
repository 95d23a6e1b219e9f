"""`start`: a tick at once and then each minute, through outages, until it is told to stop."""

from __future__ import annotations

import json
import signal
from datetime import datetime
from functools import partial
from typing import Any

import psycopg

from tests.journeys.app import App, Minutehand, Running, wait_until, webhook
from tests.servers import SETTINGS, Database


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
    said = [json.loads(line) for line in err.splitlines()]
    assert (said[0]["event"], said[-1]["event"]) == ("scheduler_started", "scheduler_stopped")
    started, second = (datetime.fromisoformat(line["timestamp"]) for line in (said[0], ticks(processor)[1]))
    assert (second - started).total_seconds() > 0.5


def test_with_drain_each_tick_runs_all_that_is_due(app, minutehand, shop):
    app.workflow(
        webhook(shop.url),
    )
    for _ in range(12):
        app.complete()
    with minutehand.running("start", "--drain", "--every", "30m") as processor:
        wait_until(lambda: len(ticks(processor)) == 1, "the end of the first tick")
        assert minutehand("status").stdout.count("backlog") == 0
        code, *_ = processor.end(signal.SIGTERM)
    (tick,) = ticks(processor)
    assert (code, tick["claimed"], tick["due"], len(shop.requests)) == (0, 12, 0, 12)


def test_a_backlog_says_how_long_ticks_need_for_it_until_a_worker_runs(app, minutehand, shop):
    app.workflow(
        webhook(shop.url),
    )
    for _ in range(35):
        app.complete()
    assert "backlog     35 due, 10 a tick: 4 min; run with --drain\n" in minutehand("status").stdout
    assert (
        "5 claimed: 5 completed; 30 still due, 5 a tick: 6 min; run with --drain ("
        in minutehand("run-once", "-n", "5").stdout
    )
    assert "backlog     30 due, 5 a tick: 6 min; run with --drain\n" in minutehand("status").stdout
    with minutehand.running("start", "-n", "4", "--every", "30s") as processor:
        wait_until(lambda: len(ticks(processor)) == 1, "the end of the first tick")
        processor.end(signal.SIGTERM)
    assert ticks(processor)[0]["backlog"] == "4 a tick: 3 min 30 s; run with --drain"
    assert minutehand("worker", "--max-jobs", "1").returncode == 0
    said = minutehand("status")
    assert ("due         25 (" in said.stdout, "backlog" in said.stdout) == (True, False)


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
    return [line for line in lines if line["event"] == "tick_completed"]


def test_a_bad_configuration_ends_it_at_once(empty_database, tmp_path):
    done = Minutehand(tmp_path, {"DATABASE_URL": empty_database.url})("start")
    assert (done.returncode, "minutehand migrate" in done.stderr) == (78, True)
