"""The engine: claims executions ahead, runs them in independent lanes, and settles them in batches.

    claim -> queue -> lanes -> execute -> settle
      ^                                     |
      +------- refilled before it is empty -+

A tick is this engine with a budget.  `--drain` is the same without one.  `worker` runs it continuously: it rests when
nothing is due.  A slow execution occupies one lane and delays no other.  Outcomes are settled in batches, whose size
follows from the load (store/batch.py).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from minutehand.executor import tracing
from minutehand.executor.log import structlog
from minutehand.executor.outcome import Ended, Outcome
from minutehand.scheduler.config import RunSettings
from minutehand.scheduler.engine.claims import ClaimExecutions
from minutehand.scheduler.engine.leases import Leases
from minutehand.scheduler.engine.pace import CLAIM_SIZE, Pace
from minutehand.scheduler.engine.summary import Summary
from minutehand.scheduler.process.liveness import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS
from minutehand.scheduler.process.reachable import wait
from minutehand.store import Execution, Json, LeaseLost, Settled, Store, Tick
from minutehand.store.batch import Batch
from minutehand.store.errors import Conflict, StoreError

log = structlog.get_logger()

#: The least time between two claims that find nothing, in seconds.
LEAST_REST = 0.05
#: How soon a deferred execution must come back for a drain without --max-time to wait for it, in seconds.
DRAIN_WAIT_SECONDS = 60.0

#: Outcomes of one call.
SETTLE_SIZE = 500
#: Executions that complete together and have a line of the log each.
MOST_LOGGED_EACH = 20

Execute = Callable[[Execution], Awaitable[Outcome]]


class Engine:
    """One run of the engine over one database.  `stop` ends it early and cleanly."""

    def __init__(
        self,
        store: Store,
        execute: Execute,
        settings: RunSettings,
        *,
        claim: ClaimExecutions,
        budget: int | None,
        max_seconds: float | None = None,
        continuous: bool = False,
    ) -> None:
        """Prepare a run, which begins now.

        `budget`: executions to claim; None: until nothing is due.  `max_seconds`: stop claiming after this long.
        `continuous`: when nothing is due, rest until something is, or until `wake`.
        """
        self._store = store
        self._execute = execute
        self._claim_executions = claim
        self._budget = budget
        self._concurrency = settings.concurrency if budget is None else min(settings.concurrency, budget)
        self._grace_seconds = settings.grace_seconds
        #: On the monotonic clock.
        self._claim_until = math.inf if max_seconds is None else time.monotonic() + max_seconds
        self._continuous = continuous
        self._linger_seconds = store.linger_seconds
        self._leases = Leases(store, settings.lease_seconds)
        self._queue: asyncio.Queue[Execution] = asyncio.Queue()
        self._pace = Pace(self._concurrency)
        #: How many queued executions are few enough to claim more.
        self._refill_at = 0
        self._settles: Batch[Json, Settled] = Batch(
            self._settle_batch,
            key_of_ask=lambda outcome: str(outcome["id"]),
            key_of_answer=lambda settled: settled.id,
            linger_seconds=store.linger_seconds,
            max_size=SETTLE_SIZE,
        )
        #: Executions that a line about many has told of.
        self._told: set[str] = set()
        self._progress = asyncio.Event()
        self._woken = asyncio.Event()
        #: On the monotonic clock: when the next execution that is known now is due.
        self._due_at = math.inf
        self._stopping = asyncio.Event()
        self._stopped_at = 0.0
        self._suspects = False
        self._came_back = False
        #: On the monotonic clock: when the executions that a drain deferred are due again.
        self._deferred_until: list[float] = []
        self.summary = Summary()

    def stop(self) -> None:
        """Stop claiming.  Queued executions are released; running ones may finish within the grace."""
        if not self.stopping:
            self._stopped_at = time.monotonic()
        self._stopping.set()
        self._progress.set()
        self._woken.set()

    def wake(self) -> None:
        """Claim again: something may be due."""
        self._woken.set()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    async def run(self, tick: Tick | None) -> Summary:
        """Run what the claim returns, within the budget.

        `tick` is the housekeeping just done; None for executions that a caller names.  Errors: those of the claim.
        """
        started = time.monotonic()
        summary = self.summary
        if tick is None or tick.due or self._continuous:
            with self._leases.kept():
                await self._run_lanes()
        if tick is None:
            return summary
        summary.held = tick.held
        summary.due = max(0, tick.due - summary.claimed) if self._budget is not None or self.stopping else 0
        summary.seconds = time.monotonic() - started
        return summary

    async def _run_lanes(self) -> None:
        lanes = [asyncio.ensure_future(self._lane()) for _ in range(self._concurrency)]
        try:
            await self._feed()
        finally:
            await self._finish()
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def _feed(self) -> None:
        """Claim until the budget is spent, nothing is due, time is up or `stop` is called."""
        while not self.stopping:
            if self._is_time_up():
                return self.stop()
            left = CLAIM_SIZE if self._budget is None else self._budget - self.summary.claimed - len(self._leases)
            if left <= 0:
                return None
            idle = len(self._leases) == 0
            # A suspect (its workers died) runs with nothing else in flight: wait for the others to end.
            ahead = self._pace.claim_size()
            self._refill_at = ahead // 2
            if (self._suspects and not idle) or self._queue.qsize() > self._refill_at:
                await self._wait_for_progress()
                continue
            alone, limit = self._suspects, min(left, ahead)
            self._woken.clear()
            claimed = await self._claim(limit, alone=alone)
            if self._continuous:
                if claimed < limit and not self._suspects:
                    await self._rest()
                continue
            # A tick ends with its first claim that is not full; a drain claims until it finds nothing.
            is_last = claimed == 0 and idle if self._budget is None or alone else claimed < limit
            if is_last and not self._suspects and not await self._something_comes_back():
                return None
            if claimed == 0 and len(self._leases) > 0:
                await self._wait_for_progress()
                await asyncio.sleep(self._linger_seconds)
        return None

    async def _rest(self) -> None:
        """Wait until something may be due: a notification, a known due time, or a step that follows a failed one."""
        await wait(self._woken, min(self._due_at, self._claim_until) - time.monotonic())

    def _is_time_up(self) -> bool:
        return time.monotonic() >= self._claim_until

    async def _something_comes_back(self) -> bool:
        """Wait for the executions in flight; return whether one of them is due again at once, or soon.

        At once: an execution whose failed step is followed by others.  Soon: one that a drain deferred, for which it
        waits.  If time is up first, `_feed` stops the run.
        """
        while len(self._leases) and not self.stopping and not self._is_time_up():
            await self._wait_for_progress()
        came_back, self._came_back = self._came_back, False
        return came_back or len(self._leases) > 0 or await self._deferral_ends()

    async def _deferral_ends(self) -> bool:
        """Wait for the first of the executions that this drain deferred, if it is due soon; return whether one is."""
        now = time.monotonic()
        latest = now + DRAIN_WAIT_SECONDS if self._claim_until == math.inf else self._claim_until
        first = min(self._deferred_until, default=math.inf)
        if first >= latest:
            return False
        await wait(self._stopping, first - now)
        self._deferred_until = [due for due in self._deferred_until if due > max(first, now)]
        return True

    async def _claim(self, limit: int, *, alone: bool) -> int:
        claim = await self._claim_executions(limit, alone=alone)
        self._suspects = claim.suspects and not alone
        rest = math.inf if claim.next_seconds is None else max(claim.next_seconds, LEAST_REST)
        self._due_at = time.monotonic() + rest
        for row in claim.ended:
            self.summary.add_ended(row)
        self._leases.add(claim.executions)
        for execution in claim.executions:
            self._queue.put_nowait(execution)
        return len(claim.executions) + len(claim.ended)

    async def _wait_for_progress(self) -> None:
        if self.stopping:  # since the claim began
            return
        self._progress.clear()
        await wait(self._progress, self._claim_until - time.monotonic())

    async def _lane(self) -> None:
        while True:
            execution = await self._queue.get()
            if self._queue.qsize() == self._refill_at:
                self._progress.set()  # claim while the rest runs, and what ended is settled
            if self.stopping:
                self._settle(execution, _released(execution))
            else:
                await self._run_one(execution)

    async def _run_one(self, execution: Execution) -> None:
        """Run one execution.  Everything that is logged meanwhile carries its ids."""
        ids = {"execution_id": execution.id, "workflow": execution.workflow.name, "attempt": execution.attempt}
        structlog.contextvars.bind_contextvars(**ids)  # of this lane, until its next execution
        with tracing.attempt(execution) as tell:
            outcome = await self._outcome(execution)
            if outcome is None:
                tell("lost")
                self._lose(execution, "the lease was lost while it ran")
            else:
                tell(outcome.ended.value, outcome.code)
                self._settle(execution, outcome)

    async def _outcome(self, execution: Execution) -> Outcome | None:
        """Return the outcome; None if the lease was lost.  No error in here affects another execution."""
        try:
            return await self._execute(execution)
        except LeaseLost:
            return None
        except StoreError as error:
            log.warning("execution_deferred", code=error.code, reason=str(error))
            return Outcome.of_error(execution, error)
        except Exception as error:
            log.exception("execution_crashed")
            return _failed(execution, "internal_error", f"a bug in the executor: {type(error).__name__}")

    def _settle(self, execution: Execution, outcome: Outcome) -> None:
        """Settle the outcome with the next batch; the lane does not wait for it."""
        answer = self._settles.ask(outcome.as_json())
        answer.add_done_callback(lambda future: self._settled(execution, outcome, future))

    async def _settle_batch(self, outcomes: list[Json]) -> list[Settled]:
        """Settle; while the database is away, for as long as the leases live: what was sent must be recorded."""
        pause = FIRST_RETRY_SECONDS
        deadline = time.monotonic() + self._leases.seconds_left(outcomes)
        while True:
            try:
                settled = await self._store.settle(outcomes)
                self._tell_completed(settled)
                return settled
            except StoreError as error:
                left = deadline - time.monotonic()
                is_locked = isinstance(error, Conflict) and len(outcomes) == 1
                if (error.is_of_item and not is_locked) or left <= 0:
                    raise
                log.warning("settle_waits", executions=len(outcomes), reason=str(error))
                await asyncio.sleep(min(pause, left))
                pause = min(pause * 2, LONGEST_RETRY_SECONDS)

    def _tell_completed(self, settled: list[Settled]) -> None:
        """Log one line for many executions that completed together; else each has its own."""
        completed = {one.id for one in settled if one.status == "completed"}
        if len(completed) > MOST_LOGGED_EACH:
            self._told |= completed
            log.info("executions_completed", executions=len(completed))

    def _settled(self, execution: Execution, outcome: Outcome, answer: asyncio.Future[Settled]) -> None:
        if answer.cancelled() or answer.exception() is not None:
            log.error("settle_failed", execution_id=execution.id, reason=str(answer.exception()))
            return self._lose(execution, "its outcome could not be recorded")
        settled = answer.result()
        is_told = execution.id in self._told
        self._told.discard(execution.id)
        self._pace.count()
        if not self._leases.drop(execution):
            return None  # it was counted as lost when the grace ended
        self.summary.add_settled(execution, outcome, settled)
        if settled.status not in (None, "pending"):
            tracing.ended(execution, str(settled.status), settled.code)
        if settled.status == "pending" and settled.due_seconds is not None:
            self._came_back |= outcome.more and settled.due_seconds == 0
            due_at = time.monotonic() + settled.due_seconds
            if outcome.ended is Ended.DEFERRED and self._budget is None and not self._continuous:
                self._deferred_until.append(due_at)
            if due_at < self._due_at:  # earlier than the last claim knew
                self._due_at = due_at
                self._woken.set()
        self._progress.set()
        if is_told:
            log.debug("execution_completed", execution_id=execution.id, workflow=execution.workflow.name)
            return None
        log.info(
            "execution_settled",
            execution_id=execution.id,
            workflow=execution.workflow.name,
            entity_id=execution.entity_id,
            attempt=execution.attempt,
            outcome=settled.status or settled.answer,
            code=settled.code,
            delay_seconds=settled.due_seconds,
        )
        return None

    def _lose(self, execution: Execution, reason: str) -> None:
        if not self._leases.drop(execution):
            return
        self.summary.add_lost(execution, reason)
        self._progress.set()
        log.warning("execution_lost", execution_id=execution.id, reason=reason)

    async def _finish(self) -> None:
        """Wait for the executions in flight: for the grace after a stop, else as long as it takes."""
        deadline = math.inf
        while len(self._leases):
            if self.stopping:
                self._release_queued()
                deadline = self._stopped_at + self._grace_seconds
            if time.monotonic() >= deadline:
                for execution in self._leases.executions():
                    self._lose(execution, "it was still running when the grace ended")
                return
            self._progress.clear()
            await wait(self._progress, deadline - time.monotonic())

    def _release_queued(self) -> None:
        """Release what has not started at once, so that another processor can run it."""
        while not self._queue.empty():
            execution = self._queue.get_nowait()
            self._settle(execution, _released(execution))


def _released(execution: Execution) -> Outcome:
    return Outcome(execution_id=execution.id, token=execution.lease.token, ended=Ended.RELEASED)


def _failed(execution: Execution, code: str, reason: str) -> Outcome:
    return Outcome(execution_id=execution.id, token=execution.lease.token, ended=Ended.FAILED, code=code, reason=reason)
