"""A step run for the tests of one action: real settings, a real client, the simplest rendering, no database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from executor.actions.contract import Step
from executor.actions.email import EmailAction
from executor.http import HttpClient
from executor.outcome import OnUncertain, StepResult
from executor.settings import ExecutorSettings

#: Whom the e-mail tests write to, and what.
CLIENT = {"name": "Zoë <b>", "email": "client@example.com"}
CONFIG = {"subject": "Hello {{name}}", "message": "Dear {{name}},\nyour job & more is done."}


class LeaseLost(Exception):
    """Another worker has this execution."""


@dataclass
class StubRun:
    """Renders `{{name}}` from the top of `words`, and reserves nothing."""

    step: Step
    settings: ExecutorSettings
    http: HttpClient = field(default_factory=lambda: HttpClient(ExecutorSettings()))
    context: dict[str, Any] = field(default_factory=dict)
    words: dict[str, Any] = field(default_factory=dict)
    execution_id: str = "e1"
    workflow_id: str = "w1"
    lost: bool = False
    #: What `send` was asked to do with an uncertain message.
    asked: list[OnUncertain] = field(default_factory=list)

    def render(self, template: str, *, html: bool = False) -> str:
        for name, value in self.words.items():
            text = str(value).replace("<", "&lt;").replace(">", "&gt;") if html else str(value)
            template = template.replace("{{" + name + "}}", text)
        return template

    def render_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.render_value(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.render_value(item) for item in value]
        return self.render(value) if isinstance(value, str) else value

    def key(self, channel: str, recipient: str) -> str:
        return f"{self.execution_id}/{self.step.key}/{channel}/{recipient}"

    def check_lease(self) -> None:
        if self.lost:
            raise LeaseLost

    async def send(
        self,
        channel: str,
        recipient: str,
        deliver: Callable[[str], Awaitable[StepResult]],
        *,
        sender: str,
        on_uncertain: OnUncertain = OnUncertain.HOLD,
    ) -> StepResult:
        self.asked.append(on_uncertain)
        return await deliver(self.key(channel, recipient))


def email_run(
    smtp_url: str | None,
    config: dict[str, Any] | None = None,
    *,
    client: dict[str, Any] | None = CLIENT,
    sender: str | None = "Acme <no-reply@acme.example>",
    seconds: float = 10.0,
) -> StubRun:
    settings = ExecutorSettings(smtp_url=smtp_url, email_from=sender, action_timeout_seconds=seconds)
    step = Step(key="1", path="1", type="email", name="", config=CONFIG | (config or {}))
    return StubRun(step=step, settings=settings, context={"client": client}, words=client or {})


def send_email(smtp_url: str | None, config: dict[str, Any] | None = None, **more: Any) -> StepResult:
    return asyncio.run(EmailAction().run(email_run(smtp_url, config, **more)))
