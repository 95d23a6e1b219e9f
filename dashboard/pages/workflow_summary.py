"""A workflow in one sentence: When jobs.status becomes completed: e-mail the client, text the client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minutehand.executor.actions.contract import BadStep, Step
from minutehand.executor.actions.descriptions import describe_conditions, describe_step
from minutehand.executor.dialects import read_steps
from minutehand.store import Json

#: Steps that the sentence names.
MAX_STEPS = 6


def summarize(workflow: Json, tables: list[Json]) -> str:
    """Say when a workflow starts, and what it does then."""
    when = describe_trigger(workflow["trigger_type"], tables)
    definition = workflow["definition"]
    if definition is None:
        return f"{when}: its steps are too long to list here, or cannot be read."
    config = definition.get("trigger_config")
    conditions = config.get("conditions") if isinstance(config, dict) else None
    if isinstance(conditions, list) and (becomes := next(filter(_is_new_status(when), conditions), None)):
        when = f"{when.removesuffix(' changes')} becomes {becomes['value']}"
        conditions = [condition for condition in conditions if condition is not becomes]
    if isinstance(config, dict) and config.get("is_long"):  # minutehand.steps_for_lint
        when += ", and its conditions hold"
    elif conditions:
        when += f", and {describe_conditions(conditions)}"
    return f"{when}: {describe_steps(definition)}."


def _is_new_status(when: str) -> Callable[[Any], bool]:
    """Return a test of whether a condition asks for the new value of the column that `when` names."""
    column = when.removesuffix(" changes").rpartition(".")[2] if "." in when and when.endswith(" changes") else None

    def test(condition: Any) -> bool:
        return (
            column is not None
            and isinstance(condition, dict)
            and condition.get("field") == column
            and condition.get("operator", "equals") == "equals"
            and isinstance(condition.get("value"), str)
        )

    return test


def describe_trigger(type_: str | None, tables: list[Json]) -> str:
    """Say which change has this trigger type.

    >>> jobs = {"table": "jobs", "type": "job", "status": "status"}
    >>> [describe_trigger(t, [jobs]) for t in ("job_completed", "job_created", "invoice_paid", None)]
    ['When jobs.status becomes completed', 'When a row of jobs is created', 'On invoice_paid', 'By hand']
    """
    if not type_ or type_ == "manual":
        return "By hand"
    for table in sorted(tables, key=lambda t: -len(str(t.get("type")))):
        prefix, name = str(table.get("type")), table["table"]
        if not type_.startswith(f"{prefix}_"):
            continue
        status = f"{name}.{table.get('status') or 'status'}"
        match type_.removeprefix(f"{prefix}_"):
            case "created":
                return f"When a row of {name} is created"
            case "deleted":
                return f"When a row of {name} is deleted"
            case "updated":
                return f"When a row of {name} changes"
            case "status_changed":
                return f"When {status} changes"
            case new_status:
                return f"When {status} becomes {new_status}"
    return f"On {type_}"


def describe_steps(definition: Any) -> str:
    """Say what the steps do, in order."""
    try:
        steps = read_steps(definition)
    except BadStep as error:
        return f"its steps cannot be read: {error}"
    texts = [_describe(step) for step in steps]
    more = f", and {len(texts) - MAX_STEPS} more" if len(texts) > MAX_STEPS else ""
    return (", ".join(texts[:MAX_STEPS]) + more) or "nothing"


def _describe(step: Step) -> str:
    text = describe_step(step)
    if step.type == "condition":
        then, otherwise = [_describe(inner) for inner in step.then], [_describe(inner) for inner in step.otherwise]
        return f"{text} then {', '.join(then) or 'nothing'}" + (f", else {', '.join(otherwise)}" if otherwise else "")
    return text.partition(": ")[0] if step.type != "webhook" else text
