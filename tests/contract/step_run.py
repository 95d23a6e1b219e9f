"""A step run for the tests of one action: real settings, a real client, the simplest rendering, no database."""

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

#: Whom the tests write to, and what.
CLIENT = {"id": "c1", "name": "Zoë <b>", "email": "client@example.com", "phone": "+1 (202) 555-0123"}
CONFIG = {"subject": "Hello {{name}}", "message": "Dear {{name}},\nyour job & more is done."}
SENDER = "Acme <no-reply@acme.example>"


class LeaseLost(Exception):
    """Another worker has this execution."""


@dataclass
class StubRun:
    """Renders `{{name}}` from the top of `words`, and lets every message leave, unless the lease is lost."""

    step: Step
    settings: ExecutorSettings
    http: HttpClient = field(default_factory=lambda: HttpClient(ExecutorSettings()))
    context: dict[str, Any] = field(default_factory=dict)
    words: dict[str, Any] = field(default_factory=dict)
    execution_id: str = "e1"
    workflow_id: str = "w1"
    definition: dict[str, Any] = field(default_factory=dict)
    hidden: dict[str, Any] = field(default_factory=dict)
    webhook_tenant: WebhookTenant | None = None
    zone: str = "UTC"
    waiting: dict[str, Any] | None = None
    lost: bool = False
    #: What was handed to `send`, and how: what to do with an uncertain message, whether to reserve it.
    messages: list[Message] = field(default_factory=list)
    asked: list[OnUncertain] = field(default_factory=list)
    reserved: list[bool] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def render(self, template: str, *, html: bool = False) -> str:
        for name, value in self.words.items():
            text = str(value).replace("<", "&lt;").replace(">", "&gt;") if html else str(value)
            template = template.replace("{{" + name + "}}", text)
        return template

    def render_url(self, template: str) -> str:
        return self.render(template)

    def render_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.render_value(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.render_value(item) for item in value]
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
        self.asked.append(on_uncertain)
        self.reserved.append(reserve)
        async with slots or asyncio.Semaphore():
            if self.lost:
                raise LeaseLost
            return await deliver_once(
                deliver, f"{self.execution_id}/{self.step.key}/{message.channel}/{message.recipient}"
            )

    async def write(self, table: str, operation: str, row_id: str | None, values: dict[str, Any]) -> StepResult:
        raise AssertionError("this action writes no row")

    async def judge(self, conditions: Any) -> dict[str, Any]:
        raise AssertionError("this action judges no conditions")


def executor_settings(*, action_timeout_seconds: float = 10.0, **values: Any) -> ExecutorSettings:
    """Settings by name; a name that is no field is a provider's variable in lower case, and None leaves it out."""
    fields = {name: values.pop(name) for name in list(values) if name in ExecutorSettings.__slots__}
    given = {name.upper(): value for name, value in values.items() if value is not None}
    return ExecutorSettings(action_timeout_seconds=action_timeout_seconds, provider_values=given, **fields)


def step_run(type_: str, config: dict[str, Any], *, client: dict[str, Any] | None = CLIENT, **settings: Any) -> StubRun:
    """A run of one step for a row with this client."""
    return StubRun(
        step=Step(key="1", path="1", type=type_, name="", config=config),
        settings=executor_settings(**settings),
        context={"client": client},
        words=client or {},
        definition={"user_id": "u1", "organization_id": "o1"},
    )


def act(run: StubRun) -> StepResult:
    """Run the step once with a client of its own."""

    async def once() -> StepResult:
        async with HttpClient(run.settings) as http:
            run.http = http
            return await action_for(run.step.type).run(run)

    return asyncio.run(once())


def email_run(
    smtp_url: str | None,
    config: dict[str, Any] | None = None,
    *,
    client: dict[str, Any] | None = CLIENT,
    sender: str | None = SENDER,
    seconds: float = 10.0,
) -> StubRun:
    return step_run(
        "email",
        CONFIG | (config or {}),
        client=client,
        smtp_url=smtp_url,
        email_from=sender,
        action_timeout_seconds=seconds,
    )


def send_email(smtp_url: str | None, config: dict[str, Any] | None = None, **more: Any) -> StepResult:
    return act(email_run(smtp_url, config, **more))
