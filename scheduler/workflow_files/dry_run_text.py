"""The result of a dry run, for a person and for a program."""

from __future__ import annotations

from typing import Any

from minutehand.executor.actions.descriptions import describe_conditions, describe_step
from minutehand.executor.dry_run import DryRunStep
from minutehand.executor.outcome import Verdict
from minutehand.executor.text.display import json_text
from minutehand.scheduler.cli.output import format_value
from minutehand.scheduler.cli.terminal import joined
from minutehand.store import Json
from minutehand.store.records import DryRunContext
from minutehand.store.secret_names import hide_secrets

#: How a stop is said, by the time as of which it is judged.
_AS_OF = {"then": "did not start then", "now": "would not run now"}


def dry_run_json(facts: DryRunContext, results: list[DryRunStep]) -> Json:
    """Return a dry run as JSON: the row and change, what would stop the execution, and each step's result."""
    workflow = {key: value for key, value in facts["workflow"].items() if key != "definition"}
    names = (
        *(
            "entity_id",
            "since",
            "change",
            "execution",
            "version_then",
            "unknown",
            "trigger_data",
            "conditions",
            "stops",
        ),
    )
    lines = {"subject": _subject(facts), "notes": judged(facts)}
    shown: Json = hide_secrets(
        {
            "workflow": workflow,
            **lines,
            **{key: value for key, value in facts.items() if key in names},
            "steps": [_step(one) for one in results],
        }
    )
    return shown


def _step(one: DryRunStep) -> Json:
    step: Json = {"step": one.step.path, "id": one.step.key, "name": one.step.name, "type": one.step.type}
    step["status"] = "failed" if one.fails else "skipped" if one.result.verdict is Verdict.SKIPPED else "success"
    if (why := one.delay or one.result).reason:
        step |= {"code": why.code, "reason": why.reason}
    if (message := one.message) is not None:
        step["message"] = {
            "channel": message.channel,
            "recipient": message.recipient,
            "sender": message.sender,
            "content": message.content,
        }
    if one.write is not None:
        step["write"] = one.write
    if one.step.notes:
        step["notes"] = list(one.step.notes)
    return step | {"result": one.result.result}


def dry_run_text(facts: DryRunContext, results: list[DryRunStep]) -> str:
    """Return a dry run as text."""
    workflow = facts["workflow"]
    lines = [f"{workflow['name']} (version {workflow['version']}), {_subject(facts)}"]
    lines += [f"- {note}" for note in judged(facts)]
    lines += [f"! {_AS_OF[stop['as_of']]}: {stop['code']}: {stop['reason']}" for stop in facts["stops"]]
    if (conditions := facts["conditions"]) and not conditions.get("held"):
        lines += [f"    {leaf}" for leaf in _leaves(hide_secrets(conditions))]
    for one in results:
        lines += [f"{one.step.path}  {_head(one)}", *[f"     {detail}" for detail in (*one.step.notes, *_details(one))]]
    failed = sum(one.fails for one in results)
    end = f"{failed} of {len(results)} steps would fail; " if failed else ""
    return joined([*lines, f"{end}nothing was sent, nothing was written"])


def judged(facts: DryRunContext) -> list[str]:
    """Say as of when what follows is judged, and what the change really started."""
    notes = []
    if (execution := facts["execution"]) is not None:
        why = f" ({execution['code']})" if execution["code"] else ""
        notes.append(f"this change has started execution {execution['id']}, which is {execution['status']}{why}")
    if facts["change"] is None:
        notes.append("everything is as of now")
        return notes
    if facts["unknown"]:
        notes.append(f"how the workflow was then is not known: {facts['unknown']}; it is judged as of now")
    elif facts["version_then"] not in (None, facts["workflow"]["version"]):
        notes.append(f"the change met version {facts['version_then']}; the steps are those of version "
                     f"{facts['workflow']['version']}, as of now")  # fmt: skip
    notes.append("the start is judged as of the change; row values, pauses, opt-outs and limits are as of now")
    return notes


def _leaves(tree: Any) -> list[str]:
    """Return each condition with its result and the actual value.

    >>> _leaves({"all": [{"field": "status", "operator": "equals", "wanted": "done", "actual": "new", "held": False}]})
    ['no: status equals done; it is new']
    """
    if isinstance(tree, list):
        return [line for node in tree for line in _leaves(node)]
    if not isinstance(tree, dict):
        return []
    if "field" not in tree:
        return [line for group in ("all", "any", "not") for line in _leaves(tree.get(group))]
    wanted = f" {format_value(tree['wanted'])}" if tree.get("wanted") is not None else ""
    result = tree["problem"] if tree.get("problem") else f"it is {format_value(tree.get('actual'))}"
    return [f"{'yes' if tree.get('held') else 'no'}: {tree['field']} {tree['operator']}{wanted}; {result}"]


def _subject(facts: DryRunContext) -> str:
    if facts["entity_id"] is None:
        return "started manually with this payload"
    subject = f"{facts['type']} {facts['entity_id']}"
    if facts["since"] is None:
        return f"{subject}: no change of it is recorded, so the previous values are unknown"
    return f"{subject} as of its change at {format_value(facts['since'])}"


def _head(one: DryRunStep) -> str:
    if one.fails:
        return f"{one.step.name}: FAILS: {one.result.code}: {one.result.reason}"
    if one.result.verdict is Verdict.SKIPPED:
        return f"{one.step.name}: skipped: {one.result.code}: {one.result.reason}"
    if one.message is not None:
        return f"{one.step.name}: {one.message.channel} to {one.message.recipient}, from {one.message.sender}"
    if one.write is not None:
        row = one.write["id"] if one.write["id"] is not None else "a new row"
        return f"{one.step.name}: {one.write['operation']} {one.write['table']}, {row}"
    if one.step.type == "condition":
        holds = one.result.result.get("held") is True
        return f"{one.step.name}: if {describe_conditions(one.step.config['conditions'])}: {'yes' if holds else 'no'}"
    if one.step.type == "wait":
        until = format_value(one.result.result.get("until"))
        return f"{one.step.name}: waits until {until}; later steps use the current values"
    return f"{one.step.name}: {describe_step(one.step)}"


def _details(one: DryRunStep) -> list[str]:
    if one.result.verdict is Verdict.SKIPPED:
        return []
    if one.delay is not None:
        return [f"would wait: {one.delay.code}: {one.delay.reason}", *_content(one)]
    return [*([one.result.reason] if one.result.reason and not one.fails else []), *_content(one)]


def _content(one: DryRunStep) -> list[str]:
    values: Json = {}
    if one.message is not None:
        values = one.message.content
    elif one.write is not None:
        values = one.write["values"]
    elif one.step.type == "condition":
        return _leaves(one.result.result.get("conditions"))
    return [line for name, value in values.items() for line in _detail(name, value)]


def _detail(name: str, value: Any) -> list[str]:
    text = value if isinstance(value, str) else json_text(value)
    first, *more = text.replace("\r\n", "\n").split("\n")  # the lines of a message; all else is escaped
    return [f"{name}: {first}", *[f"    {line}" for line in more]]
