"""`condition`: go on with `then` or with `else`, as the database's one evaluator decides (R9)."""

from __future__ import annotations

from typing import Any

from minutehand.executor.actions.contract import BadStep, StepRun
from minutehand.executor.outcome import StepResult


class ConditionAction:
    """Judge conditions like those of a trigger, against the row as it is now."""

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a config without conditions: a branch that nobody decided is a guess."""
        if not isinstance(config.get("conditions"), list | dict) or not config["conditions"]:
            raise BadStep("`conditions` is missing: give a list of conditions, or a group of them")

    async def run(self, run: StepRun) -> StepResult:
        """Judge once; which branch follows is the executor's to walk.  A mistake in the conditions fails the step."""
        self.check(run.step.config)
        tree = await run.judge(run.render_value(run.step.config["conditions"]))
        if "problem" in tree:  # of the conditions themselves: what a row cannot answer is told at its leaf
            return StepResult.permanent("bad_step", f"conditions: {tree['problem']}", conditions=tree)
        return StepResult.done(held=tree["held"] is True, conditions=tree)
