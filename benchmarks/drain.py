"""Run everything that is pending with the engine in one process, as `run-once --drain` does.

`python -m benchmarks.drain URL HTTP_PORT SMTP_PORT` prints `{"executions", "seconds", "cpu_seconds"}`; neither the
interpreter's start nor the first connection counts.  The log goes to stderr, as that of a command.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from benchmarks.noop import KINDS
from minutehand.executor.actions import BUILT_IN
from minutehand.executor.local import LocalExecutor
from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.config import LogSettings, RunSettings
from minutehand.scheduler.engine.claims import claim_due
from minutehand.scheduler.engine.engine import Engine
from minutehand.scheduler.logs import configure
from minutehand.store import Json, Store


def settings_for(http_port: str, smtp_port: str) -> ExecutorSettings:
    """Return settings that send e-mail, SMS and webhooks to the benchmark's receivers."""
    return ExecutorSettings(
        provider_values={
            "SMTP_URL": f"smtp://127.0.0.1:{smtp_port}",
            "EMAIL_FROM": "bench@example.com",
            "TWILIO_ACCOUNT_SID": "AC0",
            "TWILIO_AUTH_TOKEN": "bench",
            "TWILIO_FROM": "+15550000000",
            "TWILIO_BASE_URL": f"http://127.0.0.1:{http_port}",
        },
        allow_private_addresses=frozenset({f"127.0.0.1:{http_port}"}),
    )


async def drain(url: str, http_port: str, smtp_port: str) -> Json:
    """Run everything that is due."""
    store = Store.postgres(url)
    await store.schema_version()
    settings = settings_for(http_port, smtp_port)
    started, cpu_started = time.perf_counter(), time.process_time()
    async with LocalExecutor(store, settings) as executor:
        run = RunSettings()
        engine = Engine(store, executor.execute, run, claim=claim_due(store, run, "bench"), budget=None)
        summary = await engine.run(await store.tick({"id": "bench", "mode": "run-once"}))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    await store.close()
    return {"executions": summary.ends["completed"], "seconds": seconds, "cpu_seconds": cpu_seconds}


if __name__ == "__main__":
    BUILT_IN.update(KINDS)
    configure(LogSettings())
    print(json.dumps(asyncio.run(drain(*sys.argv[1:]))))
