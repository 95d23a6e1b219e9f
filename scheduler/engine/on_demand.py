"""Runs executions that callers name, by the same engine as a tick, each once and beside each other."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import structlog

from minutehand.dashboard.api.executor_endpoint import AllLanesBusy, Turn
from minutehand.scheduler.config import RunSettings
from minutehand.scheduler.engine.claims import claim_due
from minutehand.scheduler.engine.engine import Engine, Execute
from minutehand.store import Claim, Store
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
        claim = claim_due(self._store, self._settings, self._worker, ids=[execution_id])

        async def claim_it(limit: int, *, alone: bool) -> Claim:
            # A suspect must run with nothing else in flight: it is left to a tick.
            return replace(await claim(limit, alone=alone), suspects=False)

        engine = Engine(self._store, self._execute, self._settings, claim=claim_it, budget=1)
        self._engines.add(engine)
        try:
            summary = await engine.run(None)
            return Turn(execution=await self._store.execution(execution_id), ran=summary.claimed > 0)
        finally:
            self._engines.discard(engine)

    def _forget(self, execution_id: str, turn: asyncio.Task[Turn]) -> None:
        del self._turns[execution_id]
        error = None if turn.cancelled() else turn.exception()
        if isinstance(error, StoreError) and not isinstance(error, NotFound):
            log.warning("call_failed", execution_id=execution_id, reason=str(error))
