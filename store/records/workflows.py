"""Workflows as the store returns them: lists, one with its versions, what was saved, and what a dry run would see."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from minutehand.store.records.executions import ConditionResult, ExecutionRow, Json


class WorkflowFacts(TypedDict):
    """What `workflows lint` reads of a workflow in the database (minutehand.lint_facts)."""

    #: Why its configuration cannot work.
    problem: str | None
    #: Whether a watched table emits its trigger type.
    heard: bool
    #: Statuses in its conditions that no row of the table has.
    unmatched: list[Json]


class WorkflowSummary(TypedDict):
    """A workflow and its state."""

    id: str
    name: str
    user_id: str | None
    organization_id: str | None
    trigger_type: str | None
    version: int
    on: bool
    #: The pause that applies, in words.
    paused: str | None
    #: Why its configuration cannot work.
    problem: str | None
    definition: Json


class WorkflowRow(WorkflowSummary):
    """A workflow in a list; the last two (see `WorkflowFacts`) only where facts were requested."""

    last_run: str | None
    last_status: str | None
    heard: NotRequired[bool]
    unmatched: NotRequired[list[Json]]


class VersionRow(TypedDict):
    """When a version was saved."""

    version: int
    saved_at: str


class WorkflowVersion(VersionRow):
    """A saved version with its definition."""

    definition: Json


class WorkflowView(WorkflowSummary, WorkflowFacts):
    """One workflow, its versions, and its executions among the newest 20,000 of all."""

    #: The columns that switch it on and off.
    switches: Json
    versions: list[VersionRow]
    #: How many executions by status.
    executions: dict[str, int]
    last: ExecutionRow | None


class SaveResult(WorkflowFacts):
    """A saved workflow: `created`, `updated` (the columns `changed`) or `unchanged`."""

    answer: str
    id: str | None
    name: str
    version: int
    changed: list[str]
    dry_run: bool


class DryRunWorkflow(TypedDict):
    """The workflow of a dry run."""

    id: str
    version: int
    name: str
    definition: Json


class StopReason(TypedDict):
    """Why an execution would not start or go on."""

    code: str
    reason: str


class DryRunContext(TypedDict):
    """What a run of a workflow would see now."""

    workflow: DryRunWorkflow
    trigger_data: Json
    entity_id: str | None
    type: str | None
    row: Json | None
    old: Json | None
    links: Json | None
    #: Links whose rows are not shown, and why.
    hidden_links: dict[str, str] | None
    #: When the change that it repeats occurred.
    since: str | None
    conditions: ConditionResult | None
    #: The name of the row's status column.
    status: str | None
    stops: list[StopReason]
    #: Tables that record actions may write.
    writable: list[str]
