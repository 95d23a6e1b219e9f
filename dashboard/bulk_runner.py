"""Runs the bulk actions that were started on this server, step by step.

They are rows of the database: a processor's housekeeping goes on with them when the server ends.
"""

from __future__ import annotations

import asyncio

from minutehand.store import Store
from minutehand.store.errors import NotFound, StoreError

#: Seconds until the next try after the database could not be reached, and between two steps at least.
RETRY_SECONDS, MIN_SECONDS = 5.0, 0.02


class BulkRunner:
    """One task for each bulk action."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, id_: str) -> None:
        """Run a bulk action in the background until it has finished or was stopped."""
        task = asyncio.ensure_future(self._run(id_))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """End all tasks, because the server ends."""
        for task in self._tasks:
            task.cancel()

    async def _run(self, id_: str) -> None:
        while True:
            try:
                bulk = await self._store.bulk_step(id_)
            except NotFound:
                return
            except StoreError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if bulk is None or bulk["status"] != "running":
                return
            await asyncio.sleep(max(float(bulk["wait_seconds"] or 0), MIN_SECONDS))
