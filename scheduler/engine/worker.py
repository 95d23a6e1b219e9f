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
import math
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import structlog

from minutehand.scheduler.alerts.heartbeat_ping import BEAT_SECONDS, Pings
from minutehand.scheduler.config import LogSettings, RunSettings
from minutehand.scheduler.engine.engine import Engine, EngineSettings, Execute
from minutehand.scheduler.engine.summary import Summary
from minutehand.scheduler.engine.tick import Runner
from minutehand.scheduler.process.liveness import Pulse
from minutehand.scheduler.process.sd_notify import Watcher
from minutehand.store import Store, Tick
from minutehand.store.errors import BadConfiguration, StoreError, Unreachable

if TYPE_CHECKING:
    from minutehand.executor.settings import ExecutorSettings

#: Seconds between the tries of what has failed: the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0

T = TypeVar("T")
#: Does what it is given until the database can be asked.
Tried = Callable[[Callable[[], Awaitable[int]]], Awaitable[int]]

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
        watcher: Watcher | None = None,
    ) -> None:
        super().__init__(store, settings, executor, log_settings, mode="worker", drain=True)
        self._budget = max_jobs
        self._longest_seconds = max_seconds
        self._poll_seconds = poll_seconds
        self._stopped = asyncio.Event()
        self._listening = asyncio.Event()
        self._watcher = watcher or Watcher()
        self._summary = Summary(backend=store.backend)
        #: Whether it is stuck, or its database away.
        self.pulse = Pulse(self._watcher, poll_seconds)
        self._pings = Pings(settings.ping_url, log_settings)
        self._pinged_at = -math.inf

    def stop(self) -> None:
        """See `Runner.stop`."""
        super().stop()
        self._stopped.set()
        self._watcher.tell("STOPPING=1")

    async def work(self) -> Summary:
        """Work until the end.  Errors: `StoreError` when the database is none of ours, or is lost after a stop."""
        beside = [asyncio.ensure_future(self.pulse.tell(self._counts))]
        if self._store.can_listen:
            beside.append(asyncio.ensure_future(self._listen()))
        try:
            async with asyncio.timeout(None) as self._limit:  # `stop` sets it
                self._end_in_time()
                if self._store.can_listen:
                    await self._pause(FIRST_PAUSE, self._listening)  # so that the first heartbeat can tell
                return await self._tried(self._work_once)
        except TimeoutError as error:
            raise Unreachable("the database did not answer within the grace after the stop") from error
        finally:
            self._limit = None
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    def _end_in_time(self) -> None:
        if self._longest_seconds is not None:
            asyncio.get_running_loop().call_later(self._longest_seconds, self.stop)

    async def _work_once(self) -> Summary:
        tick, held = await self._housekeeping()
        self._tell_alive()
        if held:
            log.warning("backlog_held", held=held)
        if self.stopping:
            self._summary.due = tick.due
            return self._summary
        return await self._run(tick)

    def _make_engine(self, execute: Execute, settings: EngineSettings) -> Engine:
        engine = _PatientEngine(self._store, execute, settings, self._tried)
        engine.summary = self._summary  # also of what ran before the database was away: the budget is one
        return engine

    async def _housekeeping(self) -> tuple[Tick, int]:
        try:
            return await super()._housekeeping()
        except StoreError:
            self.pulse.turned(LONGEST_PAUSE)  # at the latest then it is tried again
            raise

    def _turned(self) -> None:
        self._tell_back()
        self.pulse.turned()

    async def _beat_on(self) -> None:
        """Keep house, and wake the engine when something is due: a hint may have been lost."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            tick, _ = await self._tried(self._housekeeping)
            self._tell_beside()
            self._tell_alive()
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
                done = await work()
                self._tell_back()
                return done
            except BadConfiguration:
                raise
            except StoreError as error:
                if self.stopping:
                    raise
                if not self.pulse.is_away:
                    log.error("database_away", reason=str(error))
                    self.pulse.away()
            await self._pause(pause, self._stopped)
            pause = min(pause * 2, LONGEST_PAUSE)

    @staticmethod
    async def _pause(seconds: float, until: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await until.wait()

    def _counts(self) -> str:
        return (
            ", ".join(f"{count} {end}" for end, count in self._summary.ends.items() if count) or "nothing has run yet"
        )

    def _tell_alive(self) -> None:
        """Ping, once a minute at most: only who reaches the database is well."""
        if time.monotonic() - self._pinged_at >= BEAT_SECONDS:
            self._pinged_at = time.monotonic()
            self._pings.alive()

    def _tell_back(self) -> None:
        if self.pulse.is_away:
            self.pulse.back()
            log.info("database_back")


class _PatientEngine(Engine):
    """Claims when the database is back, where a tick would end: what runs meanwhile holds nothing up."""

    def __init__(self, store: Store, execute: Execute, settings: EngineSettings, tried: Tried) -> None:
        super().__init__(store, execute, settings)
        self._tried = tried

    async def _claim(self, limit: int, *, alone: bool) -> int:
        claim = super()._claim

        async def unless_stopped() -> int:
            return 0 if self.stopping else await claim(limit, alone=alone)

        return await self._tried(unless_stopped)
