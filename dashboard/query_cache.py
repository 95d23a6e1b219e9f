"""Results of database queries that requests share: twenty open pages cost as many queries as one."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

#: How old a result may be.  An error counts as a result.
FRESH_SECONDS = 1.0
#: How long a query of a page may take.
LIMIT_SECONDS = 5.0
#: Queries that run at once.  The remaining connections stay free for executions that the same server runs.
CONCURRENCY = 2
#: Distinct queries whose results are kept.
MAX_RESULTS = 200

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs a query unless its last result is fresh.  Callers that arrive while it runs share its result."""

    def __init__(self, fetch: Callable[[], Awaitable[T]], *, limit_seconds: float) -> None:
        self._fetch = fetch
        self._limit_seconds = limit_seconds
        self._task: asyncio.Task[T] | None = None
        self._ended = 0.0

    async def __call__(self) -> T:
        """Return what `fetch` returned.  Errors: `TimeoutError` after `limit_seconds`, and those of `fetch`."""
        task = self._task
        if task is None or (task.done() and time.monotonic() - self._ended >= FRESH_SECONDS):
            task = self._task = asyncio.ensure_future(self._run())
        return await asyncio.shield(task)  # a caller that is cancelled does not cancel the others

    async def _run(self) -> T:
        try:
            async with asyncio.timeout(self._limit_seconds):
                return await self._fetch()
        finally:
            self._ended = time.monotonic()


class QueryCache:
    """One `SingleFlight` per distinct query."""

    def __init__(self) -> None:
        self._queries: OrderedDict[Any, SingleFlight[Any]] = OrderedDict()
        self._slots = asyncio.Semaphore(CONCURRENCY)

    def clear(self) -> None:
        """Forget all results, because something has just changed."""
        self._queries.clear()

    async def __call__(self, key: Any, fetch: Callable[[], Awaitable[T]]) -> T:
        """Return what `fetch` returns, or a fresh result for the same `key`.

        Errors: `TimeoutError` after `LIMIT_SECONDS`, and those of `fetch`.
        """
        if key not in self._queries:
            self._queries[key] = SingleFlight(lambda: self._limited(fetch), limit_seconds=LIMIT_SECONDS)
            while len(self._queries) > MAX_RESULTS:
                self._queries.popitem(last=False)
        self._queries.move_to_end(key)
        result: T = await self._queries[key]()
        return result

    async def _limited(self, fetch: Callable[[], Awaitable[T]]) -> T:
        async with self._slots:
            return await fetch()
