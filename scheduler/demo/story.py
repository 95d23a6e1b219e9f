"""The demo's story: what the app does to its jobs, what must arrive, and the words for what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from minutehand.store import Json, Store
from minutehand.store.records import ExecutionView


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a user of the app does to one job, and what is to be seen of it."""

    job: str
    #: The statuses that the job gets, one after the other.
    statuses: tuple[str, ...]
    #: A workflow that must not fire for it.
    not_for: str | None = None
    #: What must be found at the receivers: `e-mail to ADDRESS: SUBJECT` or `METHOD PATH`.
    arrivals: tuple[str, ...] = ()


STORY = (
    Change(
        job="J-2019",
        statuses=("completed",),
        arrivals=("e-mail to hotel@example.com: Boiler repair: done", "POST /books/J-2019"),
    ),
    # The workflow says "In Progress", the app writes in_progress.
    Change(job="J-2020", statuses=("in_progress",), arrivals=("e-mail to school@example.com: We are on our way",)),
    # This client has no e-mail address; the books are told all the same.
    Change(job="J-2021", statuses=("completed",), arrivals=("POST /books/J-2021",)),
    # The workflow is for installations, and this is a repair; the next one is an installation.
    Change(job="J-2022", statuses=("cancelled",), not_for="Return the parts"),
    Change(job="J-2023", statuses=("Canceled",), arrivals=("POST /parts",)),
    # Another organisation's job: its own workflow fires for it, the first organisation's does not.
    Change(
        job="J-2024",
        statuses=("completed",),
        not_for="Thank the client",
        arrivals=("e-mail to museum@example.com: How did we do?",),
    ),
    # Somebody takes the first one back and completes it again: its client is not thanked twice.
    Change(job="J-2019", statuses=("in_review", "completed")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A change as it was made: the job's row before, and after each of its statuses."""

    change: Change
    rows: list[Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What became of one change for one workflow."""

    job: str
    change: str
    workflow: str
    result: str
    why: str
    #: None: the workflow did not fire.
    execution_id: str | None = None


async def told(store: Store, made: Made, workflows: dict[str, Json], executions: list[ExecutionView]) -> list[Line]:
    """Say what became of one change: a line for each workflow that fired, and for the one that must not."""
    pairs = list(zip(made.rows, made.rows[1:], strict=False))
    started = {
        row["workflow"]: row
        for row in executions
        if row["entity_id"] == made.change.job
        and any(
            (old["status"], new["status"])
            == (row["trigger_data"].get("old_status"), row["trigger_data"].get("new_status"))
            for old, new in pairs
        )
    }
    lines = []
    for name in [name for name in workflows if name in started or name == made.change.not_for]:
        matched = await _matched(store, workflows[name], *reversed(pairs[-1]))
        result, why = _outcome(started[name], matched) if name in started else ("not fired", matched)
        lines.append(
            Line(
                job=made.change.job,
                change=" -> ".join(row["status"] for row in made.rows),
                workflow=name,
                result=result,
                why=why,
                execution_id=started[name]["id"] if name in started else None,
            )
        )
    return lines


async def _matched(store: Store, workflow: Json, new: Json, old: Json) -> str:
    """Say why a workflow fires for a change, or why not; of conditions the database is asked (R9)."""
    if workflow["organization_id"] != new["organization_id"]:
        return f"the job belongs to {new['organization_id']}, the workflow to {workflow['organization_id']}"
    if not (conditions := workflow["trigger_config"].get("conditions")):
        return f"for every {workflow['trigger_type']}"
    leaves = list(_leaves(await store.evaluate(conditions, new, old)))
    return ", ".join(_words(leaf) for leaf in [leaf for leaf in leaves if not leaf["held"]] or leaves)


def _outcome(execution: ExecutionView, matched: str) -> tuple[str, str]:
    """Return an execution's end, and why: what matched, or what went wrong and what did not."""
    status, code = execution["status"], execution["code"]
    if status == "failed" and execution["steps"]:
        return status, f"{code}: {'; '.join(_step(step) for step in execution['steps'])}"
    return status, f"{code}: {execution['reason']}" if code else matched


def _leaves(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    children = [child for kind in ("all", "any", "not") for child in node.get(kind, ())]
    if not children:
        yield node
    for child in children:
        yield from _leaves(child)


def _words(leaf: Mapping[str, Any]) -> str:
    said = f"{leaf['field']} is {leaf['actual']}"
    if leaf["held"]:
        return said if leaf["actual"] == leaf["wanted"] else f'{said}, that is "{leaf["wanted"]}"'
    return f"{said}, not {leaf['wanted']}"


def _step(step: Json) -> str:
    if step["status"] == "success":
        return f'step "{step["name"]}" was done'
    return f'step "{step["name"]}" failed, {step["code"]}: {step["error"]}'
