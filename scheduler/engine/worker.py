"""The continuous worker: the engine without an end, woken by NOTIFY, by the clock and by a poll (R12).

    LISTEN ──notified──────┐
    housekeeping ──due?────┼─► engine: claim, run, settle, rest ─► …
    next due ──────────────┘

The housekeeping repeats every `poll_seconds`.  An unreachable database is logged once and tried again after a wait that
grows from 1 s to 30 s; its return is logged too.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from minutehand.executor.base import open_executor
from minutehand.executor.log import structlog
from minutehand.executor.services import services_of
from minutehand.executor.text.copies import why_stopped
from minutehand.scheduler.alerts.heartbeat_ping import HeartbeatPing
from minutehand.scheduler.config import LogSettings, RunSettings
from minutehand.scheduler.engine.claims import claim_due, claim_when_reachable
from minutehand.scheduler.engine.engine import Engine
from minutehand.scheduler.engine.housekeeping import Housekeeper, run_with_housekeeping
from minutehand.scheduler.engine.summary import Summary
from minutehand.scheduler.process.liveness import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, Liveness
from minutehand.scheduler.process.reachable import UntilReachable, wait
from minutehand.scheduler.process.sd_notify import ServiceManager
from minutehand.scheduler.process.shutdown import StopDeadline
from minutehand.store import Store, Tick
from minutehand.store.errors import StoreError

if TYPE_CHECKING:
    from minutehand.executor.settings import ExecutorSettings

NO_NOTIFICATIONS = "notifications do not arrive over this connection (REST, or a transaction pooler)"
#: Where notifications do not arrive, they are tried again after this time: the address may lead elsewhere by then.
LISTEN_RETRY_SECONDS = 600.0

log = structlog.get_logger()


class Worker:
    """Runs executions as soon as they are due, until `stop`, `max_jobs` executions or `max_seconds`."""

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
        manager: ServiceManager | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._executor = executor
        self._poll_seconds = poll_seconds
        self._max_jobs = max_jobs
        self._max_seconds = max_seconds
        self._manager = manager or ServiceManager()
        #: Whether it is stuck, or its database unreachable.
        self.liveness = Liveness(self._manager, poll_seconds)
        serves = services_of(executor, settings.executor)
        self._housekeeper = Housekeeper(
            store, settings, log_settings, mode="worker", serves=serves, after_pass=self._after_pass
        )
        self._heartbeat = HeartbeatPing(settings.ping_url, log_settings)
        self._deadline = StopDeadline(settings.grace_seconds)
        self._engine: Engine | None = None
        #: Why nothing runs on this database; None: it runs.
        self._stopped_because: str | None = None
        #: Whether it listens or polls is decided.
        self._decided = asyncio.Event()
        self._stopped = asyncio.Event()
        self._until_reachable = UntilReachable(self._stopped, tell_away=self._note_away, tell_back=self._note_reachable)

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Claim nothing more; running executions may finish within the grace."""
        self._stopped.set()
        self._housekeeper.stop()
        if self._engine is not None:
            self._engine.stop()
        self._deadline.start()
        self._manager.notify("STOPPING=1")

    async def work(self) -> Summary:
        """Work until the end.  Errors: `BadConfiguration`; `StoreError` when the database is unreachable at a stop."""
        beside = [asyncio.ensure_future(self.liveness.report(self._counts))]
        beside.append(asyncio.ensure_future(self._listen()))
        try:
            async with self._deadline.enforced():
                if self._max_seconds is not None:
                    asyncio.get_running_loop().call_later(self._max_seconds, self.stop)
                await wait(self._decided, FIRST_RETRY_SECONDS)  # the first heartbeat says whether it listens
                tick = await self._until_reachable(self._housekeep)
                if self.stopping:
                    return Summary(due=tick.due)
                return await self._run_engine(tick)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _run_engine(self, tick: Tick) -> Summary:
        claim = claim_due(self._store, self._settings, self._housekeeper.worker["id"])
        async with open_executor(
            self._settings.executor, self._store, self._executor, stopping=lambda: self.stopping
        ) as executor:
            self._engine = engine = Engine(
                self._store,
                executor.execute,
                self._settings,
                claim=claim_when_reachable(claim, self._settings, self._until_reachable, lambda: self._engine),
                budget=self._max_jobs,
                continuous=True,
            )
            return await run_with_housekeeping(
                engine, tick, self._repeat_housekeeping(engine), stopping=lambda: self.stopping
            )

    async def _repeat_housekeeping(self, engine: Engine) -> None:
        """Do the housekeeping, and wake the engine when something is due: a notification may have been lost."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            tick = await self._until_reachable(self._housekeep)
            self._housekeeper.alert_in_background()
            if tick.due:
                engine.wake()

    async def _housekeep(self) -> Tick:
        self._housekeeper.note("ping", self._heartbeat.problem)
        try:
            tick = await self._housekeeper.run()
        except StoreError:
            self.liveness.record_housekeeping(next_within_seconds=LONGEST_RETRY_SECONDS)
            raise
        self._note_identity(tick)
        if self._stopped_because is None:
            self._heartbeat.alive()
        if tick.held:
            log.warning("backlog_held", held=tick.held)
        return tick

    def _note_identity(self, tick: Tick) -> None:
        """Log once why nothing runs on this database, and once that it does."""
        why = why_stopped(tick.identity, self._settings.executor)
        if why is not None and why != self._stopped_because:
            log.error("database_is_copy", reason=why)
        elif why is None and self._stopped_because is not None:
            log.info("database_identified")
        self._stopped_because = why

    def _after_pass(self) -> None:
        self._note_reachable()
        self.liveness.record_housekeeping()

    async def _listen(self) -> None:
        """Wake the engine at each notification.  The database notifies only if a heartbeat says that one listens."""
        while not self.stopping:
            pause = FIRST_RETRY_SECONDS
            with contextlib.suppress(StoreError):
                if await self._store.can_listen():
                    await self._wake_at_notifications()
                else:
                    pause = LISTEN_RETRY_SECONDS
                    if not self._decided.is_set():
                        log.info("worker_polls", poll_seconds=self._poll_seconds, reason=NO_NOTIFICATIONS)
                    self._decided.set()
            self._housekeeper.worker["listens"] = False
            await asyncio.sleep(pause)

    async def _wake_at_notifications(self) -> None:
        async for _ in self._store.hints():
            self._housekeeper.worker["listens"] = True
            self._decided.set()
            if self._engine is not None:
                self._engine.wake()

    def _note_away(self, error: StoreError) -> None:
        if not self.liveness.is_database_unreachable:
            log.error("database_unreachable", reason=str(error))
            self.liveness.record_unreachable()

    def _note_reachable(self) -> None:
        if self.liveness.is_database_unreachable:
            self.liveness.record_reachable()
            log.info("database_reachable")

    def _counts(self) -> str:
        ends = self._engine.summary.ends if self._engine is not None else {}
        return ", ".join(f"{count} {end}" for end, count in ends.items() if count) or "nothing has run yet"
