"""What the Python drivers share: one program for each peer, called with a verb; the database is named by PG* variables.

    setup PORT        make the schema
    fill KIND COUNT   add pending executions, 1,000 at a time
    send COUNT        add one after the other, and print {"sent": number, "at": seconds} after each commit
    work KIND PORT    print {"ready": true}, wait for a line of stdin, then run what is due until stdin is closed
    once              run all that is due, and exit

A worker prints {"ran": total} as it proceeds, and for the kind `start` also {"start": number, "at": seconds}.
Kinds: `noop` does nothing, `webhook` makes one POST to PORT, `start` does nothing but say when.  Times are those of
CLOCK_MONOTONIC, which all processes of a machine share.  protocol.cjs is the same for Node.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Protocol

Payload = dict[str, Any]
Handle = Callable[[Payload], Awaitable[None]]
CHUNK = 1000
SEND_PAUSE_SECONDS = 0.02
REPORT_SECONDS = 0.05


def payload_of(number: int) -> Payload:
    """Return a payload as large as the row of `jobs` that benchmarks/database.py makes."""
    return {
        "number": number,
        "organization_id": "organization",
        "user_id": "user",
        "client_id": f"client-{number % 100}",
        "kind": "noop",
        "status": "scheduled",
        "title": f"Job {number}",
        "notes": "Bring a ladder. " * 10,
    }


def say(**message: Any) -> None:
    """Print one message."""
    print(json.dumps(message), flush=True)


class Ran:
    """Counts what ran, and says so."""

    def __init__(self, kind: str) -> None:
        self.total = 0
        self._starts = kind == "start"

    def count(self, number: int) -> None:
        """Count one execution, which starts now."""
        self.total += 1
        if self._starts:
            say(start=number, at=time.monotonic())

    async def report(self) -> None:
        """Say the total whenever it has changed, for ever."""
        said = -1
        while True:
            if said != self.total:
                said = self.total
                say(ran=said)
            await asyncio.sleep(REPORT_SECONDS)


class Driver(Protocol):
    """One peer: how it is set up, filled and worked."""

    async def setup(self) -> None:
        """Make the schema."""

    def opened(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Keep the connection open."""

    async def add(self, payloads: list[Payload]) -> None:
        """Add executions, in one transaction."""

    async def work(self, handle: Handle, kind: str, stop: asyncio.Event) -> None:
        """Run what is due until `stop`."""

    async def once(self, handle: Handle) -> None:
        """Run all that is due."""


async def serve(driver: Driver, verb: str, *arguments: str) -> None:
    """Do what the verb says."""
    async with driver.opened():
        if verb == "setup":
            await driver.setup()
        elif verb == "fill":
            count = int(arguments[1])
            for begin in range(0, count, CHUNK):
                await driver.add([payload_of(number) for number in range(begin, min(begin + CHUNK, count))])
        elif verb == "send":
            for number in range(int(arguments[0])):
                await driver.add([payload_of(number)])
                say(sent=number, at=time.monotonic())
                await asyncio.sleep(SEND_PAUSE_SECONDS)
        elif verb == "work":
            await _work(driver, *arguments)
        else:
            await _once(driver)


async def _work(driver: Driver, kind: str, port: str) -> None:
    ran = Ran(kind)
    async with _handler(ran, kind, port) as handle:
        say(ready=True)
        await asyncio.to_thread(sys.stdin.readline)
        stop = asyncio.Event()
        reporting = asyncio.ensure_future(ran.report())
        working = asyncio.ensure_future(driver.work(handle, kind, stop))
        await asyncio.to_thread(sys.stdin.read)
        stop.set()
        await working
        reporting.cancel()
    say(ran=ran.total)


async def _once(driver: Driver) -> None:
    ran = Ran("noop")
    async with _handler(ran, "noop", "0") as handle:
        await driver.once(handle)
    say(ran=ran.total)


@contextlib.asynccontextmanager
async def _handler(ran: Ran, kind: str, port: str) -> AsyncIterator[Handle]:
    """Give what runs one execution."""
    if kind != "webhook":

        async def count(payload: Payload) -> None:
            ran.count(payload["number"])

        yield count
        return
    import aiohttp  # only here: a cold run without it starts faster

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=50)) as session:

        async def post(payload: Payload) -> None:
            async with session.post(f"http://127.0.0.1:{port}/hook", json=payload) as answer:
                answer.raise_for_status()
            ran.count(payload["number"])

        yield post


def main(driver: Driver, run: Callable[[Coroutine[Any, Any, None]], Any]) -> None:
    """Serve the command line with this event loop's `run`."""
    run(serve(driver, *sys.argv[1:]))
