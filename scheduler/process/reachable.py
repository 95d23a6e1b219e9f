"""Repeats work while the database is away, and says once that it is (R18)."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from minutehand.scheduler.process.liveness import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS
from minutehand.store.errors import BadConfiguration, StoreError
from minutehand.store.repeat import REFUSED_SECONDS

T = TypeVar("T")


class UntilReachable:
    """Repeats work that fails, after waits that grow from 1 s to 30 s.

    A refusal (`BadConfiguration`) is repeated only if it may pass, and for a minute; anything else for as long as
    `patience` says of the error, in seconds.
    """

    def __init__(
        self,
        stopped: asyncio.Event,
        *,
        patience: Callable[[StoreError], float] = lambda error: math.inf,
        tell_away: Callable[[StoreError], None] = lambda error: None,
        tell_back: Callable[[], None] = lambda: None,
    ) -> None:
        self._stopped = stopped
        self._patience = patience
        self._tell_away = tell_away
        self._tell_back = tell_back

    async def __call__(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what `work` returns.  Errors: its own, when it is repeated no more; after a stop any `StoreError`."""
        started = time.monotonic()
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                result = await work()
            except StoreError as error:
                left = self._limit(error) - (time.monotonic() - started)
                if self._stopped.is_set() or left <= 0:
                    raise
                self._tell_away(error)
                await wait(self._stopped, min(pause, left))
                pause = min(pause * 2, LONGEST_RETRY_SECONDS)
            else:
                self._tell_back()
                return result

    def _limit(self, error: StoreError) -> float:
        if isinstance(error, BadConfiguration):
            return REFUSED_SECONDS if error.passing else 0.0
        return self._patience(error)


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, for `seconds` at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(None if seconds == math.inf else max(0.0, seconds)):
            await event.wait()
