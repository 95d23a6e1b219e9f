"""How many calls use connections at the same time: as many as have been needed so far."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

#: How long calls wait, all together, for a connection that is open before the pool opens another one.  A new one costs
#: the server a process, which reads the catalogs and plans everything anew: more than all calls of a short run.
PATIENCE_SECONDS = 0.05


class OpenPlaces:
    """Lets a call wait a moment for an open connection: a pool alone opens another one whenever none is idle.

    A run of a few executions stays on one connection; a worker has all of them a few calls later.
    """

    def __init__(self, most: int) -> None:
        self._places = asyncio.Semaphore(1)
        self._to_come = most - 1
        self._patience = PATIENCE_SECONDS

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold a place.  Once all are open, it is the pool that lets calls wait."""
        if self._to_come <= 0:
            yield
            return
        if self._places.locked():
            await self._wait()
        else:
            await self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    async def _wait(self) -> None:
        """Wait for a place; when that has taken too long by now, add one."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError:
            self._to_come -= 1  # it is released as all are, so that there is one more
            self._patience = PATIENCE_SECONDS
        else:
            self._patience -= time.monotonic() - began
