"""`worker --processes N`: one parent, N workers; whoever dies is replaced, and whoever is told to end ends all."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from minutehand.scheduler.demo.receivers import Answer, HttpReceiver
from minutehand.scheduler.process.sd_notify import ServiceManager
from minutehand.scheduler.process.supervisor import Supervisor
from tests.journeys.app import App, Gate, Minutehand, wait_until, webhook
from tests.journeys.watching import systemd
from tests.servers import Database

TWO = ("worker", "--processes", "2", "--poll-seconds", "1h")


def children(app: App) -> list[int]:
    """Process ids of the workers that ever looked."""
    return [int(row["id"].rpartition(":")[2]) for row in app.database.sql("select id from automation_workers")]


def both(app: App) -> list[int]:
    wait_until(lambda: len(app.database.sql("select id from automation_workers where listens")) == 2, "both")
    return children(app)


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_processes_share_the_work_and_a_signal_ends_all(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    app.workflow(webhook(shop.url))
    with minutehand.running(*TWO, "--concurrency", "2") as parent:
        pids = both(app)
        assert parent.process.pid not in pids
        app.complete_many(250)  # more than one claims at once, and some time's work for two lanes
        wait_until(lambda: {row["status"] for row in app.executions()} == {"completed"}, "all")
        assert parent.end(signal.SIGTERM)[0] == 0
    ran = [line["claimed"] for line in parent.events("worker_stopped")]
    assert (len(ran), sum(ran), len(shop.requests)) == (2, 250, 250)
    assert min(ran) > 0
    assert not any(map(is_alive, pids))


def test_a_process_that_dies_is_logged_once_and_replaced(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    app.workflow(webhook(shop.url))
    with minutehand.running(*TWO) as parent:
        one, other = both(app)
        os.kill(one, signal.SIGKILL)
        wait_until(lambda: len(children(app)) == 3, "the new one")
        app.complete()
        wait_until(lambda: shop.requests, "the message")
        assert is_alive(other)
        assert parent.end(signal.SIGTERM)[0] == 0
    (died,) = parent.events("process_died")
    assert (died["pid"], died["exit_status"], died["pause_seconds"]) == (one, 137, 1)


def test_no_process_outlives_a_parent_that_is_killed(app: App, minutehand: Minutehand) -> None:
    with minutehand.running(*TWO) as parent:
        pids = both(app)
        parent.end(signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, pids)), "their end")
        assert len(parent.events("worker_stopped")) == 2, "they end as by SIGTERM"


def test_a_second_signal_goes_now(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    gate = Gate()
    shop.then(Answer(after=gate))
    app.workflow(webhook(shop.url))
    with minutehand.running(*TWO, "--grace", "1h") as parent:
        pids = both(app)
        app.complete()
        wait_until(gate.reached.is_set, "the step")
        parent.kill(signal.SIGTERM)
        wait_until(lambda: [is_alive(pid) for pid in pids].count(False) == 1, "the end of the one that is idle")
        assert parent.end(signal.SIGTERM)[0] == 143
        gate.set()
        wait_until(lambda: not any(map(is_alive, pids)), "the other's")


def test_bad_configuration_ends_all_processes(empty_database: Database, tmp_path: Path) -> None:
    done = Minutehand(tmp_path, {"DATABASE_URL": empty_database.url})(*TWO)
    assert (done.returncode, "minutehand migrate" in done.stderr, "process_died" in done.stderr) == (78, True, False)


def test_each_process_stops_at_its_own_limit(app: App, minutehand: Minutehand, shop: HttpReceiver) -> None:
    app.workflow(webhook(shop.url))
    app.complete_many(5)
    with minutehand.running(*TWO, "--max-jobs", "2") as parent:
        assert parent.end()[0] == 0
    assert [line["claimed"] for line in parent.events("worker_stopped")] == [2, 2]
    with minutehand.running(*TWO, "--max-time", "1s") as parent:
        assert parent.end()[0] == 0
    assert len(shop.requests) == 5


def test_the_parent_reports_for_all_processes(app: App, minutehand: Minutehand) -> None:
    with systemd() as watcher, minutehand.running(*TWO, NOTIFY_SOCKET=watcher.address) as parent:
        watcher.wait_for("READY=1")
        both(app)
        watcher.wait_for("STATUS=2 of 2 processes")
        assert parent.end(signal.SIGTERM)[0] == 0
        watcher.wait_for("STOPPING=1")
    assert watcher.facts.count("READY=1") == 1


CHILD = """
import os, socket, time
line = socket.socket(fileno=int(os.environ["MINUTEHAND_PARENT_SOCKET"]))
line.send(b"READY=1\\nWATCHDOG=1\\n")
{then}
"""


@pytest.mark.parametrize(
    ("then", "stuck_seconds", "event", "code"),
    [("time.sleep(600)", 0.3, "process_stuck", 137), ("os._exit(7)", 60, "process_died", 7)],
)
def test_a_stuck_process_is_killed_and_the_exit_status_is_logged(
    then: str, stuck_seconds: float, event: str, code: int
) -> None:
    parent = Supervisor(
        count=1,
        command=[sys.executable, "-c", CHILD.format(then=then)],
        environ=os.environ,
        manager=ServiceManager(),
        grace_seconds=0,
        stuck_seconds=stuck_seconds,
    )

    async def go() -> int:
        running = asyncio.ensure_future(parent.run())
        while not any(line["event"] == "process_died" for line in logs):  # noqa: ASYNC110 - it happens in the log
            await asyncio.sleep(0.01)
        parent.stop()
        return await running

    with structlog.testing.capture_logs() as logs:
        assert asyncio.run(go()) == 0, "it was told to end while its place was empty"
    assert logs[0]["event"] == event
    assert logs[-1]["exit_status"] == code


def test_a_process_that_outlasts_its_grace_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minutehand.scheduler.process.supervisor.EXIT_SECONDS", 0.1)
    monkeypatch.setattr("minutehand.scheduler.process.supervisor.FINAL_SETTLE_SECONDS", 0.1)
    ready: list[str] = []

    class Heard(ServiceManager):
        def notify(self, *facts: str) -> None:
            ready.extend(facts)

    command = [sys.executable, "-c", CHILD.format(then="time.sleep(600)")]
    parent = Supervisor(count=1, command=command, environ=os.environ, manager=Heard(), grace_seconds=0)

    async def go() -> int:
        running = asyncio.ensure_future(parent.run())
        while "READY=1" not in ready:  # noqa: ASYNC110 - another process says it
            await asyncio.sleep(0.01)
        parent.stop()
        return await running

    assert asyncio.run(go()) == 137
