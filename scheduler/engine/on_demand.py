"""Runs executions that callers name, by the same engine as a tick, each once and beside each other."""

from __future__ import annotations

import asyncio

import structlog

from minutehand.dashboard.api.executor_endpoint import AllLanesBusy, Turn
from minutehand.scheduler.config import RunSettings
from minutehand.scheduler.engine.engine import Engine, EngineSettings, Execute
from minutehand.store import Store
from minutehand.store.errors import NotFound, StoreError

log = structlog.get_logger()


class OnDemand:
    """What `serve` runs.  A call that doubles one under way waits for the same turn; the callers may hang up."""

    def __init__(self, store: Store, execute: Execute, settings: RunSettings, *, worker: str) -> None:
        self._store = store
        self._execute = execute
        self._lanes = settings.concurrency
        self._settings = settings
        self._worker = worker
        self._turns: dict[str, asyncio.Task[Turn]] = {}
        self._engines: set[Engine] = set()
        self.stopping = False

    async def run(self, execution_id: str) -> Turn:
        """Claim one execution, if it may run now, and run it.  Errors: `AllLanesBusy`, `StoreError`."""
        turn = self._turns.get(execution_id)
        if turn is None:
            if self.stopping or len(self._turns) >= self._lanes:
                raise AllLanesBusy
            turn = self._turns[execution_id] = asyncio.ensure_future(self._turn(execution_id))
            turn.add_done_callback(lambda done: self._forget(execution_id, done))
        return await asyncio.shield(turn)

    def stop(self) -> None:
        """Begin no more; what runs may finish within the grace."""
        self.stopping = True
        for engine in self._engines:
            engine.stop()

    async def _turn(self, execution_id: str) -> Turn:
        engine = Engine(self._store, self._execute, self._engine_settings(execution_id))
        self._engines.add(engine)
        try:
            summary = await engine.run(None)
            return Turn(execution=await self._store.execution(execution_id), ran=summary.claimed > 0)
        finally:
            self._engines.discard(engine)

    def _engine_settings(self, execution_id: str) -> EngineSettings:
        return EngineSettings(
            worker=self._worker,
            mode="serve",
            concurrency=1,
            budget=1,
            ids=(execution_id,),
            lease_seconds=self._settings.lease_seconds,
            max_attempts=self._settings.max_attempts,
            grace_seconds=self._settings.grace_seconds,
        )

    def _forget(self, execution_id: str, turn: asyncio.Task[Turn]) -> None:
        del self._turns[execution_id]
        error = None if turn.cancelled() else turn.exception()
        if isinstance(error, StoreError) and not isinstance(error, NotFound):
            log.warning("call_failed", execution_id=execution_id, reason=str(error))
