"""The engine at work: one process, as `run-once --drain`, on all that is pending.

`python -m benchmarks.drain URL PORT` prints `{"executions", "seconds", "cpu_seconds"}`; neither the interpreter's start
nor the first connection counts.  Its log goes where a command's goes: to stderr, a line an execution.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from executor.actions import BUILT_IN
from executor.local import LocalExecutor
from executor.settings import ExecutorSettings
from scheduler.engine import Engine, EngineSettings
from scheduler.logs import configure
from scheduler.settings import LogSettings
from store import Json, Store


async def drain(url: str, port: str) -> Json:
    """Run everything that is due."""
    store = Store.postgres(url)
    await store.schema_version()
    settings = ExecutorSettings(allow_private_addresses=frozenset({f"127.0.0.1:{port}"}))
    started, cpu_started = time.perf_counter(), time.process_time()
    async with LocalExecutor(store, settings) as executor:
        engine = Engine(store, executor.execute, EngineSettings(worker="bench", mode="run-once", budget=None))
        summary = await engine.run(await store.tick({"id": "bench", "mode": "run-once"}))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    await store.close()
    return {"executions": summary.ends["completed"], "seconds": seconds, "cpu_seconds": cpu_seconds}


if __name__ == "__main__":
    BUILT_IN["noop"] = "benchmarks.noop:NoopAction"
    configure(LogSettings())
    print(json.dumps(asyncio.run(drain(*sys.argv[1:]))))
