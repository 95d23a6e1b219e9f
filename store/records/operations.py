"""What operators read and set: metrics, overview, incidents, pauses, limits, bulk actions, triggers, direct mode."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from minutehand.store.records.executions import FailureGroup
from minutehand.store.records.json import Json
from minutehand.store.records.workflows import Installation, WorkflowFacts

#: Seconds by percentile.
Percentiles = TypedDict("Percentiles", {"50": float, "95": float, "99": float})


class WatchedTable(TypedDict):
    """A watched table and the settings of its trigger."""

    table: str
    id: str
    type: str
    status: str
    tenant: str | None
    user: str | None
    exclude: list[str]
    links: dict[str, str]
    #: Linked tables that belong to no tenant.
    global_tables: NotRequired[list[str]]
    #: Generated columns that are computed when a row is read.
    virtual: NotRequired[list[str]]
    #: The column that the app sets instead of deleting a row.
    soft_delete: NotRequired[str]
    writable: bool
    enabled: bool
    #: Why its changes are not recorded, and the statement that mends it; where they are not.
    problem: NotRequired[str]
    remedy: NotRequired[str]


class TriggerRemoval(TypedDict):
    """Whether a table was watched, and is not any more."""

    table: str
    removed: bool


class EventFigures(TypedDict):
    """Recorded changes: all, not matched yet, set aside, without a tenant, imported quietly, and lost."""

    recorded: int
    unmatched: int
    set_aside: int
    no_tenant: int
    quiet: int
    last_set_aside: Json | None
    last_no_tenant: Json | None
    lost: int


class WorkflowState(TypedDict):
    """A workflow among the metrics."""

    id: str
    name: str
    trigger_type: str | None
    version: int
    on: bool


class WorkerRow(TypedDict):
    """The latest heartbeat of a mode on a host."""

    id: str
    mode: str
    host: str | None
    version: str | None
    listens: bool
    started_at: str
    heartbeat_at: str
    #: Executions of a tick; None: all that is due.
    batch_size: int | None
    tick_seconds: float | None
    #: What it cannot do beside running executions, and why: `{"prune": reason}`.
    problems: dict[str, str] | None


class Pace(TypedDict):
    """What the processors run at most; `continuous`: one without a batch size was seen within the last 90 seconds."""

    continuous: bool
    per_tick: int
    tick_seconds: float


class PauseRow(TypedDict):
    """A pause of everything, a tenant or a workflow."""

    scope: str
    target: str
    reason: str | None
    paused_at: str
    #: When it ends by itself; None: when a person resumes.
    ends_at: str | None
    #: What is paused, in words.
    name: str


class PlannedPause(TypedDict):
    """A pause that begins later."""

    scope: str
    target: str
    name: str
    reason: str | None
    starts_at: str
    ends_at: str | None


class WorkflowEnds(TypedDict):
    """How the executions of a workflow ended within the last hour; without an id, those of all further workflows."""

    id: str | None
    name: str
    ended_last_hour: dict[str, int]


class Flood(TypedDict):
    """A workflow past its measure of an hour: `kind` is `flood`, or `recipient` for the messages to one recipient."""

    kind: str
    workflow_id: str
    count: int
    summary: str


class HiddenTable(TypedDict):
    """A table of ours whose rows row level security hides from the role that our functions run as."""

    table: str
    role: str
    #: It applies to the table's owner too (`force row level security`).
    forced: bool


class Identity(TypedDict):
    """Which database this is (`minutehand.identity_words`)."""

    #: `new`, `same`, `moved`, `test`, `copy` or `restored`; of the last two nothing runs.
    state: str
    database: str
    #: Where the database was that the first claim recorded, and when.
    recorded: str | None
    since: str | None
    email_to: str | None
    sms_to: str | None
    #: What is the matter, as a sentence without its full stop; None: nothing.
    reason: str | None


class IdentifyResult(TypedDict):
    """What became of a database when a person said which it is."""

    #: Its state before.
    was: str
    recorded: str | None
    changed: bool
    #: Executions that were due, counted to 10,000, and what becomes of them: `held` or `skipped`.
    held: int
    due: str


class Schema(TypedDict):
    """What the database has of our schema."""

    #: Number of the newest migration applied.
    version: int
    #: Tables and columns that it should have and lacks.
    missing: list[str]
    hidden: list[HiddenTable]


class Metrics(TypedDict):
    """The metrics of `status` and /metrics."""

    now: str
    schema_version: int
    #: See `Schema`.
    missing: list[str]
    hidden: list[HiddenTable]
    pending: int
    due: int
    pace: Pace
    processing: int
    oldest_due_seconds: int | None
    dead_rows: int
    events: EventFigures
    #: `WorkflowState` of each; if facts were requested, `WorkflowFacts`.
    workflows: list[Json]
    #: What they are judged against; if facts were requested.
    installation: NotRequired[Installation | None]
    tables: list[WatchedTable]
    workers: list[WorkerRow]
    paused: list[PauseRow]
    planned_pauses: list[PlannedPause]
    floods: list[Flood]
    identity: Identity
    #: Differs whenever an execution was created, claimed or ended.
    changed: Json
    last_hour: dict[str, int]
    ended_last_hour: dict[str, int]
    by_workflow: list[WorkflowEnds]
    waited_seconds: Percentiles | None
    took_seconds: Percentiles | None
    foreign_processing: int
    uncertain: int


class AlertRow(TypedDict):
    """An incident with a notification to send: `what` is `opened`, `updated` or `recovered`."""

    id: str
    kind: str
    what: str
    subject: str
    code: str
    opened_at: str
    recovered_at: str | None
    count: int
    summary: str
    sample: str | None


class IncidentRow(TypedDict):
    """An incident; `notified` is its latest notification."""

    id: str
    kind: str
    subject: str
    workflow: str | None
    code: str
    opened_at: str
    seen_at: str
    recovered_at: str | None
    count: int
    summary: str
    sample: str | None
    notified: str | None
    notified_at: str | None


class TickRow(TypedDict):
    """A minute: its first tick, how many executions were due then, and how many ran."""

    at: str
    first_at: str | None
    due: int | None
    ran: int


class Throughput(TypedDict):
    """Executions that were created, and that ended, in the last 15 minutes."""

    arrived: int
    ended: int


class WorkflowDay(WorkflowFacts):
    """A workflow's executions of the last 24 hours.  Percentiles are seconds from due to the end."""

    counts: dict[str, int]
    hours: list[int]
    failed_hours: list[int]
    p50: float | None
    p95: float | None
    last_run: str | None
    last_status: str | None


