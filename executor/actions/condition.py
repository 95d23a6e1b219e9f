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
        for leaf in _leaves(tree):
            for name, hidden in run.hidden.items():
                if "code" in hidden and _means(leaf, name):  # of a row that is gone, each value is null
                    return StepResult.not_shown(name, hidden)
        return StepResult.done(held=tree["held"] is True, conditions=tree)


def _leaves(tree: Any) -> list[dict[str, Any]]:
    """Return each condition of a result tree."""
    if isinstance(tree, list):
        return [leaf for node in tree for leaf in _leaves(node)]
    if "field" in tree:
        return [tree]
    return [leaf for group in ("all", "any", "not") for leaf in _leaves(tree.get(group, []))]


def _means(leaf: dict[str, Any], hidden: str) -> bool:
    """Say whether a condition is on a hidden link or column; a column of the row may stand without the row's name."""
    field = str(leaf["field"])
    without_name = hidden.partition(".")[2] if leaf.get("problem") else ""
    return any(name and f"{field}.".startswith(f"{name}.") for name in (hidden, without_name))
