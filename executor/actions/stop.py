"""`stop`: end the execution here; the steps after it do not run."""

from __future__ import annotations

from typing import Any

from minutehand.executor.actions.contract import StepRun
from minutehand.executor.outcome import StepResult


class StopAction:
    """Do nothing: the executor ends the execution after this step."""

    keys = ()

    def check(self, config: dict[str, Any]) -> None:
        """Accept any config."""

    async def run(self, run: StepRun) -> StepResult:
        """Return done."""
        return StepResult.done()
