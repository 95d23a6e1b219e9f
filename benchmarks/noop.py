"""The action that returns at once: what is left is the engine's own cost."""

from __future__ import annotations

from typing import Any

from executor.actions.contract import StepRun
from executor.outcome import StepResult


class NoopAction:
    """Do nothing, and say so."""

    def check(self, config: dict[str, Any]) -> None:
        """Take any config."""

    async def run(self, run: StepRun) -> StepResult:
        """Return at once."""
        return StepResult.done()
