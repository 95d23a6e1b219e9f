"""The driver of pgqueuer.  It runs in the environment of the peers, not in the project's."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.types import QueueExecutionMode

from benchmarks.peers.drivers.protocol import Handle, Payload, main


class Pgqueuer:
    """One queue with one entry point, `bench`."""

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Keep ten connections at most."""
        async with asyncpg.create_pool(min_size=1, max_size=10) as pool:
            self._queuer = PgQueuer(AsyncpgPoolDriver(pool))
            yield

    async def setup(self) -> None:
        """Make the schema."""
        await self._queuer.qm.queries.install()

    async def add(self, payloads: list[Payload]) -> None:
        """Add jobs with one statement."""
        contents: list[bytes | None] = [json.dumps(payload).encode() for payload in payloads]
        await self._queuer.qm.queries.enqueue(["bench"] * len(contents), contents, [0] * len(contents))

    def _register(self, handle: Handle) -> None:
        async def run(job: Job) -> None:
            await handle(json.loads(job.payload))

        self._queuer.entrypoint("bench")(run)

    async def work(self, handle: Handle, kind: str, stop: asyncio.Event) -> None:
        """Run what is due until `stop`."""
        self._register(handle)
        batch, lanes = (25, 50) if kind == "webhook" else (500, None)
        working = asyncio.ensure_future(self._queuer.run(batch_size=batch, max_concurrent_tasks=lanes))
        await stop.wait()
        self._queuer.shutdown.set()
        await working

    async def once(self, handle: Handle) -> None:
        """Run all that is due."""
        self._register(handle)
        await self._queuer.run(batch_size=500, mode=QueueExecutionMode.drain)


if __name__ == "__main__":
    main(Pgqueuer(), uvloop.run)
