"""`notify`: tell the team, at the targets that the operator set (MINUTEHAND_NOTIFY_URLS), by Apprise.

Apprise says no more than whether a target took the message, so what did not surely arrive is uncertain.  Its URLs and
its log lines hold secrets: neither is shown.
"""

from __future__ import annotations

from typing import Any

from minutehand.executor.actions.contract import BadStep, Message, StepRun
from minutehand.executor.http.client import USER_AGENT
from minutehand.executor.outcome import OnUncertain, Send, StepResult
from minutehand.executor.targets.apprise import tell

#: Who gets it, as records say it: which targets these are is the operator's affair.
TEAM = "the team"


class NotifyAction:
    """Send one message to every target."""

    reserves = True

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a config without a message."""
        if not isinstance(config.get("message"), str) or not config["message"].strip():
            raise BadStep("`message` is missing: nothing is sent that nobody wrote")
        if config.get("title") is not None and not isinstance(config["title"], str):
            raise BadStep("`title` must be text")

    async def run(self, run: StepRun) -> StepResult:
        """Send it once to each target, all at the same time."""
        config = run.step.config
        self.check(config)
        urls = run.settings.notify_urls
        if not urls:
            return StepResult.permanent("not_configured", "MINUTEHAND_NOTIFY_URLS is not set: give Apprise URLs")
        text = run.render(config["message"])
        title = " ".join(run.render(config.get("title") or "").split())
        if not text.strip():
            return StepResult.permanent("empty_message", "the message is empty once it is filled in")

        async def deliver(key: str) -> StepResult:
            return await _notify(urls, title, text, key)

        content = {"text": text} | ({"title": title} if title else {})
        message = Message(channel="notify", recipient=TEAM, sender=USER_AGENT, content=content)
        return await run.send(message, deliver, on_uncertain=OnUncertain.RESEND)


async def _notify(urls: tuple[str, ...], title: str, text: str, key: str) -> StepResult:
    told = await tell(urls, title, text)
    if told.unknown:
        numbers = ", ".join(map(str, told.unknown))
        reason = f"MINUTEHAND_NOTIFY_URLS: Apprise does not know number {numbers} of them"
        return StepResult.permanent("not_configured", reason)
    taken = sum(told.took)
    if taken == len(urls):
        return StepResult.done(send=Send(channel="notify", recipient=TEAM, sender=USER_AGENT, key=key), targets=taken)
    reason = f"{taken} of {len(urls)} targets took it" + (f": {told.words}" if told.words else "")
    # Where some have it already, sending it again to all is a person's decision.
    return StepResult.unknown(reason, on_uncertain=OnUncertain.HOLD if taken else None)
