"""What systemd hears of a worker: that it is ready, how it goes, and nothing more once its loop is stuck."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.config import LogSettings, RunSettings
from minutehand.scheduler.demo.receivers import HttpReceiver
from minutehand.scheduler.engine.worker import Worker
from minutehand.scheduler.process import liveness
from minutehand.scheduler.process.sd_notify import ServiceManager, Systemd, service_manager
from minutehand.store import Store
from minutehand.store.embedded import Embedded
from tests.journeys.app import App, Minutehand, wait_until, webhook
from tests.journeys.watching import systemd
from tests.logs import forget_log
from tests.plug_in import install
from tests.servers import SETTINGS, Database

BLOCKING = """
import time
from minutehand.executor.outcome import StepResult

class Block:
    def check(self, config):
        pass

    async def run(self, run):
        time.sleep(600)  # not asyncio's: nothing else turns meanwhile
        return StepResult.done()
"""

WAITING = """
select count(*) as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()
"""


@pytest.fixture
def plug_in(minutehand: Minutehand, tmp_path: Path) -> None:
    """An action that blocks the loop, installed beside Minutehand."""
    install(tmp_path / "site", "blocking", BLOCKING, actions={"block": "Block"})
    minutehand.environment["PYTHONPATH"] = str(tmp_path / "site")


@pytest.mark.parametrize("address", [None, "@minutehand-test"], ids=["path", "abstract"])
def test_a_worker_reports_ready_status_and_stopping(
    app: App, minutehand: Minutehand, shop: HttpReceiver, address: str | None
) -> None:
    app.workflow(webhook(shop.url))
    environment = {"WATCHDOG_USEC": "200000"}
    with systemd(address) as watcher:
        environment["NOTIFY_SOCKET"] = watcher.address
        with minutehand.running("worker", "--poll-seconds", "1h", **environment) as worker:
            watcher.wait_for("READY=1")
            app.complete()
            watcher.wait_for("STATUS=working; 1 completed")
            watcher.wait_for("WATCHDOG=1", more=5)  # idle it is not stuck
            assert worker.end(signal.SIGTERM)[0] == 0
        watcher.listen(0.1)
    assert watcher.facts.count("READY=1") == watcher.facts.count("STOPPING=1") == 1


def test_a_step_that_blocks_the_loop_ends_the_watchdog(
    app: App, minutehand: Minutehand, plug_in: None, shop: HttpReceiver
) -> None:
    app.workflow({"type": "block", "config": {}})
    with systemd() as watcher:
        environment = {"WATCHDOG_USEC": "200000", "NOTIFY_SOCKET": watcher.address}
        with minutehand.running("worker", **environment):
            watcher.wait_for("READY=1")
            app.complete()
            wait_until(lambda: app.execution()["status"] == "processing", "the step")
            wait_until(lambda: "WATCHDOG=1" not in watcher.listen(1.0), "its silence: systemd would start it anew")


def test_an_unreachable_database_does_not_end_the_watchdog(own_server: Embedded, minutehand: Minutehand) -> None:
    minutehand.environment["DATABASE_URL"] = own_server.start(SETTINGS)
    assert minutehand("migrate").returncode == 0
    own_server.stop()
    with systemd() as watcher:
        environment = {"WATCHDOG_USEC": "200000", "NOTIFY_SOCKET": watcher.address}
        with minutehand.running("worker", "--poll-seconds", "0.2", **environment):
            watcher.wait_for("READY=1")
            watcher.wait_for("STATUS=database unreachable since ")
            watcher.wait_for("WATCHDOG=1", more=1)
            own_server.start(SETTINGS)
            watcher.wait_for("STATUS=working")


def test_with_bad_configuration_it_is_never_ready(empty_database: Database, tmp_path: Path) -> None:
    with systemd() as watcher:
        done = Minutehand(tmp_path, {"DATABASE_URL": empty_database.url})("worker", NOTIFY_SOCKET=watcher.address)
        watcher.listen(0.1)
    assert (done.returncode, watcher.facts) == (78, [])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A beat is late soon."""
    monkeypatch.setattr(liveness, "SLACK_SECONDS", 1.5)
    yield
    forget_log()


def test_housekeeping_that_hangs_is_stuck_until_it_ends_or_fails(
    app: App, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minutehand.store.drivers.postgres.CALL_SECONDS", 6.0)

    async def go(watcher: ServiceManager) -> None:
        store = Store.postgres(app.database.url)
        worker = Worker(store, RunSettings(), ExecutorSettings(), LogSettings(), poll_seconds=0.1, manager=watcher)
        working = asyncio.ensure_future(worker.work())

        async def until(stuck: bool, away: bool) -> None:
            async with asyncio.timeout(60):
                while (worker.liveness.is_stuck, worker.liveness.is_database_unreachable) != (stuck, away):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

        await asyncio.sleep(4)  # longer than what is allowed
        assert (worker.liveness.is_stuck, worker.liveness.is_database_unreachable) == (False, False), "idle"
        with psycopg.connect(app.database.url) as other:
            other.execute("lock table automation_workers in access exclusive mode")
            await until(True, False)
            await until(False, True)  # its call was given up and told
            assert app.database.one(WAITING)["n"] <= 1, "what was given up does not wait on in the database"
        await until(False, False)
        worker.stop()
        await working
        await store.close()

    heard: list[str] = []

    class Listening(ServiceManager):
        report_seconds = 0.05

        def notify(self, *facts: str) -> None:
            heard.extend(fact.partition(":")[0] for fact in facts)

    asyncio.run(go(Listening()))
    first, last = heard.index("STATUS=stuck"), len(heard) - heard[::-1].index("STATUS=stuck")
    assert heard[0] == "WATCHDOG=1"
    assert "WATCHDOG=1" not in heard[first:last]
    assert "WATCHDOG=1" in heard[last:]


def test_the_variables_of_systemd_are_parsed() -> None:
    assert type(service_manager({})) is ServiceManager
    assert type(service_manager({"NOTIFY_SOCKET": "vsock:2:1234"})) is ServiceManager
    assert service_manager({"NOTIFY_SOCKET": "/run/x"}).report_seconds == 5
    assert service_manager({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "60000000"}).report_seconds == 5
    assert service_manager({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "3000000"}).report_seconds == 1.5
    meant_for_another = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}
    assert service_manager(meant_for_another).report_seconds == 5


def test_a_missing_systemd_socket_does_not_block() -> None:
    Systemd("/nowhere/notify", None).notify("READY=1")
