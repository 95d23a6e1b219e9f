"""One tick: the housekeeping, then the engine with a budget.  `run-once` runs one, `start` one every minute."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from minutehand.executor.base import open_executor
from minutehand.executor.services import services_of
from minutehand.executor.text.copies import notice, why_stopped
from minutehand.scheduler.config import LogSettings, RunSettings
from minutehand.scheduler.engine.housekeeping import Housekeeper, configure_logs, run_with_housekeeping
from minutehand.scheduler.engine.summary import Summary
from minutehand.scheduler.process.reachable import UntilReachable
from minutehand.scheduler.process.shutdown import StopDeadline
from minutehand.store import Store, Tick
from minutehand.store.errors import StoreError
from minutehand.store.repeat import is_away

if TYPE_CHECKING:
    from minutehand.executor.settings import ExecutorSettings
    from minutehand.scheduler.engine.engine import Engine

#: How long a tick waits for a database that is away.
AWAY_SECONDS = 60.0
#: Between two passes of the housekeeping during a long tick.
HOUSEKEEPING_SECONDS = 10.0


class TickRunner:
    """Runs ticks over one store, one at a time.  A tick with nothing due does not import the engine.

    `tick_seconds`: how often the caller runs one.
    """

    def __init__(
        self,
        store: Store,
        settings: RunSettings,
        executor: ExecutorSettings,
        log: LogSettings,
        *,
        mode: str,
        drain: bool = False,
        tick_seconds: float = 60.0,
        max_seconds: float | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._executor = executor
        self._log = log
        self._budget = None if drain else settings.batch_size
        self._max_seconds = max_seconds
        self._housekeeper = Housekeeper(
            store,
            settings,
            log,
            mode=mode,
            batch_size=self._budget,
            tick_seconds=tick_seconds,
            serves=services_of(executor, settings.executor),
        )
        self._deadline = StopDeadline(settings.grace_seconds)
        self._engine: Engine | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopped = asyncio.Event()
        self._until_reachable = UntilReachable(self._stopped, patience=self._patience, tell_away=self._tell_away)

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """End the tick under way cleanly, within the grace."""
        self._stopped.set()
        self._housekeeper.stop()
        if self._engine is not None:
            self._engine.stop()
        self._deadline.start()

    def note(self, what: str, problem: str | None) -> None:
        """See `Housekeeper.note`."""
        self._housekeeper.note(what, problem)

    async def idle(self) -> None:
        """Wait until no tick is under way."""
        await self._idle.wait()

    async def tick(self) -> Summary:
        """Run one tick.  Errors: `StoreError`."""
        started = time.monotonic()
        self._idle.clear()
        try:
            async with self._deadline.enforced():
                tick = await self._until_reachable(self._housekeeper.run)
                if tick.due and not self.stopping:
                    summary = await self._run_engine(tick)
                else:
                    summary = Summary(due=tick.due, held=tick.held)
                summary.note_backlog(tick)
                summary.stopped = why_stopped(tick.identity, self._settings.executor)
                summary.notice = notice(tick.identity)
        finally:
            self._idle.set()
        await self._housekeeper.alert()
        summary.seconds = time.monotonic() - started
        return summary

    async def _run_engine(self, tick: Tick) -> Summary:
        from minutehand.scheduler.engine.claims import claim_due, claim_when_reachable
        from minutehand.scheduler.engine.engine import Engine

        configure_logs(self._log)
        claim = claim_due(self._store, self._settings, self._housekeeper.worker["id"])
        async with open_executor(
            self._settings.executor, self._store, self._executor, stopping=lambda: self.stopping
        ) as executor:
            self._engine = Engine(
                self._store,
                executor.execute,
                self._settings,
                claim=claim_when_reachable(claim, self._settings, self._until_reachable, lambda: self._engine),
                budget=self._budget,
                max_seconds=self._max_seconds,
            )
            try:
                return await run_with_housekeeping(
                    self._engine, tick, self._repeat_housekeeping(), stopping=lambda: self.stopping
                )
            finally:
                self._engine = None

    def _patience(self, error: StoreError) -> float:
        """Wait for a minute where something answers, or did before; a database that never did may not be there."""
        return AWAY_SECONDS if is_away(error) and (error.passing or self._store.accepted) else 0.0

    def _tell_away(self, error: StoreError) -> None:
        configure_logs(self._log)
        from minutehand.executor.log import structlog

        log = structlog.get_logger()
        log.error("database_unreachable", reason=str(error))

    async def _repeat_housekeeping(self) -> None:
        """Do the housekeeping during a long tick.  A pass that fails is logged; the next one repeats its work."""
        from minutehand.executor.log import structlog

        log = structlog.get_logger()
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            try:
                await self._housekeeper.run()
            except StoreError as error:
                log.warning("housekeeping_failed", reason=str(error))
            else:
                self._housekeeper.alert_in_background()
