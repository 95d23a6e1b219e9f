"""The four places of a workflow's row that may hold steps, and which of them is read."""

from __future__ import annotations

from typing import Any

from minutehand.executor.actions.contract import BadStep
from minutehand.executor.dialects.limits import check_size, is_empty, quote, type_name

#: The keys under which an object holds steps: several, or a single one.
STEP_KEYS = ("steps", "actions", "action")
#: Keys without effect: two copies of a step may differ in them.
_COSMETIC_KEYS = frozenset(
    {"position", "connections", "name", "label", "title", "description", "icon", "color", "order"}
)


def find_steps(definition: dict[str, Any], notes: list[str]) -> list[Any]:
    """Return the raw steps of a workflow's row, [] where it has none; adds to `notes` what is not read.

    The app's builder saves only the actions of a flow in `steps`, and the whole flow in `template_config.steps`; so of
    several places the fullest is read, if it holds all that the others do.  Errors: `BadStep`.
    """
    check_size(definition.get(column) for column in ("steps", "template_config", "workflow_config", "action_config"))
    places = {
        place: steps
        for column in ("steps", "template_config", "workflow_config")
        for place, steps in [_steps_of_column(column, definition.get(column))]
        if steps
    }
    single = definition.get("action_type")
    if not places:
        return [{"action_type": single, "config": definition.get("action_config")}] if not is_empty(single) else []
    if not is_empty(single):
        notes.append(f"action_type {quote(single)} is not read: the steps are in {' and '.join(places)}")
    (fullest, steps), *others = sorted(places.items(), key=lambda item: -len(_without_trigger(item[1])))
    for place, fewer in others:
        _check_contained(_without_trigger(fewer), place, _without_trigger(steps), fullest)
    return steps


def is_trigger(raw: Any) -> bool:
    """Whether a step is the trigger that a flow may begin with; SQL matches its conditions."""
    return isinstance(raw, dict) and raw.get("type") == "trigger"


def _without_trigger(steps: list[Any]) -> list[Any]:
    return [step for step in steps if not is_trigger(step)]


def _steps_of_column(column: str, value: Any) -> tuple[str, list[Any]]:
    """Return the name of the place in one column that holds steps, and the steps."""
    if value is None or isinstance(value, list):
        return column, value or []
    if not isinstance(value, dict):
        raise BadStep(f"{column}: expected a list, got {type_name(value)}")
    holding = [key for key in STEP_KEYS if not is_empty(value.get(key))]
    if len(holding) > 1:
        raise BadStep(f"{column}: it has both {' and '.join(holding)}: keep one of them")
    if not holding:
        if column == "steps" and value:
            raise BadStep("steps: expected a list, got an object")
        return column, []
    place, held = f"{column}.{holding[0]}", value[holding[0]]
    if holding[0] == "action" and isinstance(held, dict):
        held = [held]
    if not isinstance(held, list):
        raise BadStep(f"{place}: expected a list, got {type_name(held)}")
    return place, held


def _check_contained(fewer: list[Any], place: str, steps: list[Any], fullest: str) -> None:
    """Check that another place has all steps of this one, equal and in the same order.  Errors: `BadStep`."""
    rest = iter(steps)
    for step in fewer:
        same = next((other for other in rest if _identity(other) == _identity(step)), None)
        if same is None:
            raise BadStep(
                f"{place} and {fullest} contradict each other: {_label(step)} of {place} is {_difference(step, steps)}"
            )
        if _meaning(same) != _meaning(step):
            raise BadStep(f"{place} and {fullest} contradict each other: {_label(step)} differs between the two")


def _difference(step: Any, steps: list[Any]) -> str:
    known = any(_identity(other) == _identity(step) for other in steps)
    return "in another order there" if known else "only there"


def _identity(step: Any) -> Any:
    """Return what identifies a step in two places: its id, else everything that has an effect."""
    id_ = step.get("id") if isinstance(step, dict) else None
    return _meaning(step) if is_empty(id_) else ("id", str(id_))


def _meaning(step: Any) -> Any:
    return {key: value for key, value in step.items() if key not in _COSMETIC_KEYS} if isinstance(step, dict) else step


def _label(step: Any) -> str:
    if not isinstance(step, dict):
        return type_name(step)
    return f"step {quote(step.get('name') or step.get('id') or step.get('type'))}"
