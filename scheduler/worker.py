"""The continuous worker: the same engine, woken by NOTIFY, by the clock and by a poll behind both (R12).

    listen ──hint──┐
    beat ──due?────┼─► engine: claim, lanes, settle, rest ─► …
    next due ──────┘

A beat is the housekeeping of a tick, every `poll_seconds`.  What breaks is told once, and tried again after a wait that
grows from 1 s to 30 s; when it works again, that is told too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import structlog

from scheduler.run import Runner
from scheduler.settings import LogSettings, RunSettings
from scheduler.summary import Summary
from store import Store
from store.errors import BadConfiguration, StoreError, Unreachable

if TYPE_CHECKING:
    from executor.settings import ExecutorSettings

#: Seconds between the tries of what has failed: the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0

T = TypeVar("T")

log = structlog.get_logger()


class Worker(Runner):
    """Runs what is due as soon as it is, until it is stopped, or has run `max_jobs`, or for `max_seconds`."""

    _continuous = True

    def __init__(
        self,
        store: Store,
        settings: RunSettings,
        executor: ExecutorSettings,
        log_settings: LogSettings,
        *,
        poll_seconds: float,
        max_jobs: int | None = None,
        max_seconds: float | None = None,
    ) -> None:
        super().__init__(store, settings, executor, log_settings, mode="worker", drain=True, max_seconds=max_seconds)
        self._budget = max_jobs
        self._poll_seconds = poll_seconds
        self._stopped = asyncio.Event()
        self._listening = asyncio.Event()
        self._is_away = False

    def stop(self) -> None:
        """See `Runner.stop`."""
        super().stop()
        self._stopped.set()

    async def work(self) -> Summary:
        """Work until the end.  Errors: `StoreError` when the database is none of ours, or is lost after a stop."""
        listener = asyncio.ensure_future(self._listen()) if self._store.can_listen else None
        try:
            async with asyncio.timeout(None) as self._limit:  # `stop` sets it
                if listener is not None:
                    await self._pause(FIRST_PAUSE, self._listening)  # so that the first heartbeat can tell
                return await self._tried(self._work_once)
        except TimeoutError as error:
            raise Unreachable("the database did not answer within the grace after the stop") from error
        finally:
            self._limit = None
            if listener is not None:
                listener.cancel()
                await asyncio.gather(listener, return_exceptions=True)

    async def _work_once(self) -> Summary:
        tick, held = await self._housekeeping()
        self._tell_back()
        if held:
            log.warning("backlog_held", held=held)
        if self.stopping:
            return Summary(road=self._store.road, due=tick.due)
        return await self._run(tick)

    async def _beat_on(self) -> None:
        """Keep house, and wake the engine when something is due: a hint may have been lost."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            tick, _ = await self._tried(self._housekeeping)
            self._tell_back()
            if tick.due and self._engine is not None:
                self._engine.wake()

    async def _listen(self) -> None:
        """Wake the engine at each hint.  The heartbeat tells that it listens: hints are sent to no one else."""
        while not self.stopping:
            with contextlib.suppress(StoreError):
                async for _ in self._store.hints():
                    self._worker["listens"] = True
                    self._listening.set()
                    if self._engine is not None:
                        self._engine.wake()
            self._worker["listens"] = False
            await asyncio.sleep(FIRST_PAUSE)

    async def _tried(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it, again and again while the database is away.

        Errors: `BadConfiguration`, which no waiting mends; after a stop any `StoreError`.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                return await work()
            except BadConfiguration:
                raise
            except StoreError as error:
                if self.stopping:
                    raise
                if not self._is_away:
                    log.error("database_away", reason=str(error))
                    self._is_away = True
            await self._pause(pause, self._stopped)
            pause = min(pause * 2, LONGEST_PAUSE)

    @staticmethod
    async def _pause(seconds: float, until: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await until.wait()

    def _tell_back(self) -> None:
        if self._is_away:
            self._is_away = False
            log.info("database_back")
