"""Keeps the leases of everything this process has claimed and not yet settled (R5)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import structlog

from minutehand.store import Execution, Lease, Store
from minutehand.store.errors import StoreError

log = structlog.get_logger()


class Leases:
    """All leases in hand; renewed together in one call, at a third of their length."""

    def __init__(self, store: Store, lease_seconds: int) -> None:
        self._store = store
        self._seconds = lease_seconds
        # By claim too: an execution that came back at once may be claimed anew before its end was counted here.
        self._held: dict[tuple[str, str], Execution] = {}

    def __len__(self) -> int:
        return len(self._held)

    def held(self) -> list[Execution]:
        """What is in keeping now."""
        return list(self._held.values())

    def add(self, executions: list[Execution]) -> None:
        """Take claimed executions into keeping."""
        self._held.update((_claim_of(execution), execution) for execution in executions)

    def drop(self, execution: Execution) -> bool:
        """Let one go: it is settled, or lost.  False: it was let go before."""
        return self._held.pop(_claim_of(execution), None) is not None

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Renew for as long as the block runs."""
        task = asyncio.ensure_future(self._renew_for_ever())
        try:
            yield
        finally:
            task.cancel()

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / 3)
            with contextlib.suppress(StoreError):  # tried again; past their time the leases count as lost by themselves
                await self.renew()

    async def renew(self) -> None:
        """Renew all once.  What the database does not name any more is lost."""
        asked = self.held()
        if not asked:
            return
        leases: dict[str, Lease] = {execution.lease.token: execution.lease for execution in asked}
        started = time.monotonic()
        held = await self._store.renew(list(leases), lease_seconds=self._seconds)
        for lease in leases.values():
            lease.expires_monotonic = started + self._seconds
        for execution in asked:
            if execution.id not in held and _claim_of(execution) in self._held:
                execution.lease.lost_ids.add(execution.id)
                log.warning("lease_lost", execution_id=execution.id)


def _claim_of(execution: Execution) -> tuple[str, str]:
    return execution.id, execution.lease.token
