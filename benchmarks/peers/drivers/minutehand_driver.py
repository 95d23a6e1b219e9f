"""The driver of Minutehand: the commands `worker` and `run-once --drain`, with actions that count.

The rows of `jobs` and the trigger on it create the executions, so each also reads its row and its client.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from typing import Any

import psycopg

from benchmarks import database
from benchmarks.noop import NoopAction
from benchmarks.peers.drivers.protocol import SEND_PAUSE_SECONDS, Ran, say
from minutehand.executor.actions import BUILT_IN
from minutehand.executor.actions.contract import StepRun
from minutehand.executor.actions.webhook import WebhookAction
from minutehand.executor.outcome import StepResult
from minutehand.scheduler.cli import main as command_line
from minutehand.store import schema

RAN = Ran("start" if sys.argv[1:3] == ["work", "start"] else "noop")
ONE_JOB = """
insert into jobs (organization_id, user_id, client_id, kind, status, title, notes)
values ('organization', 'user', 'client-1', 'noop', 'scheduled', %s, repeat('Bring a ladder. ', 10))
"""


class CountedNoop(NoopAction):
    """Do nothing, and count."""

    async def run(self, run: StepRun) -> StepResult:
        """Count at the start."""
        RAN.count(int(run.context["job"]["title"].removeprefix("Job ")))
        return StepResult.done()


class CountedWebhook(WebhookAction):
    """The built-in webhook, counted."""

    async def run(self, run: StepRun) -> StepResult:
        """Count after the request."""
        result = await super().run(run)
        RAN.count(0)
        return result


def send(url: str, count: int) -> None:
    """Insert jobs one after the other, each in its transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(count):
            connection.execute(ONE_JOB, [f"Job {number}"])
            say(sent=number, at=time.monotonic())
            time.sleep(SEND_PAUSE_SECONDS)


def work(port: str) -> None:
    """Run the worker until stdin is closed."""
    os.environ["MINUTEHAND_ALLOW_PRIVATE_ADDRESSES"] = f"127.0.0.1:{port}"
    say(ready=True)
    sys.stdin.readline()
    threading.Thread(target=_stop_at_the_end, daemon=True).start()
    threading.Thread(target=lambda: asyncio.run(RAN.report()), daemon=True).start()
    command_line.run(["worker"])
    say(ran=RAN.total)


def _stop_at_the_end() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main(url: str, verb: str, *arguments: Any) -> None:
    """Do what the verb says (protocol.py)."""
    BUILT_IN.update(noop="benchmarks.peers.drivers.minutehand_driver:CountedNoop")
    BUILT_IN.update(webhook="benchmarks.peers.drivers.minutehand_driver:CountedWebhook")
    if verb == "setup":
        asyncio.run(schema.migrate(url))
        database.add_queue(url, int(arguments[0]))
    elif verb == "fill":
        database.fill(url, arguments[0], int(arguments[1]))
    elif verb == "send":
        send(url, int(arguments[0]))
    elif verb == "work":
        work(arguments[1])
    else:
        command_line.run(["run-once", "--drain"])
        say(ran=RAN.total)


if __name__ == "__main__":
    # As a module of this name, so that the actions count in the same place.
    from benchmarks.peers.drivers import minutehand_driver

    minutehand_driver.main(os.environ["DATABASE_URL"], *sys.argv[1:])
