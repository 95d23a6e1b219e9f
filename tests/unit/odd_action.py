"""An action that does what its step asks it to, as a plug-in with a bug would."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from minutehand.executor.actions.contract import BadStep, Message, StepRun
from minutehand.executor.outcome import OnUncertain, Send, StepResult, Verdict

_ENDS = {
    "defer": StepResult.deferred("busy", "slow down", retry_after_seconds=7),
    "retry": StepResult.retry("busy", "come back", retry_after_seconds=7),
    "refuse": StepResult.permanent("refused", "never"),
}


class OddAction:
    """`config.do` says what."""

    #: What the tests set for all of them: the action's first act is a send that reserves.
    reserves = False

    def check(self, config: dict[str, Any]) -> None:
        """Take everything."""

    async def run(self, run: StepRun) -> StepResult:
        """Do it."""
        match run.step.config["do"]:
            case "crash":
                raise ZeroDivisionError("a secret")
            case "bad":
                raise BadStep("`x` is missing")
            case "hang":
                await asyncio.Event().wait()
            case "retry" | "defer" | "refuse" as end:
                return _ENDS[end]
            case "render":
                return StepResult.done(said=run.render(run.step.config["text"]))
            case "send" as channel:
                return await _send(run, channel, run.render(run.step.config.get("to", "a@example.com")))
            case "call":
                message = Message(channel="call", recipient="https://example.com/", sender="b")
                return await run.send(message, _deliver(run), on_uncertain=OnUncertain.RESEND, reserve=False)
            case "wait":
                return replace(StepResult.done(), wait_seconds=60)
        return StepResult.done(answer=42)


async def _send(run: StepRun, channel: str, to: str) -> StepResult:
    message = Message(channel=channel, recipient=to, sender="b@example.com")
    return await run.send(message, _deliver(run), on_uncertain=OnUncertain.HOLD)


def _deliver(run: StepRun) -> Any:
    async def deliver(key: str) -> StepResult:
        if (error := run.step.config.get("raises")) is not None:
            raise {"bug": ZeroDivisionError, "timeout": TimeoutError}[error]
        verdict = Verdict(run.step.config.get("verdict", "done"))
        sent = Send(channel="send", recipient="a@example.com", sender="b@example.com", key=key, external_id="X-1")
        return StepResult(verdict=verdict, send=sent if verdict is Verdict.DONE else None, code="c", reason="r")

    return deliver
