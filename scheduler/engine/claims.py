"""How an engine claims: whatever is due, or the executions that a caller names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from minutehand.scheduler.config import RunSettings
from minutehand.scheduler.process.reachable import UntilReachable
from minutehand.store import Claim, Store

if TYPE_CHECKING:
    from minutehand.scheduler.engine.engine import Engine


class ClaimExecutions(Protocol):
    """Claims up to `limit` executions; with `alone`, one that must run with nothing else in flight."""

    async def __call__(self, limit: int, *, alone: bool) -> Claim:
        """Errors: `StoreError`, which ends the run."""
        ...


#: What a claim that found nothing returns.
NOTHING_CLAIMED = Claim(executions=[], ended=[], suspects=False, next_seconds=None)


def claim_due(store: Store, settings: RunSettings, worker: str, *, ids: list[str] | None = None) -> ClaimExecutions:
    """Return what claims for `worker`: whatever is due, oldest first, or only the executions of `ids`."""
    lease_seconds, max_attempts = settings.lease_seconds, settings.max_attempts
    return partial(store.claim, worker=worker, lease_seconds=lease_seconds, max_attempts=max_attempts, ids=ids)


def claim_when_reachable(
    claim: ClaimExecutions, until_reachable: UntilReachable, engine_of: Callable[[], Engine | None]
) -> ClaimExecutions:
    """Return what claims as soon as the database is reachable, unless the engine stops before."""

    async def when_reachable(limit: int, *, alone: bool) -> Claim:
        async def unless_stopping() -> Claim:
            engine = engine_of()
            return NOTHING_CLAIMED if engine is None or engine.stopping else await claim(limit, alone=alone)

        return await until_reachable(unless_stopping)

    return when_reachable
