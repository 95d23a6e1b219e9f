"""Workflows as the store returns them: lists, one with its versions, what was saved, and what a dry run would see."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from minutehand.store.records.executions import ConditionResult, ExecutionRow, Json


class UnknownStatus(TypedDict):
    """A status that a workflow waits for and no row of its type has ever had, and some that rows have had."""

    word: str
    type: str
    known: list[str]


class WorkflowFacts(TypedDict):
    """What the database knows of a workflow (minutehand.workflow_facts); `executor/workflow_check.py` judges it."""

    id: str
    name: str
    user_id: str | None
    organization_id: str | None
    trigger_type: str | None
    version: int
    on: bool
    #: The values of the columns that switch it on and off; None where the row cannot be read.
    switches: Json | None
    #: The pause that applies.
    paused: Json | None
    #: Why its row or its conditions cannot be read.
    problem: str | None
    steps_problem: str | None
    settings_problem: str | None
    #: Whether changes of its trigger type can come.
    emitted: bool
    #: It names neither organization nor user, and the rows of its table do.
    lacks_tenant: bool
    unknown_statuses: list[UnknownStatus]
    #: Its row, or its steps; None where they cannot be read, or are too long.
    definition: NotRequired[Json | None]


class WorkflowRow(WorkflowFacts):
    """A workflow in a list."""

    last_run: str | None
    last_status: str | None


class VersionRow(TypedDict):
    """When a version was saved."""

    version: int
    saved_at: str


class WorkflowVersion(VersionRow):
    """A saved version with its definition."""

    definition: Json


class WorkflowView(WorkflowFacts):
    """One workflow, its versions, and its executions among the newest 20,000 of all."""

    versions: list[VersionRow]
    #: How many executions by status.
    executions: dict[str, int]
    last: ExecutionRow | None


class SaveResult(WorkflowFacts):
    """A saved workflow: `created`, `updated` (the columns `changed`) or `unchanged`."""

    answer: str
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
    #: See `Context.hidden`.
    hidden: dict[str, Json] | None
    #: When the change that it repeats occurred.
    since: str | None
    conditions: ConditionResult | None
    #: The name of the row's status column.
    status: str | None
    stops: list[StopReason]
    #: Tables that record actions may write.
    writable: list[str]
