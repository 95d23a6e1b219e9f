"""One tick, from the housekeeping to the summary: what `run-once` does once and `start` every minute."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from minutehand.executor.base import open_executor
from minutehand.scheduler.config import LogSettings, RunSettings
from minutehand.scheduler.database import check_schema
from minutehand.scheduler.engine.summary import Summary
from minutehand.store import Json, Store, Tick
from minutehand.store.errors import StoreError, Unreachable

if TYPE_CHECKING:
    from minutehand.executor.settings import ExecutorSettings
    from minutehand.scheduler.alerts.notifier import Alerts
    from minutehand.scheduler.engine.engine import Engine, EngineSettings, Execute

#: How often a long run keeps house again: lost leases, changes matched late, the breaker, its own heartbeat.
BEAT_SECONDS = 10.0
#: How often it looks for what is older than is kept, where the last look left nothing.
PRUNE_SECONDS = 60.0
#: Beyond the grace, what the database may take to hear how everything ended.
LAST_WORDS_SECONDS = 2.0


class Runner:
    """Runs ticks over one store.  What a tick with nothing due does not need, it does not import."""

    _continuous = False

    def __init__(
        self,
        store: Store,
        settings: RunSettings,
        executor: ExecutorSettings,
        log: LogSettings,
        *,
        mode: str,
        drain: bool = False,
        max_seconds: float | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._executor = executor
        self._log = log
        self._budget = None if drain else settings.batch_size
        self._max_seconds = max_seconds
        host = socket.gethostname()
        self._worker: Json = {
            "id": f"{host}:{os.getpid()}",
            "mode": mode,
            "host": host,
            "version": version("minutehand"),
        }
        self._engine: Engine | None = None
        self._limit: asyncio.Timeout | None = None
        self._prune_at = 0.0
        self._alerts = alerts_of(store, settings)
        self._idle = asyncio.Event()
        self._idle.set()
        self.stopping = False

    def stop(self) -> None:
        """End the tick under way early and cleanly, and begin no other."""
        self.stopping = True
        if self._engine is not None:
            self._engine.stop()
        if self._limit is not None:
            wait = self._settings.grace_seconds + LAST_WORDS_SECONDS
            self._limit.reschedule(asyncio.get_running_loop().time() + wait)

    async def idle(self) -> None:
        """Wait until no tick is under way."""
        await self._idle.wait()

    async def tick(self) -> Summary:
        """Do one beat.  Errors: `StoreError`."""
        started = time.monotonic()
        self._idle.clear()
        try:
            async with asyncio.timeout(None) as self._limit:  # `stop` sets it
                summary = await self._beat()
        except TimeoutError as error:
            raise Unreachable("the database did not answer within the grace after the stop") from error
        finally:
            self._limit = None
            self._idle.set()
        if self._alerts is not None and not self.stopping:
            configure_logs(self._log)
            await self._alerts.tell()
        summary.seconds = time.monotonic() - started
        return summary

    async def _beat(self) -> Summary:
        tick, held = await self._housekeeping()
        summary = await self._work(tick)
        summary.held = held
        return summary

    async def _housekeeping(self) -> tuple[Tick, int]:
        """Tick until no old backlog is left to hold; returns the last tick, and how many were held."""
        hold = self._settings.hold_seconds
        held = 0
        while True:
            tick = await self._store.tick(self._worker, hold_seconds=None if hold is None else int(hold))
            check_schema(tick.schema_version)
            held += tick.held
            self._turned()
            self._tell_tripped(tick)
            if not tick.holding or self.stopping:
                break
        await self._prune()
        return tick, held

    async def _prune(self) -> None:
        """Delete a bite of what is older than is kept; each beat while there is more, else once a minute."""
        if self._settings.keep_seconds is None or time.monotonic() < self._prune_at:
            return
        done = await self._store.prune(int(self._settings.keep_seconds))
        self._prune_at = time.monotonic() + (0.0 if done["more"] else PRUNE_SECONDS)

    async def _work(self, tick: Tick) -> Summary:
        if tick.due == 0 or self.stopping:
            return Summary(backend=self._store.backend, due=tick.due, lost_leases=tick.lost_leases)
        return await self._run(tick)

    async def _run(self, tick: Tick) -> Summary:
        from minutehand.scheduler.engine.engine import EngineSettings
        from minutehand.scheduler.logs import configure

        configure(self._log)
        settings = EngineSettings(
            worker=self._worker["id"],
            mode=self._worker["mode"],
            concurrency=self._settings.concurrency,
            budget=self._budget,
            continuous=self._continuous,
            lease_seconds=self._settings.lease_seconds,
            max_attempts=self._settings.max_attempts,
            max_seconds=self._max_seconds,
            grace_seconds=self._settings.grace_seconds,
        )
        name, stopping = self._settings.executor, lambda: self.stopping
        async with open_executor(name, self._store, self._executor, stopping=stopping) as executor:
            engine = self._engine = self._make_engine(executor.execute, settings)
            beats = asyncio.ensure_future(self._beat_on())
            beats.add_done_callback(lambda _: engine.stop())  # of itself it ends by an error alone: nobody keeps house
            try:
                summary = await engine.run(tick)
            finally:
                self._engine = None
                beats.cancel()
                (ended,) = await asyncio.gather(beats, return_exceptions=True)
        if isinstance(ended, Exception) and not self.stopping:
            raise ended
        return summary

    def _make_engine(self, execute: Execute, settings: EngineSettings) -> Engine:
        from minutehand.scheduler.engine.engine import Engine

        return Engine(self._store, execute, settings)

    async def _beat_on(self) -> None:
        """Keep house while a long run goes on.  A beat that fails is the next one's to do."""
        import structlog

        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self._housekeeping()
            except StoreError as error:
                log = structlog.get_logger()
                log.warning("beat_failed", reason=str(error))
            else:
                self._tell_beside()

    def _tell_beside(self) -> None:
        if self._alerts is not None and not self.stopping:
            self._alerts.tell_beside()

    def _turned(self) -> None:
        """What a tick of the housekeeping is to those who watch: see `Worker`."""

    def _tell_tripped(self, tick: Tick) -> None:
        if not tick.tripped:
            return
        import structlog

        from minutehand.scheduler.logs import configure

        configure(self._log)
        log = structlog.get_logger()
        for name in tick.tripped:
            log.warning("breaker_tripped", workflow=name)


def alerts_of(store: Store, settings: RunSettings) -> Alerts | None:
    """Return who tells people of trouble; None where nobody is to be told, so that nothing is imported for it."""
    if not settings.alert.targets:
        return None
    from minutehand.scheduler.alerts.notifier import Alerts

    alert = settings.alert
    return Alerts(store, alert.targets, share=alert.share, age_seconds=alert.age_seconds)


def configure_logs(settings: LogSettings) -> None:
    """Set up logging now that something may be said."""
    from minutehand.scheduler.logs import configure

    configure(settings)


@contextmanager
def stopped_by_signals(stop: Callable[[], None], *, at_once: Callable[[], None] | None = None) -> Iterator[list[int]]:
    """Call `stop` on SIGTERM and SIGINT while the block runs; yields the signals that came.

    A second one ends the process at once, after `at_once`: what was under way is found by its lease.
    """
    loop = asyncio.get_running_loop()
    came: list[int] = []

    def on_signal(number: int) -> None:
        came.append(number)
        if len(came) > 1:
            if at_once is not None:
                at_once()
            os._exit(128 + number)
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield came
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