class Overview(TypedDict):
    """Everything that the dashboard's first page shows."""

    now: str
    #: `Metrics`; of one tenant, only some of them.
    figures: Json
    incidents: list[IncidentRow]
    ticks: list[TickRow]
    behind_since: str | None
    throughput: Throughput
    groups: list[FailureGroup]
    #: For each bar of the chart `at`, and how many executions by status.
    bars: list[Json]
    workflows: list[WorkflowDay]
    #: What they are judged against.
    installation: NotRequired[Installation | None]
    looked_at: int
    complete: bool


class DoctorFacts(TypedDict):
    """The facts that `doctor` checks, by section; a section that could not be read is {"unreadable": why}."""

    began: str
    answered: str
    schema: Json
    identity: Json
    functions: Json
    grants: Json
    columns: Json
    triggers: Json
    tables: Json
    workflows: Json
    queue: Json
    processors: Json
    vacuum: Json
    direct: Json


class PauseResult(TypedDict):
    """A pause that began: how many pending executions it holds, and whether it existed before."""

    scope: str
    target: str
    name: str
    reason: str | None
    existed: bool
    held: int
    #: When it begins, None: now; and when it ends by itself, None: when a person resumes.
    starts_at: str | None
    ends_at: str | None


class ResumeResult(TypedDict):
    """A pause that ended, the wider pauses that remain, and how many of the same are planned, or were."""

    scope: str
    target: str
    name: str
    reason: str | None
    existed: bool
    held: int
    still_paused: list[str]
    planned: int


class Limit(TypedDict):
    """How many messages may be sent: `n` per period."""

    scope: str
    tenant: str
    channel: str
    n: int
    per: str
    on_exceed: str


class LimitResult(TypedDict):
    """A limit that was `set` or `removed`; or `missing`."""

    answer: str
    scope: NotRequired[str]
    tenant: NotRequired[str]
    channel: NotRequired[str]
    n: NotRequired[int]
    per: NotRequired[str]
    on_exceed: NotRequired[str]


class UpcomingItem(TypedDict):
    """What will run at some time: an `execution` that waits, a firing of a `schedule`, the `date` of a row."""

    kind: str
    at: str
    workflow_id: str | None
    workflow: str | None
    entity_id: str | None
    execution_id: str | None
    tenant: str | None
    #: What it waits for, and the pause that would hold it as it is now.
    code: str | None
    reason: str | None
    paused: str | None


