"""Renews the leases of all executions that this process has claimed and not yet settled (R5)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

from minutehand.executor.log import structlog
from minutehand.store import Execution, Json, Lease, Store
from minutehand.store.errors import StoreError

log = structlog.get_logger()


class Leases:
    """The executions in flight.  Their leases are renewed together, whenever a third of the lease has passed."""

    def __init__(self, store: Store, lease_seconds: int) -> None:
        self._store = store
        self._seconds = lease_seconds
        # Keyed by claim too: an execution that is due again at once may be claimed again before its settle is counted.
        self._in_flight: dict[tuple[str, str], Execution] = {}

    def __len__(self) -> int:
        return len(self._in_flight)

    def executions(self) -> list[Execution]:
        """Return the executions in flight."""
        return list(self._in_flight.values())

    def add(self, executions: list[Execution]) -> None:
        """Add claimed executions."""
        self._in_flight.update((_claim_of(execution), execution) for execution in executions)

    def drop(self, execution: Execution) -> bool:
        """Remove one that is settled or lost.  Returns whether it was there."""
        return self._in_flight.pop(_claim_of(execution), None) is not None

    def seconds_left(self, outcomes: list[Json]) -> float:
        """Return how long the longest lease of these outcomes lives; 0 if none is in flight."""
        claims = ((str(outcome["id"]), str(outcome["token"])) for outcome in outcomes)
        leases = [self._in_flight[claim].lease.expires_monotonic for claim in claims if claim in self._in_flight]
        return max(leases, default=0.0) - time.monotonic()

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the leases while the block runs."""
        task = asyncio.ensure_future(self._renew_for_ever())
        try:
            yield
        finally:
            task.cancel()

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / 3)
            with contextlib.suppress(StoreError):  # tried again; a lease that expires counts as lost
                await self.renew()

    async def renew(self) -> None:
        """Renew all leases once.  An execution that the database does not return is lost."""
        executions = self.executions()
        if not executions:
            return
        leases: dict[str, Lease] = {execution.lease.token: execution.lease for execution in executions}
        started = time.monotonic()
        renewed = await self._store.renew(list(leases), lease_seconds=self._seconds)
        for lease in leases.values():
            lease.expires_monotonic = started + self._seconds
        for execution in executions:
            if execution.id not in renewed and _claim_of(execution) in self._in_flight:
                execution.lease.lost_ids.add(execution.id)
                log.warning("lease_lost", execution_id=execution.id)


def _claim_of(execution: Execution) -> tuple[str, str]:
    return execution.id, execution.lease.token
