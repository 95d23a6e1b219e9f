"""Plays days and weeks on a real database: its clock is the test's, and the executor is that of the processors."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from minutehand.executor.local import LocalExecutor
from minutehand.executor.settings import ExecutorSettings
from minutehand.store import Store
from tests.journeys.app import SECRET
from tests.journeys.world import World

#: Older than anything that is played.
LONG_AGO = "2020-01-01T00:00:00Z"


@dataclass
class PlayedTime:
    """The app's and the database's clock; nothing happens but at the times that the test names."""

    world: World
    #: None: the database's own.
    now: datetime | None = None

    def at(self, instant: str) -> None:
        """Set the clock."""
        self.now = datetime.fromisoformat(instant)
        self.world.app.database.sql("select set_config('minutehand.now', %s, false)", self.now.isoformat())

    def tick(self, instant: str | None = None) -> Counter[str]:
        """Run one tick, and everything that is due; returns how the attempts ended."""
        if instant is not None:
            self.at(instant)
        ends: Counter[str] = asyncio.run(self._tick())
        return ends

    def pass_by(self, instant: str, every: timedelta = timedelta(hours=1)) -> Counter[str]:
        """Tick once each `every` until an instant, and then."""
        ends: Counter[str] = Counter()
        end = datetime.fromisoformat(instant)
        assert self.now is not None, "call `at` first"
        while (following := self.now + every) < end:
            ends += self.tick(following.isoformat())
        return ends + self.tick(instant)

    async def _tick(self) -> Counter[str]:
        world, ends = self.world, Counter[str]()
        store = self._store()
        settings = ExecutorSettings(
            webhook_secret=SECRET, allow_private_addresses=frozenset({f"127.0.0.1:{world.shop.port}"})
        )
        try:
            await store.tick({"id": "played", "mode": "test", "batch_size": 10, "tick_seconds": 60})
            async with LocalExecutor(store, settings) as executor:
                while True:
                    claim = await store.claim(50, worker="played", lease_seconds=60, max_attempts=5)
                    if not claim.executions:
                        return ends
                    outcomes = [(await executor.execute(one)).as_json() for one in claim.executions]
                    ends.update(outcome["ended"] for outcome in outcomes)
                    await store.settle(outcomes)
        finally:
            await store.close()

    def _store(self) -> Store:
        environment = self.world.minutehand.environment
        clock = None if self.now is None else lambda: self.now or datetime.now(UTC)
        if self.world.backend == "supabase":
            url, key = environment["SUPABASE_URL"], environment["SUPABASE_SERVICE_ROLE_KEY"]
            return Store.supabase(str(url), str(key), now=clock)
        return Store.postgres(self.world.app.database.url, now=clock)

    def row(self) -> dict[str, Any]:
        """The only execution: its state, its reason and when it goes on."""
        return self.world.app.database.one(
            "select status, code, reason, attempt, lease_expires_at, scheduled_at, workflow_version"
            " from automation_execution_logs"
        )

    def due(self) -> str:
        """When the only execution goes on, in UTC."""
        due: datetime = self.row()["scheduled_at"]
        return f"{due.astimezone(UTC):%Y-%m-%dT%H:%M}"
