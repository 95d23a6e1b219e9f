"""The three sends of the benchmark's workflow, by the same actions, 50 at once, without a database.

`python -m benchmarks.bare_sends HTTP_PORT SMTP_PORT COUNT` prints `{"executions", "seconds", "cpu_seconds"}`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from benchmarks.bare_posts import LANES
from benchmarks.database import three_steps
from benchmarks.drain import settings_for
from minutehand.executor.actions import action_for
from minutehand.executor.actions.contract import Deliver, Message, Step
from minutehand.executor.http.client import HttpClient
from minutehand.executor.outcome import OnUncertain, StepResult, Verdict
from minutehand.executor.settings import ExecutorSettings
from minutehand.executor.templates.render import Renderer

CONTEXT = {
    "job": {"id": 7, "title": "Job 7", "notes": "Bring a ladder. " * 10},
    "client": {"name": "Client 7", "email": "client7@example.com", "phone": "+12025550107"},
}


@dataclass(slots=True, kw_only=True)
class BareRun:
    """A `StepRun` that reads and records nothing."""

    step: Step
    settings: ExecutorSettings
    http: HttpClient
    context: dict[str, Any] = field(default_factory=lambda: CONTEXT)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    execution_id: str = "e"
    workflow_id: str = "w"
    definition: dict[str, Any] = field(default_factory=dict)
    hidden: dict[str, Any] = field(default_factory=dict)
    webhook_tenant: None = None
    zone: str = "UTC"
    waiting: None = None

    def render(self, template: str, *, html: bool = False) -> str:
        """Render."""
        return Renderer().render(template, self.context, html=html)

    def render_url(self, template: str) -> str:
        return self.render(template)

    def render_value(self, value: Any) -> Any:
        """Render."""
        return Renderer().render_value(value, self.context)

    async def send(
        self,
        message: Message,
        deliver: Deliver,
        *,
        on_uncertain: OnUncertain = OnUncertain.HOLD,
        reserve: bool = True,
        slots: asyncio.Semaphore | None = None,
    ) -> StepResult:
        """Deliver."""
        async with AsyncExitStack() as taken:
            if slots is not None:
                await taken.enter_async_context(slots)
            return await deliver(uuid.uuid4().hex)

    async def write(self, table: str, operation: str, row_id: str | None, values: dict[str, Any]) -> StepResult:
        """Not used here."""
        raise NotImplementedError

    async def judge(self, conditions: Any) -> dict[str, Any]:
        """Not used here."""
        raise NotImplementedError


async def send_all(http_port: str, smtp_port: str, count: int) -> dict[str, Any]:
    """Do the three steps `count` times over `LANES` lanes."""
    settings = settings_for(http_port, smtp_port)
    steps = [
        Step(key=str(number), path=str(number), type=str(step["type"]), name="", config=step["config"])
        for number, step in enumerate(three_steps(int(http_port)), 1)
    ]
    numbers = iter(range(count))

    async def lane(http: HttpClient) -> None:
        for _ in numbers:
            for step in steps:
                result = await action_for(step.type).run(BareRun(step=step, settings=settings, http=http))
                if result.verdict is not Verdict.DONE:
                    raise SystemExit(f"{step.type}: {result.code} {result.reason}")

    async with HttpClient(settings) as http:
        started, cpu_started = time.perf_counter(), time.process_time()
        await asyncio.gather(*(lane(http) for _ in range(LANES)))
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return {"executions": count, "seconds": seconds, "cpu_seconds": cpu_seconds}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(send_all(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
