"""The HTTP client and the receiver alone: 50 POSTs at once, without a database.

`python -m benchmarks.bare_posts PORT COUNT` prints `{"executions", "seconds", "cpu_seconds"}`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp

#: In flight at once, as the engine has by default.
LANES = 50
#: About the size of a webhook's body in the benchmark.
BODY = json.dumps({"workflowId": "w" * 36, "executionId": "e" * 36, "context": {"job": "j" * 800}}).encode()


async def post_all(port: int, count: int) -> dict[str, Any]:
    """Post `count` times over `LANES` lanes."""
    numbers = iter(range(count))

    async def lane(session: aiohttp.ClientSession) -> None:
        for _ in numbers:
            async with session.post(f"http://127.0.0.1:{port}/hook", data=BODY) as reply:
                await reply.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        started, cpu_started = time.perf_counter(), time.process_time()
        await asyncio.gather(*(lane(session) for _ in range(LANES)))
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return {"executions": count, "seconds": seconds, "cpu_seconds": cpu_seconds}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(post_all(int(sys.argv[1]), int(sys.argv[2])))))
