"""One execution: its timeline, facts, conditions, steps and row change, and the actions that its state allows."""

from __future__ import annotations

from typing import Any

from minutehand.dashboard.charts import duration_bar
from minutehand.dashboard.context import Page, PageRequest
from minutehand.dashboard.presentation.timeline import timeline
from minutehand.executor.actions.contract import BadStep, Step
from minutehand.executor.dialects import all_steps, read_steps
from minutehand.store import Json


async def execution(request: PageRequest) -> Page:
    """Show one execution."""
    id_ = request.http.path_params["id"]
    detail: Json = await request.query(
        ("execution", id_), lambda: request.store.execution_detail(id_, tenant=request.user.tenant)
    )
    return await request.build(_page, request, detail)


def _page(request: PageRequest, detail: Json) -> Page:
    steps, problem = planned_steps(detail["definition"])
    return Page(
        "execution.html",
        {
            "execution": detail,
            "timeline": timeline(detail, with_recipients=request.user.may("payloads")),
            "duration_bar": duration_bar(detail, request.now),
            "steps": steps_with_records(steps, detail["steps"]),
            "steps_problem": problem,
            "changes": changes(detail["event"]) if request.user.may("payloads") else [],
            "conditions": condition_rows(detail["conditions"]),
            "actions": allowed_actions(detail),
        },
    )


def planned_steps(definition: Json | None) -> tuple[tuple[Step, ...], str]:
    """Return the steps of the version that ran, and why they cannot be read."""
    if definition is None:
        return (), "the workflow was deleted"
    try:
        return tuple(all_steps(read_steps(definition))), ""
    except BadStep as error:
        return (), str(error)


def steps_with_records(steps: tuple[Step, ...], records: list[Json]) -> list[Json]:
    """Return each step with its record, then the records of steps that the definition lacks."""
    by_key = {str(record.get("stepId")): record for record in records}
    rows = [
        {"key": step.key, "name": step.name, "type": step.type, "record": by_key.pop(step.key, None)} for step in steps
    ]
    rows += [
        {
            "key": key,
            "name": record.get("name") or key,
            "type": (record.get("result") or {}).get("type", ""),
            "record": record,
        }
        for key, record in by_key.items()
    ]
    return rows


def changes(event: Json | None) -> list[Json]:
    """Return the row's columns, changed ones first: `{name, old, new, changed}`."""
    if not event or event["operation"] == "ENQUEUE":
        return []  # a person or a program started it: `new` is what it passed
    new, old = event["new"] or {}, event["old"] or {}
    is_update = event["operation"] == "UPDATE"
    rows = [
        {
            "name": name,
            "new": new.get(name),
            "old": old.get(name) if name in old or not is_update else new.get(name),
            "changed": name in old if is_update else True,
        }
        for name in dict.fromkeys([*old, *new])
    ]
    return sorted(rows, key=lambda row: not row["changed"])


def condition_rows(tree: Any, depth: int = 0) -> list[Json]:
    """Return the evaluated conditions, one row each; a group comes before its members."""
    if not isinstance(tree, dict):
        return []
    for group in ("all", "any", "not"):
        if group in tree:
            members = [row for child in tree[group] for row in condition_rows(child, depth + 1)]
            if group == "all" and depth == 0:
                return members
            return [{"group": group, "held": tree.get("held"), "depth": depth}, *members]
    return [{**tree, "depth": depth}]


#: The buttons of each action that the database allows: the form's action, its name, the permission and the command.
_BUTTONS = {
    "resolve": (
        ("sent", "Mark as sent", "resolve", "resolve --sent"),
        ("resend", "Send again", "resolve", "resolve --resend"),
        ("drop", "Mark as not sent", "resolve", "resolve --drop"),
    ),
    "release": (("release", "Run now", "retry", "release"),),
    "retry": (("retry", "Retry", "retry", "retry"),),
    "cancel": (("cancel", "Cancel", "cancel", "cancel"),),
}


def allowed_actions(detail: Json) -> list[Json]:
    """Return the buttons of what the database allows (`allowed`), with the command of the same effect.

    A stale execution can be released or retried: the one button is enough.
    """
    allowed = [action for action in detail["allowed"] if not (action == "retry" and "release" in detail["allowed"])]
    return [
        {
            "action": action,
            "name": name,
            "permission": permission,
            "command": f"minutehand executions {verb} {detail['id']}",
        }
        for button in allowed
        for action, name, permission, verb in _BUTTONS[button]
    ]
