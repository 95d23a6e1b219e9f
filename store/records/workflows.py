"""Workflows as the store returns them: lists, one with its versions, what was saved, and what a dry run would see."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NotRequired, TypedDict

from minutehand.store.records.executions import ConditionResult, ExecutionRow
from minutehand.store.records.json import Json


class UnknownStatus(TypedDict):
    """A status that a workflow waits for and no row of its type has ever had, and some that rows have had."""

    word: str
    type: str
    known: list[str]


class UnknownSetting(TypedDict):
    """A key of `settings` that nothing reads, and the names of all settings."""

    key: str
    known: list[str]


class Installation(TypedDict):
    """What workflows are judged against (minutehand.installation)."""

    tables: list[Json]
    processors: list[Json]


class WorkflowFacts(TypedDict):
    """What the database knows of a workflow (minutehand.workflow_facts); `executor/checks/workflow.py` judges it."""

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
    #: Values of `settings` that cannot be read.
    setting_problems: list[str]
    unknown_settings: list[UnknownSetting]
    #: What else is not read, and keeps the workflow from nothing.
    unread: list[str]
    #: The fields that its conditions name; None where they cannot be read.
    fields: list[str] | None
    #: The fields that its `settings.stop_when` names.
    stop_fields: list[str] | None
    #: Whether changes of its trigger type can come.
    emitted: bool
    #: The table whose changes would start it and are not recorded: {"table", "problem", "remedy"}.
    unwatched: Json | None
    #: It names neither organization nor user, and the rows of its table do.
    lacks_tenant: bool
    unknown_statuses: list[UnknownStatus]
    #: What starts it at a time: {"kind", "form", "zone", "next_at", "problem"}; None: changes start it.
    time: Json | None
    #: Its row, or its steps; None where they cannot be read, or are too long.
    definition: NotRequired[Json | None]
    #: The same object for all workflows of one call.
    installation: NotRequired[Installation | None]


def with_installation(workflows: Iterable[Any], installation: Installation | None) -> Any:
    """Give each workflow the installation that it is judged against; returns the workflows."""
    for workflow in workflows:
        workflow["installation"] = installation
    return workflows


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


class SwitchResult(WorkflowFacts):
    """A workflow that was `enabled` or `disabled` by these switches of its row, or `unchanged`."""

    answer: str
    changed: Json
    #: Its pending executions, counted to 10,000.
    pending: int
    dry_run: bool


class DeleteResult(TypedDict):
    """A workflow that was deleted, and what became of what belongs to it (automation_workflow_delete)."""

    id: str
    name: str
    dry_run: bool
    pending: int
    running: int
    #: How many executions were cancelled in this call, and whether there are others.
    cancelled: int
    is_more: bool
    #: How many executions that have ended stay, counted to 10,000.
    kept: int
    pause_removed: bool
    #: Foreign keys of the app by which other rows change, too: {"table", "constraint", "action"}.
    also: list[Json]


class DryRunWorkflow(TypedDict):
    """The workflow of a dry run."""

    id: str
    version: int
    name: str
    definition: Json
    zone: str


class StopReason(TypedDict):
    """Why an execution did not start, as of `then`, or would not start or go on, as of `now`."""

    code: str
    reason: str
    as_of: str


class DryRunChange(TypedDict):
    """The recorded change that a dry run judges."""

    id: int
    operation: str
    types: list[str]


class DryRunExecution(TypedDict):
    """The execution that this change started."""

    id: str
    status: str
    code: str | None
    reason: str | None


class DryRunContext(TypedDict):
    """Whether a change starts a workflow, as of then, and what its run would see, as of now."""

    #: The database's time.
    now: str
    workflow: DryRunWorkflow
    trigger_data: Json
    entity_id: str | None
    type: str | None
    row: Json | None
    old: Json | None
    links: Json | None
    #: See `Context.hidden`.
    hidden: dict[str, Json] | None
    #: When the change occurred.
    since: str | None
    change: DryRunChange | None
    execution: DryRunExecution | None
    #: The workflow's version that the change met, and why that is not known.
    version_then: int | None
    unknown: str | None
    #: On the change, by the workflow as it was then; without a change, on the row as of now.
    conditions: ConditionResult | None
    #: The name of the row's status column.
    status: str | None
    stops: list[StopReason]
    #: Of the row: whose opt-outs and limits count.
    tenant: Json
    #: Tables that record actions may write.
    writable: list[str]