class UpcomingSchedule(TypedDict):
    """A schedule that fires within the period, first at `at`."""

    workflow_id: str
    workflow: str
    tenant: str | None
    at: str
    form: Json
    zone: str
    paused: str | None


class UpcomingDate(TypedDict):
    """A row whose date starts a workflow at `at`: `offset` says how long before or after."""

    workflow_id: str
    workflow: str
    tenant: str | None
    at: str
    table: str
    entity_id: str
    offset: str
    paused: str | None


#: What will run within a period: executions by time, `total` counts them to 10,000; schedules; and dates by time.
Upcoming = TypedDict(
    "Upcoming",
    {
        "now": str,
        "from": str,
        "until": str,
        "total": int,
        "items": list[UpcomingItem],
        "more": bool,
        "schedules": list[UpcomingSchedule],
        "dates": list[UpcomingDate],
        "more_dates": bool,
        "workflow": str | None,
    },
)


class Tenant(TypedDict):
    """What holds for all workflows of a tenant; of tenant `""`, of each that has nothing of its own."""

    tenant: str
    #: Its time zone as a person set it, and as the app's own table has it.
    timezone: str | None
    app_timezone: str | None
    settings: Json
    updated_at: str


class ZoneSource(TypedDict):
    """The app's column that has the time zone of a tenant, and why it cannot be read."""

    table: str
    key: str
    column: str
    problem: str | None


class Tenants(TypedDict):
    """The tenants that have something of their own, by id."""

    tenants: list[Tenant]
    zone_source: ZoneSource | None


class TenantResult(TypedDict):
    """A tenant that was `set` or `removed`; or `missing`."""

    answer: str
    tenant: NotRequired[str]
    timezone: NotRequired[str | None]
    app_timezone: NotRequired[str | None]
    settings: NotRequired[Json]
    updated_at: NotRequired[str]


class ZoneSourceResult(TypedDict):
    """The column that was set, empty if none is, and how many tenants have a zone by it."""

    table: NotRequired[str]
    key: NotRequired[str]
    column: NotRequired[str]
    problem: NotRequired[str | None]
    tenants: int


class OptOut(TypedDict):
    """Who wants no messages: of a channel, or of `all`; from a tenant, or from all ('')."""

    channel: str
    address: str
    tenant: str
    reason: str | None
    created_at: str
    #: Why it stops nothing: a row from before addresses were read.
    problem: NotRequired[str]


class OptOutResult(TypedDict):
    """An opt-out that was `added` or `removed`; or `already` there, or `missing`."""

    answer: str
    channel: str
    address: str
    tenant: str


class BulkAction(TypedDict):
    """An action on all executions that match a filter, and its progress."""

    id: str
    action: str
    filter: Json
    actor: Json
    note: str
    total: int
    done: int
    failed: int
    status: str
    spread_seconds: float
    created_at: str
    updated_at: str
    #: Until its next step is due; None when it does not run.
    wait_seconds: float | None


class DirectResult(TypedDict):
    """Direct mode as it was turned on; `secret` says whether the token was `kept`, `given` or `made`."""

    url: str
    timeout_ms: int
    no_claim: bool
    secret: str
    #: The new token, if one was made.
    token: str | None
    #: The app's own function, if it was replaced, and its triggers that call it.
    replaced: str | None
    used_by: list[str]


class DirectReply(TypedDict):
    """A reply: `kind` is `accepted`, `refused`, `unanswered` or `failed`; `answer` its status, or the error."""

    kind: str
    answer: str
    at: str


class DirectReplies(TypedDict):
    """The replies to the calls of the last hour, as pg_net has them."""

    accepted: int
    refused: int
    unanswered: int
    failed: int
    last: DirectReply | None


class DirectStatus(TypedDict):
    """Whether the database calls an executor, and what is missing."""

    on: bool
    url: str | None
    timeout_ms: int | None
    no_claim: bool | None
    enabled: bool | None
    #: Whose function it is: `ours`, `app` or None.
    function: str | None
    pg_net: bool
    vault: bool
    secret: bool
    #: Whether the token in Vault has one of the digests that were given.
    secret_listed: NotRequired[bool]
    replies: DirectReplies
    problems: list[str]


class DirectRemoval(TypedDict):
    """Whether direct mode was on."""

    was_on: bool


class TokenRotation(TypedDict):
    """The token now, and the one before."""

    token: str
    previous: str | None
