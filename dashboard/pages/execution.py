"""One execution: what happened, why, and the actions that its state allows."""

from __future__ import annotations

from typing import Any

from minutehand.dashboard.context import Page, PageRequest
from minutehand.dashboard.presentation.timeline import band, timeline
from minutehand.executor.actions.contract import BadStep, Step
from minutehand.executor.dialects import all_steps, read_steps
from minutehand.store import Json
from minutehand.store.errors import NotFound


async def execution(request: PageRequest) -> Page:
    """Show one execution whole."""
    id_ = request.http.path_params["id"]
    story: Json = await request.query(("story", id_), lambda: request.store.execution_detail(id_))
    if request.user.tenant not in (None, story["tenant"]):
        raise NotFound(f"there is no execution {id_}")
    steps, problem = planned(story["definition"])
    return Page(
        "execution.html",
        {
            "it": story,
            "timeline": timeline(story, with_recipients=request.user.may("payloads")),
            "band": band(story, request.now),
            "steps": joined_steps(steps, story["steps"]),
            "steps_problem": problem,
            "changes": changes(story["event"]) if request.user.may("payloads") else [],
            "conditions": leaves(story["conditions"]),
            "actions": actions(story),
        },
    )


def planned(definition: Json | None) -> tuple[tuple[Step, ...], str]:
    """Return the steps of the version that ran, and why they cannot be read."""
    if definition is None:
        return (), "the workflow is gone"
    try:
        return tuple(all_steps(read_steps(definition))), ""
    except BadStep as error:
        return (), str(error)


def joined_steps(steps: tuple[Step, ...], records: list[Json]) -> list[Json]:
    """Return each step with its record; records of steps that are not in the definition come last."""
    by_key = {str(record.get("stepId")): record for record in records}
    rows = [
        {"step": step, "key": step.key, "name": step.name, "type": step.type, "record": by_key.pop(step.key, None)}
        for step in steps
    ]
    rows += [
        {
            "step": None,
            "key": key,
            "name": record.get("name") or key,
            "type": (record.get("result") or {}).get("type", ""),
            "record": record,
        }
        for key, record in by_key.items()
    ]
    return rows


def changes(event: Json | None) -> list[Json]:
    """Return the row's columns, what changed first: `{name, old, new, changed}`."""
    if not event:
        return []
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


def leaves(tree: Any, depth: int = 0) -> list[Json]:
    """Return the conditions as they were judged, a row each, groups before what they hold."""
    if not isinstance(tree, dict):
        return []
    for group in ("all", "any", "not"):
        if group in tree:
            inner = [row for child in tree[group] for row in leaves(child, depth + 1)]
            if group == "all" and depth == 0:
                return inner
            return [{"group": group, "held": tree.get("held"), "depth": depth}, *inner]
    return [{**tree, "depth": depth}]


def actions(story: Json) -> list[Json]:
    """Return what a person may do to it, each with the command that does the same."""
    id_, status, code = story["id"], story["status"], story["code"]
    able: list[Json] = []
    if code == "uncertain_send" and status == "failed":
        able += [
            {
                "action": "sent",
                "name": "It arrived",
                "permission": "resolve",
                "command": f"minutehand executions resolve {id_} --sent",
            },
            {
                "action": "resend",
                "name": "Send again",
                "permission": "resolve",
                "command": f"minutehand executions resolve {id_} --resend",
            },
            {
                "action": "drop",
                "name": "Give it up",
                "permission": "resolve",
                "command": f"minutehand executions resolve {id_} --drop",
            },
        ]
    elif code == "stale" and status == "skipped":
        able.append(
            {
                "action": "release",
                "name": "Run it now",
                "permission": "retry",
                "command": f"minutehand executions release {id_}",
            }
        )
    elif status in ("failed", "skipped"):
        able.append(
            {"action": "retry", "name": "Retry", "permission": "retry", "command": f"minutehand executions retry {id_}"}
        )
    if status in ("pending", "processing"):
        able.append(
            {
                "action": "cancel",
                "name": "Cancel",
                "permission": "cancel",
                "command": f"minutehand executions cancel {id_}",
            }
        )
    return able  # fmt: skip
