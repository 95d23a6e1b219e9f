"""Executions as the store returns them to people: lists, search pages, details and results of actions on them."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from minutehand.store.records.json import Json

#: A node of a condition's result: a group has one of `all`, `any` and `not`; a leaf has `field` and what follows it.
ConditionResult = TypedDict(
    "ConditionResult",
    {
        "held": bool,
        "all": NotRequired[list["ConditionResult"]],
        "any": NotRequired[list["ConditionResult"]],
        "not": NotRequired[list["ConditionResult"]],
        "problem": NotRequired[str],
        "field": NotRequired[str],
        "operator": NotRequired[str],
        "wanted": NotRequired[Any],
        "actual": NotRequired[Any],
        "was": NotRequired[Any],
    },
)


class ExecutionRow(TypedDict):
    """An execution in a list.  Instants are ISO 8601 text."""

    id: str
    workflow_id: str | None
    #: The workflow's name, also after it was deleted.
    workflow: str | None
    entity_id: str | None
    status: str
    attempt: int
    max_attempts: int | None
    code: str | None
    reason: str | None
    created_at: str
    scheduled_at: str | None
    started_at: str | None
    claimed_at: str | None
    completed_at: str | None
    worker: str | None
    #: The pauses that hold a pending one, with their reasons, in words.
    paused: str | None
    #: Why a pending one is not claimed now, in words.  Lists and pages have it.
    waits_for: NotRequired[str | None]
    #: What a person may do to it now: of `retry`, `resolve`, `release` and `cancel`.
    allowed: list[str]


class ExecutionLabel(TypedDict):
    """The change that an execution is about, as far as its trigger data says it."""

    table: str | None
    operation: str | None
    old_status: str | None
    new_status: str | None


class SearchRow(ExecutionRow):
    """An execution in a page of a search."""

    label: ExecutionLabel
    workflow_version: int | None
    caused_by: str | None


class SearchPage(TypedDict):
    """A page of executions, newest first."""

    rows: list[SearchRow]
    #: Definitions of the workflows, by "<workflow>:<version>".
    definitions: dict[str, Json | None]
    #: Where the next page begins: [created_at, id].
    next: list[str] | None
    #: How far the search looked back, when it did not look at everything.
    looked_back_to: str | None


class ExecutionCount(TypedDict):
    """How many executions match a filter; `capped` when counting stopped."""

    count: int
    capped: bool
    #: How far the count looked back, when it did not look at everything.
    looked_back_to: str | None


class Send(TypedDict):
    """A send of an execution (a row of `communication_logs`)."""

    step: str | None
    channel: str | None
    recipient: str | None
    status: str
    external_id: str | None
    error: str | None
    sent_at: str | None


class ExecutionView(ExecutionRow):
    """One execution with its steps and sends."""

    #: The record of each step (executor/step_record.py); an app's own list may hold anything.
    steps: list[Any]
    sends: list[Send]
    #: Earlier attempts, waits and ends (sql/internal/attempt_history.sql).
    attempt_history: list[Json]
    trigger_data: Any
    event_id: int | None
    caused_by: str | None
    workflow_version: int | None


class EventView(TypedDict):
    """The recorded change that started an execution; of an UPDATE, `old` is only what changed."""

    id: int
    occurred_at: str
    matched_at: str | None
    table: str
    operation: str
    types: list[str]
    old: Json | None
    new: Json | None


class RelatedRow(ExecutionRow):
    """Another execution of the same row."""

    label: ExecutionLabel


class RelatedExecutions(TypedDict):
    """Executions of the same row, and the one whose change caused this one."""

    row: list[RelatedRow]
    cause: ExecutionRow | None


class ExecutionDetail(ExecutionView):
    """One execution and everything that happened around it."""

    now: str
    tenant: str
    label: ExecutionLabel
    #: The workflow as the execution ran it.
    definition: Json | None
    event: EventView | None
    conditions: ConditionResult | None
    related: RelatedExecutions


class FailureSample(TypedDict):
    """One execution of a group of failures."""

    id: str
    entity_id: str | None
    reason: str | None


class FailureGroup(TypedDict):
    """Failures with the same workflow, code and message (without what differs in it)."""

    workflow_id: str | None
    workflow: str | None
    code: str | None
    message: str | None
    count: int
    #: How many different rows of the app.
    rows: int
    first_seen: str
    last_seen: str
    sample: FailureSample
    #: How many in each of the last 24 hours, oldest first.
    hours: list[int]


class Failures(TypedDict):
    """Groups of failures, the largest first; not `complete` when older failures were not looked at."""

    groups: list[FailureGroup]
    looked_at: int
    complete: bool


class ActionResult(TypedDict):
    """What an action did with one execution: `retried`, `resolved`, `released`, `cancelled`, `refused` or `missing`."""

    id: str
    answer: str
    reason: NotRequired[str]


class ReleaseResult(TypedDict):
    """How many stale executions were released; `more` when there are others."""

    released: int
    more: bool
    answers: list[ActionResult]


class PruneResult(TypedDict):
    """How many old executions were deleted; `more` when there are others."""

    deleted: int
    more: bool
    skipped: NotRequired[str]


class MatchResult(TypedDict):
    """What became of the events that a tick picked."""

    matched: int
    #: Executions that the matched events have.
    executions: int
    #: Events that failed for the last time.
    set_aside: int


class FireResult(TypedDict):
    """How many executions schedules started; `more`: call again."""

    started: int
    more: bool


class EnqueueResult(TypedDict):
    """The execution that a person started; `existed` when its key was used before."""

    #: None in a dry run.
    id: str | None
    workflow_id: str
    workflow: str
    status: str
    due: str
    existed: bool
    dry_run: bool


class WriteResult(TypedDict):
    """What became of a write: `done`, `already`, `lost`, `refused` or `deferred` (these with code and reason)."""

    answer: str
    id: NotRequired[str]
    code: NotRequired[str]
    reason: NotRequired[str]
