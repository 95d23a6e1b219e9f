"""Actions that do nothing: what is left is the engine's own cost, and that of a send's reservation."""

from __future__ import annotations

from typing import Any, ClassVar

from minutehand.executor.actions.contract import Message, StepRun
from minutehand.executor.outcome import StepResult


class NoopAction:
    """Do nothing, and say so."""

    def check(self, config: dict[str, Any]) -> None:
        """Take any config."""

    async def run(self, run: StepRun) -> StepResult:
        """Return at once."""
        return StepResult.done()


class ReservedAction(NoopAction):
    """Send nothing to nobody, reserved and confirmed as a real message is."""

    reserves: ClassVar[bool] = True

    async def run(self, run: StepRun) -> StepResult:
        """Let it leave."""
        message = Message(channel="bench", recipient=f"{run.execution_id}@example.com", sender="bench@example.com")
        return await run.send(message, _deliver)


class UnreservedAction(NoopAction):
    """The same to a receiver that dedupes: recorded with its step, and not written down before."""

    async def run(self, run: StepRun) -> StepResult:
        """Let it leave."""
        message = Message(channel="bench", recipient=f"{run.execution_id}@example.com", sender="bench@example.com")
        return await run.send(message, _deliver, reserve=False)


async def _deliver(key: str) -> StepResult:
    return StepResult.done()


KINDS = {
    "noop": "benchmarks.noop:NoopAction",
    "reserved": "benchmarks.noop:ReservedAction",
    "unreserved": "benchmarks.noop:UnreservedAction",
}
