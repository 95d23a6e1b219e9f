"""Results of database queries that requests share: twenty open pages cost as many queries as one."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

#: How old a result may be.  An error counts as a result.
FRESH_SECONDS = 1.0
#: How long a query of a page may take.
LIMIT_SECONDS = 5.0
#: Queries that run at once.  The remaining connections stay free for executions that the same server runs.
CONCURRENCY = 2
#: Distinct queries whose results are kept.
MAX_RESULTS = 200

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Query:
    task: asyncio.Task[Any] = field(init=False)
    ended: float = math.inf


class QueryCache:
    """Runs a query unless its last result is fresh.  Callers that arrive while it runs share its result."""

    def __init__(self, *, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._limit_seconds = limit_seconds
        self._queries: OrderedDict[Any, _Query] = OrderedDict()
        self._slots = asyncio.Semaphore(CONCURRENCY)

    def clear(self) -> None:
        """Forget all results, because something has just changed."""
        self._queries.clear()

    async def __call__(self, key: Any, fetch: Callable[[], Awaitable[T]]) -> T:
        """Return what `fetch` returns, or a fresh result for the same `key`.

        Errors: `TimeoutError` after `limit_seconds`, and those of `fetch`.
        """
        query = self._queries.get(key)
        if query is None or time.monotonic() - query.ended >= FRESH_SECONDS:
            query = self._queries[key] = _Query()
            query.task = asyncio.ensure_future(self._run(query, fetch))
            while len(self._queries) > MAX_RESULTS:
                self._queries.popitem(last=False)
        self._queries.move_to_end(key)
        result: T = await asyncio.shield(query.task)  # a caller that is cancelled does not cancel the others
        return result

    async def once(self, fetch: Callable[[], Awaitable[T]]) -> T:
        """Return what `fetch` returns, and do not keep it.

        Errors: `TimeoutError` after `limit_seconds`, and those of `fetch`.
        """
        async with asyncio.timeout(self._limit_seconds), self._slots:
            return await fetch()

    async def _run(self, query: _Query, fetch: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self.once(fetch)
        finally:
            query.ended = time.monotonic()
