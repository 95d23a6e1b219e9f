"""Threads that build pages: the event loop, with the sends and heartbeats of the same process, goes on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

#: Pages that are built at once.
THREADS = 2
#: How long a page may take to be built, with the time that it waits for a thread.
BUILD_SECONDS = 10.0

T = TypeVar("T")


class PageTooSlow(TimeoutError):
    """A part of a page was not built in time."""


async def run_here(function: Callable[..., T], *args: Any) -> T:
    """Run a function here and now: where no event loop serves others."""
    return function(*args)


class PageThreads:
    """Runs what costs CPU time, a few at once."""

    def __init__(self, *, build_seconds: float = BUILD_SECONDS) -> None:
        self._build_seconds = build_seconds
        # Of its own: sends use the default one, to find the addresses of receivers.
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="pages")

    async def run(self, function: Callable[..., T], *args: Any, **more: Any) -> T:
        """Return what `function` returns.  Errors: `PageTooSlow`, and those of `function`."""
        call = asyncio.get_running_loop().run_in_executor(self._pool, partial(function, *args, **more))
        done, _ = await asyncio.wait([call], timeout=self._build_seconds)
        if not done:
            call.cancel()  # one that runs goes on: what it may cost is bounded by the size of what it gets
            raise PageTooSlow
        return call.result()
