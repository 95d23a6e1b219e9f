"""A workflow in a sentence: When jobs.status becomes completed: e-mail the client, text the client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minutehand.executor.actions.contract import BadStep, Step
from minutehand.executor.actions.descriptions import describe_conditions, describe_step
from minutehand.executor.dialects import read_steps
from minutehand.store import Json

#: So many steps are named.
_NAMED = 6


def sentence(card: Json, tables: list[Json]) -> str:
    """Say when a workflow fires, and what it does then."""
    definition = card["definition"] or {}
    when = trigger(card["trigger_type"], tables)
    config = definition.get("trigger_config")
    conditions = config.get("conditions") if isinstance(config, dict) else None
    if isinstance(conditions, list) and (becomes := next(filter(_is_about(when), conditions), None)):
        when = f"{when.removesuffix(' changes')} becomes {becomes['value']}"
        conditions = [one for one in conditions if one is not becomes]
    if conditions:
        when += f", and {describe_conditions(conditions)}"
    return f"{when}: {deeds(definition)}."


def _is_about(when: str) -> Callable[[Any], bool]:
    """Return what says of a condition whether it asks for a new status, where `when` is that the status changes."""
    column = when.removesuffix(" changes").rpartition(".")[2] if "." in when and when.endswith(" changes") else None

    def says(condition: Any) -> bool:
        return (
            column is not None
            and isinstance(condition, dict)
            and condition.get("field") == column
            and condition.get("operator", "equals") == "equals"
            and isinstance(condition.get("value"), str)
        )

    return says


def trigger(type_: str | None, tables: list[Json]) -> str:
    """Say when a type of change comes about.

    >>> jobs = {"table": "jobs", "type": "job", "status": "status"}
    >>> [trigger(t, [jobs]) for t in ("job_completed", "job_created", "invoice_paid", None)]
    ['When jobs.status becomes completed', 'When a row of jobs is made', 'On invoice_paid', 'By hand']
    """
    if not type_ or type_ == "manual":
        return "By hand"
    for table in sorted(tables, key=lambda t: -len(str(t.get("type")))):
        kind, name = str(table.get("type")), table["table"]
        if not type_.startswith(f"{kind}_"):
            continue
        status = f"{name}.{table.get('status') or 'status'}"
        match type_.removeprefix(f"{kind}_"):
            case "created":
                return f"When a row of {name} is made"
            case "deleted":
                return f"When a row of {name} is deleted"
            case "updated":
                return f"When a row of {name} changes"
            case "status_changed":
                return f"When {status} changes"
            case status_word:
                return f"When {status} becomes {status_word}"
    return f"On {type_}"


def deeds(definition: Any) -> str:
    """Say what the steps do, in order, in short."""
    try:
        steps = read_steps(definition)
    except BadStep as error:
        return f"its steps cannot be read, {error}"
    said = [_deed(step) for step in steps]
    more = f", and {len(said) - _NAMED} more" if len(said) > _NAMED else ""
    return (", ".join(said[:_NAMED]) + more) or "nothing"


def _deed(step: Step) -> str:
    said = describe_step(step)
    if step.type == "condition":
        then, otherwise = [_deed(one) for one in step.then], [_deed(one) for one in step.otherwise]
        said += f" then {', '.join(then) or 'nothing'}" + (f", else {', '.join(otherwise)}" if otherwise else "")
        return said
    return said.partition(": ")[0] if step.type != "webhook" else said
