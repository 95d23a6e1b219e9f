"""One step of one action, played against the contract: `send` delivers at once, and what was asked for is kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from minutehand.executor.actions import action_for
from minutehand.executor.actions.contract import Deliver, Message, Step
from minutehand.executor.http.client import HttpClient
from minutehand.executor.outcome import OnUncertain, StepResult
from minutehand.executor.settings import ExecutorSettings
from minutehand.executor.step_run import deliver_once
from minutehand.store.records import WebhookTenant


@dataclass
class Acting:
    """Renders `{{word}}` from the top of `words`; has a client only while it delivers."""

    step: Step
    settings: ExecutorSettings
    client: HttpClient
    context: dict[str, Any] = field(default_factory=dict)
    words: dict[str, Any] = field(default_factory=dict)
    hidden: dict[str, Any] = field(default_factory=dict)
    #: How `write` and `judge` answer.
    answer: Any = None
    #: False: nothing may leave, as in a dry run.
    delivers: bool = True
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    zone: str = "UTC"
    waiting: dict[str, Any] | None = None
    execution_id: str = "e1"
    workflow_id: str = "w1"
    definition: dict[str, Any] = field(default_factory=dict)
    webhook_tenant: WebhookTenant | None = None
    #: What was asked for.
    messages: list[Message] = field(default_factory=list)
    asked: list[tuple[OnUncertain, bool]] = field(default_factory=list)
    calls: list[Any] = field(default_factory=list)

    @property
    def http(self) -> HttpClient:
        assert self.messages, "nothing may leave before `send`"
        return self.client

    def render(self, template: str, *, html: bool = False) -> str:
        for name, value in self.words.items():
            template = template.replace("{{" + name + "}}", str(value))
        return template

    def render_url(self, template: str) -> str:
        return self.render(template)

    def render_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.render_value(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.render_value(item) for item in value]
        if isinstance(value, str) and value.startswith("{{") and value.strip("{}") in self.words:
            return self.words[value.strip("{}")]
        return self.render(value) if isinstance(value, str) else value

    async def send(
        self,
        message: Message,
        deliver: Deliver,
        *,
        on_uncertain: OnUncertain = OnUncertain.HOLD,
        reserve: bool = True,
        slots: asyncio.Semaphore | None = None,
    ) -> StepResult:
        self.messages.append(message)
        self.asked.append((on_uncertain, reserve))
        if not self.delivers:
            return StepResult.done(simulated=True)
        return await deliver_once(deliver, f"{self.execution_id}/{self.step.key}/{message.channel}/{message.recipient}")

    async def write(self, table: str, operation: str, row_id: str | None, values: dict[str, Any]) -> StepResult:
        self.calls.append((table, operation, row_id, values))
        return StepResult.done(id=row_id)

    async def judge(self, conditions: Any) -> dict[str, Any]:
        self.calls.append(conditions)
        answer: dict[str, Any] = self.answer
        return answer


def acted(
    type_: str, config: dict[str, Any], *, settings: ExecutorSettings | None = None, **given: Any
) -> tuple[StepResult, Acting]:
    """Run one step; returns how it ended, and the run with what was asked of it."""
    settings = settings or ExecutorSettings(allow_private_addresses=True)

    async def once() -> tuple[StepResult, Acting]:
        async with HttpClient(settings) as client:
            step = Step(key="1", path="1", type=type_, name="", config=config)
            run = Acting(step=step, settings=settings, client=client, **given)
            return await action_for(type_).run(run), run

    return asyncio.run(once())
