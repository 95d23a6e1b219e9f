"""Looks at the database that pages share: twenty open pages ask what one asks."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from minutehand.dashboard.fresh import Fresh

#: Seconds that a page's question may take.
LIMIT_SECONDS = 5.0
#: So many questions are asked at once: who runs executions over the same connections is not kept waiting by readers.
AT_ONCE = 2
#: So many different questions are remembered.
_KEPT = 200

T = TypeVar("T")


class Looks:
    """Answers that are a second old at most, by what was asked."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, Fresh[Any]] = OrderedDict()
        self._turns = asyncio.Semaphore(AT_ONCE)

    def forget(self) -> None:
        """Forget all answers: something has just changed, and who looks wants to see it."""
        self._kept.clear()

    async def __call__(self, key: Any, look: Callable[[], Awaitable[T]]) -> T:
        """Return what `look` returns, or what it returned a moment ago to the same `key`.

        Errors: `TimeoutError` after the limit, and the look's own.
        """
        if key not in self._kept:
            self._kept[key] = Fresh(lambda: self._in_turn(look), limit_seconds=LIMIT_SECONDS)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        answer: T = await self._kept[key]()
        return answer

    async def _in_turn(self, look: Callable[[], Awaitable[T]]) -> T:
        async with self._turns:
            return await look()
