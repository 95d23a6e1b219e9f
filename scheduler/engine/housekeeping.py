"""What a processor does beside running executions: the SQL housekeeping, pruning, breaker warnings and alerts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from minutehand import __version__
from minutehand.executor.text.copies import why_stopped
from minutehand.scheduler.config import LogSettings, RunSettings
from minutehand.scheduler.database import check_schema_version
from minutehand.store import Json, Store, Tick
from minutehand.store.errors import StoreError

if TYPE_CHECKING:
    from minutehand.scheduler.alerts.notifier import Notifier
    from minutehand.scheduler.engine.engine import Engine
    from minutehand.scheduler.engine.summary import Summary

T = TypeVar("T")

#: Between two deletions of what is older than --keep, when the last one left nothing.
PRUNE_SECONDS = 60.0
#: Calls of one pass that go on with the rows of schedules.
MOST_FIRES = 5
#: Executions of a bulk action that one pass retries or cancels.
BULK_LIMIT = 500


class Housekeeper:
    """Does the housekeeping of one processor.

    `batch_size`: executions of one of its ticks, which come every `tick_seconds`; None: it runs all that is due.
    `serves`: what its steps can use (`services_of`); None: it says nothing.
    `after_pass` is called after each call of `automation_tick`.
    """

    def __init__(
        self,
        store: Store,
        settings: RunSettings,
        log: LogSettings,
        *,
        mode: str,
        batch_size: int | None = None,
        tick_seconds: float | None = None,
        serves: Json | None = None,
        after_pass: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._log = log
        self._after_pass = after_pass
        self._prune_at = 0.0
        self._notifier = notifier_of(store, settings)
        self._alerting: asyncio.Task[None] | None = None
        host = socket.gethostname()
        #: This processor's row of `automation_workers`.
        self.worker: Json = {
            "id": f"{host}:{os.getpid()}",
            "mode": mode,
            "host": host,
            "version": __version__,
            "batch_size": batch_size,
            "tick_seconds": tick_seconds,
            "serves": serves,
            "problems": {},
            "project": store.project,
        }
        self._reported: Json = {}
        self.stopping = False

    def stop(self) -> None:
        """End the pass under way, and send no more alerts."""
        self.stopping = True

    async def run(self) -> Tick:
        """Find lost leases, check the breaker, record the heartbeat, match late changes; then prune.

        On a copy of a database nothing is done.  It repeats while there is a stale backlog or a flood to hold.
        Returns the last pass, with `held`, `restored` and `flooded` of all.  Errors: `StoreError`.
        """
        hold = self._settings.hold_seconds
        held = restored = flooded = 0
        while True:
            tick = await self._store.tick(self.worker, hold_seconds=None if hold is None else int(hold))
            check_schema_version(tick.schema_version, tick.missing, tick.hidden, place=self._store.where)
            if why_stopped(tick.identity) is not None:  # nothing there is changed
                self._after_pass()
                return tick
            held += tick.held
            restored += tick.restored
            flooded += tick.flooded
            self._after_pass()
            self._warn_of_breaker(tick)
            if tick.to_match:
                tick = replace(tick, due=tick.due + await self._match(tick.to_match))
            if tick.schedules or tick.walks or tick.dates:
                tick = replace(tick, due=tick.due + await self._fire(tick))
            if not tick.holding or self.stopping:
                break
        if self._settings.keep_seconds is not None and time.monotonic() >= self._prune_at:
            await self._try("prune", partial(self._prune, int(self._settings.keep_seconds)))
        if tick.bulk_actions:
            await self._try("bulk actions", partial(self._step_bulk_actions, tick.bulk_actions))
        await self._report()
        if flooded:
            self._warn_of_flood(flooded)
        return replace(tick, held=held, restored=restored, flooded=flooded)

    async def _match(self, event_ids: list[int]) -> int:
        """Match late changes, and return how many executions they started."""
        result = await self._try("matching", lambda: self._store.match(event_ids))
        return 0 if result is None else result["executions"]

    async def _fire(self, tick: Tick) -> int:
        """Start what schedules start, and return how many executions that are."""
        from minutehand.executor.schedules import look_at

        started = 0
        looks = [look_at(schedule, tick.now) for schedule in tick.schedules] if tick.now else []
        for _ in range(MOST_FIRES):
            result = await self._try("schedules", partial(self._store.fire, looks))
            started += 0 if result is None else result["started"]
            if result is None or not result["more"] or self.stopping:
                break
            looks = []
        return started

    async def alert(self) -> None:
        """Notify people of incidents.  Errors: none."""
        if self._notifier is not None and not self.stopping:
            configure_logs(self._log)
            await self._notifier.notify()
            self.note("alerts", self._notifier.problem)
            await self._report()

    def alert_in_background(self) -> None:
        """Notify people of incidents while the work goes on; one at a time."""
        if self._alerting is None or self._alerting.done():
            self._alerting = asyncio.ensure_future(self.alert())

    def note(self, what: str, problem: str | None) -> None:
        """Note what this processor cannot do beside running executions, and why; None: it can."""
        problems = {key: value for key, value in self.worker["problems"].items() if key != what}
        self.worker["problems"] = problems | ({what: problem} if problem else {})

    async def _try(self, what: str, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do what may fail without stopping the queue.  A failure is logged and noted; the next pass tries again."""
        try:
            result = await work()
        except StoreError as error:
            from minutehand.executor.log import structlog

            configure_logs(self._log)
            log = structlog.get_logger()
            log.warning("housekeeping_part_failed", what=what, reason=str(error))
            self.note(what, str(error))
            return None
        self.note(what, None)
        return result

    async def _report(self) -> None:
        """Tell the database of problems that it has not heard of."""
        problems = self.worker["problems"]
        if problems != self._reported:
            with contextlib.suppress(StoreError):
                await self._store.report_problems(self.worker["id"], problems)
                self._reported = problems

    async def _prune(self, keep_seconds: int) -> None:
        """Delete a batch of what is older than --keep: at each pass while there is more, else once a minute."""
        self._prune_at = time.monotonic() + PRUNE_SECONDS
        result = await self._store.prune(keep_seconds)
        if result["more"]:
            self._prune_at = 0.0

    async def _step_bulk_actions(self, count: int) -> None:
        for _ in range(count):  # also those whose server is gone
            await self._store.bulk_step(limit=BULK_LIMIT)

    def _warn_of_breaker(self, tick: Tick) -> None:
        if not tick.tripped:
            return
        from minutehand.executor.log import structlog

        configure_logs(self._log)
        log = structlog.get_logger()
        for name in tick.tripped:
            log.warning("breaker_tripped", workflow=name)

    def _warn_of_flood(self, flooded: int) -> None:
        from minutehand.executor.log import structlog

        configure_logs(self._log)
        log = structlog.get_logger()
        log.warning("flood_held", held=flooded)


async def run_with_housekeeping(
    engine: Engine, tick: Tick, housekeeping: Coroutine[Any, Any, None], *, stopping: Callable[[], bool]
) -> Summary:
    """Run the engine after `tick`, while `housekeeping` repeats beside it.

    The housekeeping ends only by an error.  That stops the engine and is raised, unless the processor is `stopping`.
    """
    beside = asyncio.ensure_future(housekeeping)
    beside.add_done_callback(lambda _: engine.stop())
    try:
        summary = await engine.run(tick)
    finally:
        beside.cancel()
        (error,) = await asyncio.gather(beside, return_exceptions=True)
    if isinstance(error, Exception) and not stopping():
        raise error
    return summary


def notifier_of(store: Store, settings: RunSettings) -> Notifier | None:
    """Return what notifies people; None without a target, so that nothing is imported for it."""
    if not settings.alert.targets:
        return None
    from minutehand.scheduler.alerts.notifier import Notifier

    return Notifier(store, settings.alert)


def configure_logs(settings: LogSettings) -> None:
    """Set up logging, now that there is something to log.  A tick with nothing to do does not import it."""
    from minutehand.scheduler.logs import configure

    configure(settings)
