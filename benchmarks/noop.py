"""Actions that do nothing, to measure the cost of the engine and of reserving a send."""

from __future__ import annotations

from typing import Any, ClassVar

from minutehand.executor.actions.contract import Message, StepRun
from minutehand.executor.outcome import StepResult


class NoopAction:
    """Do nothing, and report `done`."""

    def check(self, config: dict[str, Any]) -> None:
        """Accept any config."""

    async def run(self, run: StepRun) -> StepResult:
        """Return at once."""
        return StepResult.done()


class ReservedAction(NoopAction):
    """Deliver nothing, but reserve and confirm it as a real message."""

    reserves: ClassVar[bool] = True

    async def run(self, run: StepRun) -> StepResult:
        """Send."""
        message = Message(channel="bench", recipient=f"{run.execution_id}@example.com", sender="bench@example.com")
        return await run.send(message, _deliver)


class UnreservedAction(NoopAction):
    """Deliver nothing, as to a receiver that deduplicates: recorded with the step, without a reservation."""

    async def run(self, run: StepRun) -> StepResult:
        """Send."""
        message = Message(channel="bench", recipient=f"{run.execution_id}@example.com", sender="bench@example.com")
        return await run.send(message, _deliver, reserve=False)


async def _deliver(key: str) -> StepResult:
    return StepResult.done()


KINDS = {
    "noop": "benchmarks.noop:NoopAction",
    "reserved": "benchmarks.noop:ReservedAction",
    "unreserved": "benchmarks.noop:UnreservedAction",
}
