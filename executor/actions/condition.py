"""`condition`: continue with `then` or `else`, as the database's evaluator decides (R9)."""

from __future__ import annotations

from typing import Any

from minutehand.executor.actions.contract import BadStep, EvaluationTooSlow, StepRun
from minutehand.executor.outcome import StepResult


class ConditionAction:
    """Evaluate conditions like those of a trigger, against the current row."""

    def check(self, config: dict[str, Any]) -> None:
        """Refuse a config without conditions."""
        if not isinstance(config.get("conditions"), list | dict) or not config["conditions"]:
            raise BadStep("`conditions` is missing: give a list of conditions, or a group of them")

    async def run(self, run: StepRun) -> StepResult:
        """Evaluate once; the executor takes the branch.  An error in the conditions fails the step."""
        self.check(run.step.config)
        try:
            tree = await run.judge(run.render_value(run.step.config["conditions"]))
        except EvaluationTooSlow:
            return StepResult.retry("conditions_timeout", "the database did not evaluate the conditions in time")
        if "problem" in tree:  # of the conditions; a problem of the row is reported at its leaf
            return StepResult.permanent("bad_step", f"conditions: {tree['problem']}", conditions=tree)
        return StepResult.done(held=tree["held"] is True, conditions=tree)
