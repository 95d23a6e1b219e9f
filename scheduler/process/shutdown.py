"""Ending a process cleanly: the signals that ask for it, and the time limit that follows."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from minutehand.store.errors import Unreachable

#: After the grace: how long the database may take to record how everything ended.
FINAL_SETTLE_SECONDS = 2.0


class StopDeadline:
    """The time limit of what still runs after a stop: the grace, then `FINAL_SETTLE_SECONDS`."""

    def __init__(self, grace_seconds: float) -> None:
        self._seconds = grace_seconds + FINAL_SETTLE_SECONDS
        self._timeout: asyncio.Timeout | None = None

    @asynccontextmanager
    async def enforced(self) -> AsyncIterator[None]:
        """Cancel the block when it outlasts a stop by too much.  Errors: `Unreachable`."""
        try:
            async with asyncio.timeout(None) as self._timeout:
                yield
        except TimeoutError as error:
            raise Unreachable("the database did not answer within the grace after the stop") from error
        finally:
            self._timeout = None

    def start(self) -> None:
        """Start the clock.  Without a block under way this does nothing."""
        if self._timeout is not None:
            self._timeout.reschedule(asyncio.get_running_loop().time() + self._seconds)


@contextmanager
def stopped_by_signals(stop: Callable[[], None], *, at_once: Callable[[], None] | None = None) -> Iterator[list[int]]:
    """Call `stop` on SIGTERM and SIGINT while the block runs; yields the signals received so far.

    A second signal calls `at_once` and ends the process immediately.  What was running comes back when its lease
    expires.
    """
    loop = asyncio.get_running_loop()
    received: list[int] = []

    def on_signal(number: int) -> None:
        received.append(number)
        if len(received) > 1:
            if at_once is not None:
                at_once()
            os._exit(128 + number)
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield received
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
