"""One look at the database for all who ask at about the same time: a page must not be a way to load it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

#: How old an answer may be, its error included.
FRESH_SECONDS = 1.0

T = TypeVar("T")


class Fresh(Generic[T]):
    """Asks, unless the last answer is fresh; who comes while it asks waits for the same."""

    def __init__(self, look: Callable[[], Awaitable[T]], *, limit_seconds: float) -> None:
        self._look = look
        self._limit_seconds = limit_seconds
        self._task: asyncio.Task[T] | None = None
        self._ended = 0.0

    async def __call__(self) -> T:
        """Return what the look returned.  Errors: `TimeoutError` after `limit_seconds`, and the look's own."""
        task = self._task
        if task is None or (task.done() and time.monotonic() - self._ended >= FRESH_SECONDS):
            task = self._task = asyncio.ensure_future(self._ask())
        return await asyncio.shield(task)  # one who leaves takes nothing from the others

    async def _ask(self) -> T:
        try:
            async with asyncio.timeout(self._limit_seconds):
                return await self._look()
        finally:
            self._ended = time.monotonic()
