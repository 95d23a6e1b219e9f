"""Both backends: the same work in one database, over REST and over PostgreSQL's own protocol.

The stack of tests/supabase answers the REST calls. The requests are those that a hosted project gets; the network and
the platform are not.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import psycopg
from psycopg.types.json import Jsonb

from benchmarks import database
from minutehand.executor.actions import BUILT_IN
from minutehand.executor.local import LocalExecutor
from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.config import LogSettings, RunSettings
from minutehand.scheduler.engine.claims import claim_due
from minutehand.scheduler.engine.engine import Engine
from minutehand.scheduler.logs import configure
from minutehand.store import Store
from minutehand.store.drivers.postgres import PostgresDriver
from minutehand.store.drivers.supabase import SupabaseDriver
from tests.contract.backends import CountingDriver
from tests.supabase.stack import Project, running_stack

BACKENDS = ("rest", "postgres")


@dataclass(frozen=True, slots=True)
class Run:
    """One run over one backend."""

    seconds: float
    calls: int


def measured(server: str, rounds: int, counts: tuple[int, ...]) -> dict[int, list[dict[str, Run]]]:
    """Run executions with a no-op step over each backend; returns the runs by count. A count of 10 is one tick."""
    BUILT_IN["noop"] = "benchmarks.noop:NoopAction"
    configure(LogSettings(log_level="error"))
    with running_stack(server) as stack, stack.project() as project:
        project.owner.connection.execute(database.TABLES)
        values = ["noop", Jsonb({}), Jsonb([{"type": "noop", "config": {}}])]
        project.owner.connection.execute(database.WORKFLOW, values)
        database.watch(project.owner.url, "jobs")
        return {
            count: [{name: _run(project, name, count) for name in BACKENDS} for _ in range(rounds)] for count in counts
        }


def _run(project: Project, backend: str, count: int) -> Run:
    database.fill(project.database.url, "noop", count)
    driver = CountingDriver(
        SupabaseDriver(project.url, project.secret_key) if backend == "rest" else PostgresDriver(project.owner.url)
    )
    seconds = asyncio.run(_drain(Store(driver), budget=count if count == 10 else None))
    with psycopg.connect(project.database.url) as connection:
        database.expect(connection, "completed", count)
    return Run(seconds, len(driver.calls))


async def _drain(store: Store, budget: int | None) -> float:
    """Run what is due, and return the seconds without the first connection."""
    await store.schema_version()
    started = time.perf_counter()
    run = RunSettings()
    async with LocalExecutor(store, ExecutorSettings()) as executor:
        engine = Engine(store, executor.execute, run, claim=claim_due(store, run, "bench"), budget=budget)
        await engine.run(await store.tick({"id": "bench", "mode": "run-once"}))
    seconds = time.perf_counter() - started
    await store.close()
    return seconds
