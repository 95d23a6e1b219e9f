"""`notify`: tell the team, at the targets that the operator set (MINUTEHAND_NOTIFY_URLS), by Apprise.

Apprise says no more than whether a target took the message, so what did not surely arrive is uncertain.  Its URLs and
its log lines hold secrets: neither is shown.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from executor.actions.contract import BadStep, Message, StepRun
from executor.http import USER_AGENT
from executor.outcome import OnUncertain, Send, StepResult
from executor.replies import storable

if TYPE_CHECKING:
    from apprise import Apprise

#: Who gets it, as records say it: which targets these are is the operator's affair.
TEAM = "the team"
_KEPT_WORDS = 300


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
    import logging

    from apprise import LogCapture

    logging.getLogger("apprise").propagate = False  # its lines may quote a URL
    with LogCapture(level=logging.WARNING, fmt="%(message)s") as said:  # type: ignore[no-untyped-call]
        targets = [_target(url) for url in urls]
        unknown = [str(number) for number, target in enumerate(targets, start=1) if target is None]
        if unknown:
            reason = f"MINUTEHAND_NOTIFY_URLS: Apprise does not know number {', '.join(unknown)} of them"
            return StepResult.permanent("not_configured", reason)
        known = [target for target in targets if target is not None]
        took = await asyncio.gather(*(target.async_notify(body=text, title=title) for target in known))
        words = _without_secrets(said.getvalue(), urls)
    taken = sum(answer is True for answer in took)
    if taken == len(known):
        return StepResult.done(send=Send(channel="notify", recipient=TEAM, sender=USER_AGENT, key=key), targets=taken)
    reason = f"{taken} of {len(known)} targets took it" + (f": {words}" if words else "")
    # Where some have it already, sending it again to all is a person's decision.
    return StepResult.unknown(reason, on_uncertain=OnUncertain.HOLD if taken else None)


def _target(url: str) -> Apprise | None:
    """Return one target, or None where Apprise does not know the URL."""
    from apprise import Apprise

    target = Apprise()
    return target if target.add(url) else None


def _without_secrets(said: str, urls: tuple[str, ...]) -> str:
    """Return Apprise's own words in one line, without any part of a target's URL.

    >>> _without_secrets("no connection to chat.example/s3cret", ("json://chat.example/s3cret",))
    'no connection to …'
    """
    parts = {part for url in urls for part in re.split(r"[/:@?&=#,]+", url.partition("://")[2]) if len(part) > 2}
    parts |= {unquote(part) for part in parts} | {url.partition("://")[2] for url in urls}
    line = " ".join(storable(said).split())
    for part in sorted(parts, key=len, reverse=True):
        if part:
            line = line.replace(part, "…")
    return line[:_KEPT_WORDS]
