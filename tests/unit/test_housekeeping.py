"""A long run repeats the housekeeping: its heartbeat, lost leases, the breaker and its warning."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.config import LogSettings, RunSettings
from minutehand.scheduler.demo.receivers import Answer, HttpReceiver
from minutehand.scheduler.engine import tick as module
from minutehand.scheduler.engine.tick import TickRunner
from minutehand.store import Store
from minutehand.store.errors import Unreachable
from tests.journeys.app import App, Gate, webhook
from tests.servers import Database

SOON = 0.02


@pytest.fixture
def shop() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The log's entries; the beat is quick."""
    monkeypatch.setattr(module, "HOUSEKEEPING_SECONDS", SOON)
    monkeypatch.setattr("minutehand.scheduler.logs.configure", lambda settings: None)
    with structlog.testing.capture_logs() as entries:
        yield entries


def drain(database: Database, shop: HttpReceiver, meanwhile: Any, *, store: type[Store] = Store) -> Any:
    """Complete a job and drain; its webhook is answered when `meanwhile(app)` has ended."""
    app = App(database)
    app.workflow(webhook(shop.url), name="loop", settings={"rate_limit": None, "breaker": {"n": 3}})
    gate = Gate()
    shop.then(Answer(after=gate))
    app.complete()

    async def go() -> Any:
        opened = store.postgres(database.url)
        settings = ExecutorSettings(allow_private_addresses=True)
        runner = TickRunner(opened, RunSettings(), settings, LogSettings(), mode="test", drain=True)
        running = asyncio.create_task(runner.tick())
        try:
            async with asyncio.timeout(60):
                await asyncio.to_thread(gate.reached.wait, 60)
                await meanwhile(app)
            gate.set()
            return await running
        finally:
            gate.set()
            await asyncio.wait([running])
            await opened.close()

    return asyncio.run(go())


async def until(condition: Any) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for happens in the database
        await asyncio.sleep(SOON)


def test_the_breaker_trips_during_a_long_run_and_the_log_names_the_workflow(
    database: Database, shop: HttpReceiver, log: list[Any]
) -> None:
    async def fire(app: App) -> None:
        for _ in range(5):
            app.complete()
        await until(lambda: app.database.sql("select * from automation_control"))

    drain(database, shop, fire)
    assert {"event": "breaker_tripped", "workflow": "loop", "log_level": "warning"} in log
    (pause,) = database.sql("select * from automation_control")
    assert pause["reason"].startswith("breaker: ")


def test_a_long_run_records_heartbeats(database: Database, shop: HttpReceiver) -> None:
    seen = "select heartbeat_at as at from automation_workers"

    async def wait(app: App) -> None:
        first = app.database.one(seen)["at"]
        await until(lambda: app.database.one(seen)["at"] > first)

    assert drain(database, shop, wait).ends["completed"] == 1


def test_housekeeping_that_fails_is_logged_and_the_run_goes_on(
    database: Database, shop: HttpReceiver, log: list[Any]
) -> None:
    class Shaky(Store):
        """Cannot be reached by any but the first tick."""

        ticks = 0

        async def tick(self, *arguments: Any, **named: Any) -> Any:
            Shaky.ticks += 1
            if Shaky.ticks > 1:
                raise Unreachable("the line is cut")
            return await super().tick(*arguments, **named)

    async def wait(app: App) -> None:
        await until(lambda: Shaky.ticks > 3)

    assert drain(database, shop, wait, store=Shaky).ends["completed"] == 1
    assert {"event": "housekeeping_failed", "reason": "the line is cut", "log_level": "warning"} in log


#: What is broken, what is said to fail, and of which words.
BROKEN = {
    "prune": ("drop function automation_prune", "automation_prune"),
    "pruning": ("alter function minutehand.first_event_since rename to gone", "first_event_since"),
    "matching": ("drop function automation_match", "automation_match"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_fails_beside_the_queue_stops_nothing_and_is_shown(
    database: Database, call: Any, what: str, shop: HttpReceiver
) -> None:
    change, words = BROKEN[what]
    app = App(database)
    app.workflow(webhook(shop.url))
    app.complete()
    if what == "matching":
        database.sql("update automation_events set matched_at = null")
    database.sql(change)
    url = {"DATABASE_URL": database.url, "MINUTEHAND_ALLOW_PRIVATE_ADDRESSES": "1"}
    done = call("run-once", "--keep", "1d", "-o", "json", **url)
    assert (done.code, json.loads(done.out)["completed"]) == (0, 1), done.err
    assert app.database.one("select problems from automation_workers")["problems"].keys() == {what}
    status = call("status", "-o", "json", **url)
    (problem,) = (text for text in json.loads(status.out)["problems"] if "run-once on " in text)
    assert f": {what} failed: " in problem
    assert words in problem
    assert f"{what} failed: " in call("doctor", **url).out


#: How a schema is half there.
HALF = {
    "a column that only a step needs": "alter table communication_logs drop column channel",
    "a column of the queue": "alter table automation_execution_logs drop column scheduled_at cascade",
    "a column of a heartbeat": "alter table automation_workers drop column tick_seconds",
    "a table": "drop table automation_opt_outs cascade",
    "a helper": "drop function minutehand.count_due",
    "an older answer": "create or replace function automation_tick(p_worker jsonb default null, p_hold_seconds integer"
    " default null, p_now timestamptz default null) returns jsonb language sql as $$"
    " select jsonb_build_object('schema_version', 7, 'due', 0) $$",
}


@pytest.mark.parametrize("what", HALF)
def test_a_schema_that_is_half_there_is_told_by_every_command(database: Database, call: Any, what: str) -> None:
    database.sql(HALF[what])
    url = {"DATABASE_URL": database.url}
    commands = [("run-once",), ("worker",), ("status",)]
    if "answer" in what or "helper" in what:
        commands.remove(("status",))
    for command in commands:
        done = call(*command, **url)
        assert (done.code, "Traceback" in done.err) == (78, False), (command, done)
        assert "minutehand migrate" in done.err


def test_a_problem_that_is_over_is_shown_no_more(database: Database, call: Any) -> None:
    url = {"DATABASE_URL": database.url}
    database.sql(BROKEN["pruning"][0])
    call("run-once", **url)
    database.sql("alter function minutehand.gone rename to first_event_since")
    call("run-once", **url)
    assert json.loads(call("status", "-o", "json", **url).out)["problems"] == []


def test_the_commands_pause_and_resume(database: Database, call: Any, tmp_path: Path) -> None:
    app = App(database)
    app.workflow(webhook("http://127.0.0.1:9/"))
    app.complete_many(2)
    url = {"DATABASE_URL": database.url}
    assert call("pause", "--reason", "wrong prices", **url).out == "everything paused (wrong prices): 2 pending held\n"
    assert call("pause", "--tenant", "north", **url).out == "tenant north paused: 2 pending held\n"
    database.call("automation_pause", p_scope="workflow", p_target="Thank the client")
    said = call("status", **url).out
    for line in ("everything: wrong prices", "tenant north", 'workflow "Thank the client"'):
        assert f"paused      {line}\n" in said
    assert json.loads(call("pause", "-o", "json", **url).out)["existed"] is True
    resumed = call("resume", **url).out
    assert resumed == (
        "everything resumed: 2 pending continue when they are due\n"
        "still paused: tenant, workflow; see: minutehand status\n"
    )
    assert call("resume", "--tenant", "north", **url).out.startswith("tenant north resumed: 2 pending")
    assert call("resume", **url).out.startswith("everything was not paused\n")
    assert call("pause", "--tenant", "", **url).code == 2
