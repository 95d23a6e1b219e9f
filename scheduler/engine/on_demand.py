"""Runs executions that callers of `serve` name, each in an engine of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from minutehand.dashboard.api.executor_endpoint import AllLanesBusy, CallResult
from minutehand.executor.log import structlog
from minutehand.scheduler.config import RunSettings
from minutehand.scheduler.engine.claims import claim_due
from minutehand.scheduler.engine.engine import Engine, Execute
from minutehand.store import Claim, Lease, Store
from minutehand.store.errors import NotFound, StoreError

log = structlog.get_logger()


class OnDemand:
    """Runs named executions at the same time, up to --concurrency.

    A call for an execution that is running already waits for its end.  An execution goes on when its caller hangs up.
    """

    def __init__(self, store: Store, execute: Execute, settings: RunSettings, *, worker: str) -> None:
        self._store = store
        self._execute = execute
        self._settings = settings
        self._worker = worker
        self._calls: dict[str, asyncio.Task[CallResult]] = {}
        self._engines: set[Engine] = set()
        self.stopping = False

    async def run(self, execution_id: str) -> CallResult:
        """Claim and run one execution, if it may run now.  Errors: `AllLanesBusy`, `StoreError`."""
        call = self._calls.get(execution_id)
        if call is None:
            if self.stopping or len(self._calls) >= self._settings.concurrency:
                raise AllLanesBusy
            call = self._calls[execution_id] = asyncio.ensure_future(self._run(execution_id))
            call.add_done_callback(lambda done: self._forget(execution_id, done))
        return await asyncio.shield(call)

    def stop(self) -> None:
        """Accept no more calls; running executions may finish within the grace."""
        self.stopping = True
        for engine in self._engines:
            engine.stop()

    async def _run(self, execution_id: str) -> CallResult:
        claim = claim_due(self._store, self._settings, self._worker, ids=[execution_id])

        async def claim_it(limit: int, *, alone: bool, lease: Lease | None = None) -> Claim:
            # A suspect must run with nothing else in flight: it is left to a tick.
            return replace(await claim(limit, alone=alone, lease=lease), suspects=False)

        engine = Engine(self._store, self._execute, self._settings, claim=claim_it, budget=1)
        self._engines.add(engine)
        try:
            summary = await engine.run(None)
            return CallResult(execution=await self._store.execution(execution_id), ran=summary.claimed > 0)
        finally:
            self._engines.discard(engine)

    def _forget(self, execution_id: str, call: asyncio.Task[CallResult]) -> None:
        del self._calls[execution_id]
        error = None if call.cancelled() else call.exception()
        if isinstance(error, StoreError) and not isinstance(error, NotFound):
            log.warning("call_failed", execution_id=execution_id, reason=str(error))
