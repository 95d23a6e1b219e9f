"""The number of requests of a tick over REST: each is a round trip."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.config import LogSettings, RunSettings
from minutehand.scheduler.engine.summary import Summary
from minutehand.scheduler.engine.tick import TickRunner
from minutehand.store import Store
from minutehand.store.drivers.supabase import SupabaseDriver
from tests.contract.backends import CountingDriver
from tests.journeys.app import App, webhook


def tick(project: Any, **settings: Any) -> tuple[Summary, list[str]]:
    """Run one tick, and return its summary and its requests."""
    driver = CountingDriver(SupabaseDriver(project.url, project.secret_key))
    driver.linger_seconds = 1.0  # what ends together on an idle machine is settled together on a busy one

    async def go() -> Summary:
        store = Store(driver)
        executor = ExecutorSettings(allow_private_addresses=True)
        runner = TickRunner(store, RunSettings(), executor, LogSettings(log_level="error"), mode="test", **settings)
        try:
            return await runner.tick()
        finally:
            await store.close()

    return asyncio.run(go()), driver.calls


@pytest.fixture
def app(project: Any) -> App:
    """The app on a Supabase project."""
    return App(project.owner)


def test_a_tick_with_nothing_due_is_one_request(app: App, project: Any) -> None:
    summary, calls = tick(project)
    assert (summary.claimed, calls) == (0, ["tick"])


@pytest.mark.parametrize("due", [4, 10])
def test_a_tick_is_three_requests_plus_those_of_its_steps(app: App, shop: Any, project: Any, due: int) -> None:
    app.workflow(webhook(shop.url), webhook(shop.url))
    app.complete_many(due)
    app.match()
    summary, calls = tick(project)
    assert (summary.ends["completed"], len(shop.requests)) == (due, 2 * due)
    assert [call for call in calls if call != "advance"] == ["tick", "claim", "settle"]
    # One call reads the rows of all; then each execution records its first step and reads its row again.
    assert 2 <= calls.count("advance") <= 1 + due
