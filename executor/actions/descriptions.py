"""Describes steps in words, for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from minutehand.executor.actions.contract import Step
from minutehand.executor.dialects import all_steps
from minutehand.store.json import shown_text

#: Characters of a text, or of a value, that are shown.
MAX_SHOWN = 60


def describe_step(step: Step) -> str:
    """Describe what a step does.

    >>> describe_step(Step(key="1", path="1", type="email", name="n", config={"subject": "Job {{ job.id }}"}))
    "e-mail the client: 'Job {{ job.id }}'"
    """
    said = _WORDS.get(step.type)
    return said(step.config) if said else f"{step.type} {_json(step.config)}"


def describe_conditions(conditions: Any) -> str:
    """Describe conditions in the forms that the docs show; any other form as its JSON.

    >>> describe_conditions([{"field": "status", "value": "done"}, {"not": [{"field": "id", "operator": "in"}]}])
    "status equals 'done' and not (id in)"
    """
    if isinstance(conditions, list):
        return " and ".join(map(describe_conditions, conditions))
    if isinstance(conditions, dict):
        if isinstance(conditions.get("field"), str):
            operator = str(conditions.get("operator") or "equals").replace("_", " ")
            value = f" {_value(conditions['value'])}" if "value" in conditions else ""
            return f"{conditions['field']} {operator}{value}"
        for group, joint in (("all", " and "), ("any", " or "), ("not", " and ")):
            if list(conditions) == [group] and isinstance(conditions[group], list):
                inner = joint.join(map(describe_conditions, conditions[group]))
                return f"{'not ' if group == 'not' else ''}({inner})"
    return _json(conditions)


def outline(steps: Iterable[Step], indent: str = "") -> Iterator[str]:
    """Describe steps, one line each, with the branches of a condition indented."""
    for step in steps:
        yield f"{indent}{step.path}  {describe_step(step)}"
        yield from outline(step.then, indent + "    ")
        if step.otherwise:
            yield f"{indent}    else"
            yield from outline(step.otherwise, indent + "    ")


def summarize_steps(steps: tuple[Step, ...]) -> str:
    """List the types of the steps in order: `email, wait, sms`; of many, the number of the rest."""
    kinds = [step.type for step in all_steps(steps)]
    return ", ".join(kinds) if len(kinds) <= 5 else f"{', '.join(kinds[:4])} and {len(kinds) - 4} more"


def _recipient(to: Any) -> str:
    if to is None:
        return "the client"
    return _cut(", ".join(map(str, to)) if isinstance(to, list) else str(to))


def _copies(config: dict[str, Any]) -> str:
    return "".join(f", {name} {_recipient(config[name])}" for name in ("cc", "bcc") if config.get(name))


def _text(text: Any) -> str:
    return f"'{_cut(str(text or ''))}'"


def _values(values: Any) -> str:
    if not isinstance(values, dict):
        return _value(values)
    return ", ".join(f"{column} = {_value(value)}" for column, value in values.items())


def _value(value: Any) -> str:
    return _text(value) if isinstance(value, str) else _json(value)


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _json(value: Any) -> str:
    return _cut(shown_text(value))


def _update(config: dict[str, Any]) -> str:
    row = f" {config['id']}" if config.get("id") is not None else ""
    return f"update {config.get('table')}{row}: {_values(config.get('values'))}"


_WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "email": lambda config: f"e-mail {_recipient(config.get('to'))}{_copies(config)}: {_text(config.get('subject'))}",
    "sms": lambda config: f"text {_recipient(config.get('to'))}: {_text(config.get('message'))}",
    "webhook": lambda config: f"{str(config.get('method') or 'POST').upper()} {config.get('url')}",
    "function": lambda config: f"call the function {config.get('name')}",
    "update_record": _update,
    "create_record": lambda config: f"create a row of {config.get('table')}: {_values(config.get('values'))}",
    "wait": lambda config: f"wait {config['for']}" if config.get("for") else f"wait until {config.get('until')}",
    "notify": lambda config: f"notify {config.get('target') or 'the team'}: {_text(config.get('message'))}",
    "condition": lambda config: f"if {describe_conditions(config.get('conditions'))}",
    "stop": lambda config: "stop here",
}
