"""`stop`: end the execution here; what follows is not run."""

from __future__ import annotations

from typing import Any

from minutehand.executor.actions.contract import StepRun
from minutehand.executor.outcome import StepResult


class StopAction:
    """Do nothing: the executor ends the execution after this step."""

    def check(self, config: dict[str, Any]) -> None:
        """Take any config: there is nothing to say."""

    async def run(self, run: StepRun) -> StepResult:
        """Be done."""
        return StepResult.done()
