"""The demo's story: which jobs the app changes, which messages must arrive, and what became of each change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from minutehand.store import Json, Store
from minutehand.store.records import ExecutionView


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of one job by a user of the app, and what must follow."""

    job: str
    #: The new statuses of the job, one after the other.
    statuses: tuple[str, ...]
    #: A workflow that must not start.
    must_not_start: str | None = None
    #: What the receivers must get: `e-mail to ADDRESS: SUBJECT` or `METHOD PATH`.
    arrivals: tuple[str, ...] = ()


STORY = (
    Change(
        job="J-2019",
        statuses=("completed",),
        arrivals=("e-mail to hotel@example.com: Boiler repair: done", "POST /books/J-2019"),
    ),
    # The workflow says "In Progress", the app writes in_progress.
    Change(job="J-2020", statuses=("in_progress",), arrivals=("e-mail to school@example.com: We are on our way",)),
    # This client has no e-mail address; the webhook runs nevertheless.
    Change(job="J-2021", statuses=("completed",), arrivals=("POST /books/J-2021",)),
    # The workflow is for installations, and this is a repair; the next one is an installation.
    Change(job="J-2022", statuses=("cancelled",), must_not_start="Return the parts"),
    Change(job="J-2023", statuses=("Canceled",), arrivals=("POST /parts",)),
    # A job of the other organisation: only that organisation's workflow starts.
    Change(
        job="J-2024",
        statuses=("completed",),
        must_not_start="Thank the client",
        arrivals=("e-mail to museum@example.com: How did we do?",),
    ),
    # The first job is reopened and completed again: its client is not thanked twice.
    Change(job="J-2019", statuses=("in_review", "completed")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedChange:
    """A change that was made, with the job's row before it and after each new status."""

    change: Change
    rows: list[Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one change for one workflow."""

    job: str
    change: str
    workflow: str
    outcome: str
    reason: str
    #: None: the workflow did not start.
    execution_id: str | None = None


async def results_of(
    store: Store, played: PlayedChange, workflows: dict[str, Json], executions: list[ExecutionView]
) -> list[Result]:
    """Return what became of one change, for each workflow that started and for the one that must not."""
    pairs = list(zip(played.rows, played.rows[1:], strict=False))
    started = {
        row["workflow"]: row
        for row in executions
        if row["entity_id"] == played.change.job
        and any(
            (old["status"], new["status"])
            == (row["trigger_data"].get("old_status"), row["trigger_data"].get("new_status"))
            for old, new in pairs
        )
    }
    results = []
    for name in [name for name in workflows if name in started or name == played.change.must_not_start]:
        matched = await _match_reason(store, workflows[name], *reversed(pairs[-1]))
        outcome, reason = _outcome(started[name], matched) if name in started else ("not started", matched)
        results.append(
            Result(
                job=played.change.job,
                change=" -> ".join(row["status"] for row in played.rows),
                workflow=name,
                outcome=outcome,
                reason=reason,
                execution_id=started[name]["id"] if name in started else None,
            )
        )
    return results


async def _match_reason(store: Store, workflow: Json, new: Json, old: Json) -> str:
    """Return why a workflow starts for a change, or why not; the database evaluates the conditions (R9)."""
    if workflow["organization_id"] != new["organization_id"]:
        return f"the job belongs to {new['organization_id']}, the workflow to {workflow['organization_id']}"
    if not (conditions := workflow["trigger_config"].get("conditions")):
        return f"for every {workflow['trigger_type']}"
    leaves = list(_leaves(await store.evaluate(conditions, new, old)))
    return ", ".join(_condition(leaf) for leaf in [leaf for leaf in leaves if not leaf["held"]] or leaves)


def _outcome(execution: ExecutionView, matched: str) -> tuple[str, str]:
    """Return the status of an execution and its reason: what matched, or which steps failed and which succeeded."""
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


def _condition(leaf: Mapping[str, Any]) -> str:
    fact = f"{leaf['field']} is {leaf['actual']}"
    if leaf["held"]:
        return fact if leaf["actual"] == leaf["wanted"] else f'{fact} (matches "{leaf["wanted"]}")'
    return f"{fact}, not {leaf['wanted']}"


def _step(step: Json) -> str:
    if step["status"] == "success":
        return f'step "{step["name"]}" succeeded'
    return f'step "{step["name"]}" failed, {step["code"]}: {step["error"]}'
