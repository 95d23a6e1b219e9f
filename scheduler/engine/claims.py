"""How an engine claims: whatever is due, or the executions that a caller names."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from minutehand.executor.text.copies import REDIRECTS
from minutehand.scheduler.config import RunSettings
from minutehand.scheduler.process.reachable import UntilReachable
from minutehand.store import Claim, Lease, Store

if TYPE_CHECKING:
    from minutehand.scheduler.engine.engine import Engine


class ClaimExecutions(Protocol):
    """Claims up to `limit` executions; with `alone`, one that must run with nothing else in flight."""

    async def __call__(self, limit: int, *, alone: bool, lease: Lease | None = None) -> Claim:
        """Claim; repeated with the same lease it returns the same.  Errors: `StoreError`, which ends the run."""
        ...


#: What a claim that found nothing returns.
NOTHING_CLAIMED = Claim(executions=[], ended=[], suspects=False, next_seconds=None)


def claim_due(store: Store, settings: RunSettings, worker: str, *, ids: list[str] | None = None) -> ClaimExecutions:
    """Return what claims for `worker`: whatever is due, oldest first, or only the executions of `ids`."""
    lease_seconds, max_attempts = settings.lease_seconds, settings.max_attempts
    return partial(
        store.claim,
        worker=worker,
        lease_seconds=lease_seconds,
        max_attempts=max_attempts,
        ids=ids,
        redirects=settings.executor == REDIRECTS,
        contexts=settings.executor == "local",  # the others read it when they hand an execution over
    )


def claim_when_reachable(
    claim: ClaimExecutions,
    settings: RunSettings,
    until_reachable: UntilReachable,
    engine_of: Callable[[], Engine | None],
) -> ClaimExecutions:
    """Return what claims as soon as the database is reachable, unless the engine stops before.

    Each try has the same lease while it lives: a claim whose reply was lost would else hold its rows until it is over.
    """

    async def when_reachable(limit: int, *, alone: bool, lease: Lease | None = None) -> Claim:
        own = lease or Lease.new(settings.lease_seconds)

        async def unless_stopping() -> Claim:
            nonlocal own
            engine = engine_of()
            if engine is None or engine.stopping:
                return NOTHING_CLAIMED
            if time.monotonic() >= own.expires_monotonic:
                own = Lease.new(settings.lease_seconds)
            return await claim(limit, alone=alone, lease=own)

        return await until_reachable(unless_stopping)

    return when_reachable
