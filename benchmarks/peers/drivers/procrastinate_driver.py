"""The driver of procrastinate.  It runs in the environment of the peers, not in the project's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import procrastinate
import uvloop

from benchmarks.peers.drivers.protocol import Handle, Payload, main

LANES = 50


class Procrastinate:
    """One queue with one task, `bench`."""

    def __init__(self) -> None:
        self._app = procrastinate.App(connector=procrastinate.PsycopgConnector())
        self._task = self._app.task(name="bench", queue="bench")(self._run)
        self._handle: Handle | None = None

    async def _run(self, **payload: Any) -> None:
        assert self._handle is not None
        await self._handle(payload)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Keep the app open."""
        async with self._app.open_async():
            yield

    async def setup(self) -> None:
        """Make the schema."""
        await self._app.schema_manager.apply_schema_async()

    async def add(self, payloads: list[Payload]) -> None:
        """Add jobs with one statement."""
        await self._task.batch_defer_async(*payloads)

    async def work(self, handle: Handle, kind: str, stop: asyncio.Event) -> None:
        """Run what is due until `stop`."""
        self._handle = handle
        worker = asyncio.ensure_future(self._app.run_worker_async(concurrency=LANES, install_signal_handlers=False))
        await stop.wait()
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker

    async def once(self, handle: Handle) -> None:
        """Run all that is due."""
        self._handle = handle
        await self._app.run_worker_async(concurrency=LANES, wait=False, install_signal_handlers=False)


if __name__ == "__main__":
    main(Procrastinate(), uvloop.run)
