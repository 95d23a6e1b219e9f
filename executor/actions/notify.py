"""`notify`: send a message to the team, at the targets that the operator set (MINUTEHAND_NOTIFY_URLS).

A target says only whether it accepted the message, so what did not surely arrive is uncertain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minutehand.executor.actions.contract import BadStep, Message, StepRun, pace_of
from minutehand.executor.http.client import USER_AGENT
from minutehand.executor.outcome import OnUncertain, Send, StepResult
from minutehand.executor.targets import send_to_all
from minutehand.executor.targets.names import NamedUrl, may_use, read_targets, target_problem, tenant_of

#: The recipient as records name it; which targets it stands for is the operator's setting.
TEAM = "the team"


class NotifyAction:
    """Send one message to the targets of one name, or to all that have none."""

    keys = ("title", "message", "target")
    reserves = True

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a config without a message."""
        if not isinstance(config.get("message"), str) or not config["message"].strip():
            raise BadStep("`message` is missing: write the text to send")
        if config.get("title") is not None and not isinstance(config["title"], str):
            raise BadStep("`title` must be text")
        target = config.get("target")
        if target is not None and not (isinstance(target, str) and target.strip()):
            raise BadStep("`target` must be the name of a target of MINUTEHAND_NOTIFY_URLS")

    async def run(self, run: StepRun) -> StepResult:
        """Send it once to each target, all at the same time."""
        config = run.step.config
        self.check(config)
        targets = read_targets(run.settings.notify_urls)
        if not targets:
            return StepResult.permanent("not_configured", "MINUTEHAND_NOTIFY_URLS is not set: set it to Apprise URLs")
        name, tenant = name_of(config), tenant_of(run.definition)
        if problem := target_problem((one.label for one in targets), name, tenant):
            return StepResult.permanent("not_configured", problem)
        chosen = [one for one in targets if one.name == name and may_use(one.label, tenant)]
        text = run.render(config["message"])
        title = " ".join(run.render(config.get("title") or "").split())
        if not text.strip():
            return StepResult.permanent("empty_message", "the message is empty after rendering")

        recipient = name or TEAM

        async def deliver(key: str) -> StepResult:
            return await _notify(chosen, title, text, key, recipient)

        content = {"text": text} | ({"title": title} if title else {})
        pace = pace_of("notify", "a target of MINUTEHAND_NOTIFY_URLS", *(one.url for one in chosen))
        message = Message(channel="notify", recipient=recipient, sender=USER_AGENT, content=content, pace=pace)
        return await run.send(message, deliver, on_uncertain=OnUncertain.RESEND)


def name_of(config: Mapping[str, Any]) -> str | None:
    """Return the target that a step names."""
    return str(config["target"]).strip() if config.get("target") is not None else None


async def _notify(targets: list[NamedUrl], title: str, text: str, key: str, recipient: str) -> StepResult:
    sent = await send_to_all(tuple(one.url for one in targets), title, text)
    if sent.unknown:
        numbers = ", ".join(str(targets[place - 1].number) for place in sent.unknown)
        reason = f"MINUTEHAND_NOTIFY_URLS, URL number {numbers}: {sent.reason}"
        return StepResult.permanent("not_configured", reason)
    accepted = sum(sent.accepted)
    if accepted == len(targets):
        send = Send(channel="notify", recipient=recipient, sender=USER_AGENT, key=key)
        return StepResult.done(send=send, targets=accepted)
    reason = f"{accepted} of {len(targets)} targets accepted it" + (f": {sent.reason}" if sent.reason else "")
    if not accepted and sent.slow_down:
        return StepResult.deferred("busy", f"the targets asked to slow down: {sent.reason}", slow_down=True)
    # Where some have it already, sending it again to all is a person's decision.
    return StepResult.unknown(reason, on_uncertain=OnUncertain.HOLD if accepted else None)
