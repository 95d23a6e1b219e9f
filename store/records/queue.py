"""Records of the queue: parsed once, frozen afterwards."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from minutehand.store.records.json import Json
from minutehand.store.records.webhooks import WebhookTenant

if TYPE_CHECKING:
    from minutehand.store.records.executions import ExecutionRow
    from minutehand.store.records.operations import HiddenTable, Identity, Pace

#: How long a step may begin with the context that the claim read.
FIRST_CONTEXT_SECONDS = 1.0


class LeaseLost(Exception):
    """Another processor may own this execution now: stop before the next side effect."""


@dataclass(slots=True, kw_only=True)
class Lease:
    """The lease of one claim call, measured on this process's monotonic clock (R5)."""

    token: str
    expires_monotonic: float
    lost_ids: set[str] = field(default_factory=set)

    @classmethod
    def new(cls, seconds: float) -> Lease:
        """Return the lease of a call that follows.

        It is counted from before the call on this process's own clock, so that it never looks longer than the
        database's.
        """
        return cls(token=str(uuid.uuid4()), expires_monotonic=time.monotonic() + seconds)

    def holds(self, execution_id: str) -> bool:
        """Return whether this process may still act for `execution_id`."""
        return execution_id not in self.lost_ids and time.monotonic() < self.expires_monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The person behind a change: kept with what they did (`automation_audit`)."""

    #: `cli`, `dashboard`, or the name of what else calls.
    via: str
    name: str

    def as_json(self) -> Json:
        """Return it as the functions take it (`p_actor`)."""
        return {"via": self.via, "name": self.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A workflow as it was when the execution matched it (one row of `automation_workflow_versions`)."""

    id: str
    version: int
    name: str
    definition: Json
    #: Whose secret signs its webhooks; None: the operator's own.
    webhook_tenant: WebhookTenant | None = None
    #: The time zone in which its days and hours are meant: its own, else its tenant's (minutehand.workflow_zone).
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One claimed row of `automation_execution_logs`, ready to run."""

    id: str
    workflow: Workflow
    lease: Lease
    entity_id: str | None
    attempt: int
    max_attempts: int
    trigger_data: Json
    #: What earlier attempts recorded, by step key: these steps are not run again.
    recorded: dict[str, Json]
    #: How often a person had each step's uncertain send repeated; it changes the next idempotency key.
    resends: dict[str, int]
    #: Its workers were lost at least twice: run it with nothing else in flight (R7).
    alone: bool
    #: It runs in a test copy: who gets its messages, `{"email_to", "sms_to"}`; None: those to whom they are addressed.
    test: Json | None = None
    #: The database's time at the claim, and this process's monotonic clock when the answer came.
    claimed_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    claimed_monotonic: float = field(default_factory=lambda: time.monotonic())
    #: What the claim read for it, and when on the monotonic clock the claim was asked for that.
    read_at_claim: Context | None = None
    read_since: float = 0.0

    def first_context(self) -> Context | None:
        """Return the context that the claim read, for a second: then the row may be another by now."""
        return self.read_at_claim if time.monotonic() < self.read_since + FIRST_CONTEXT_SECONDS else None

    def now(self) -> datetime:
        """Return the database's time: the claim's, and what has passed since (R1)."""
        return self.claimed_at + timedelta(seconds=time.monotonic() - self.claimed_monotonic)

    def check_lease(self) -> None:
        """Raise `LeaseLost` when this process may no longer act for the execution."""
        if not self.lease.holds(self.id):
            raise LeaseLost(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The result of one claim call."""

    executions: list[Execution]
    #: Executions that the claim itself ended; they count as claimed.
    ended: list[ExecutionRow]
    #: Executions are waiting that must run alone.
    suspects: bool
    #: Until the next execution is due; None when none is waiting.
    next_seconds: float | None

    @classmethod
    def from_row(cls, row: Json, lease: Lease, *, read_since: float = 0.0) -> Claim:
        """Parse the result of `automation_claim`, which was asked for at `read_since` on the monotonic clock."""
        workflows = {
            key: Workflow(
                id=w["id"],
                version=w["version"],
                name=w["name"] or w["id"],
                definition=w["definition"] or {},
                webhook_tenant=WebhookTenant.from_row(w["webhook_tenant"]),
                zone=w["zone"],
            )
            for key, w in row["workflows"].items()
        }
        claimed_at = datetime.fromisoformat(row["now"])
        contexts = {item["id"]: Context.from_row(item) for item in row.get("contexts") or ()}
        executions = [
            Execution(
                id=item["id"],
                workflow=workflows[f"{item['workflow_id']}:{item['workflow_version'] or 0}"],
                lease=lease,
                entity_id=item["entity_id"],
                attempt=item["attempt"],
                max_attempts=item["max_attempts"],
                trigger_data=item["trigger_data"] if isinstance(item["trigger_data"], dict) else {},
                recorded=_by_step(item["recorded"]),
                resends=_counts(item.get("resends")),
                alone=item["alone"],
                test=row.get("test"),
                claimed_at=claimed_at,
                read_at_claim=contexts.get(item["id"]),
                read_since=read_since,
            )
            for item in row["executions"]
        ]
        return cls(
            executions=executions,
            ended=row["ended"],
            suspects=row["suspects"],
            next_seconds=_seconds(row["next_seconds"]),
        )


def _seconds(value: Any) -> float | None:
    """Return seconds as Python's clocks count them."""
    return None if value is None else float(value)


def _place(place: Json | None) -> Json | None:
    return place and place | {"wait_seconds": float(place["wait_seconds"])}


def _by_step(recorded: Any) -> dict[str, Json]:
    """Index an execution's step records; an app's own list may hold anything."""
    if not isinstance(recorded, list):
        return {}
    return {str(item["stepId"]): item for item in recorded if isinstance(item, dict) and "stepId" in item}


def _counts(resends: Any) -> dict[str, int]:
    """Return how often each step was sent again; an app's own column may hold anything."""
    found = resends if isinstance(resends, dict) else {}
    return {step: count for step, count in found.items() if isinstance(count, int)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Whether a send may leave (`send` in a result of `automation_advance`)."""

    key: str
    #: `go`, `sent`, `uncertain`, `lost`, `held`, `refused` or `later`.
    answer: str
    external_id: str | None
    #: For `sent`: who has it, and who was refused for good, with the server's reply.
    recipient: str | None
    refused: dict[str, str]
    code: str | None
    reason: str | None
    #: For `later`: how long a limit, or the receiver's pace, delays it.
    wait_seconds: float | None
    #: For `later`: the receiver asked to slow down.
    is_deferred: bool = False
    #: For `refused` with the code `opted_out`: who has opted out, as the request names them.
    opted_out: tuple[str, ...] = ()
    #: For `go`: the send's place at a receiver that asked to slow down, `{"n", "wait_seconds"}`.
    place: Json | None = None

    @classmethod
    def from_row(cls, row: Json) -> Reservation:
        """Parse one result."""
        return cls(
            key=row["key"],
            answer=row["answer"],
            external_id=row.get("external_id"),
            recipient=row.get("recipient"),
            refused=row.get("refused") or {},
            code=row.get("code"),
            reason=row.get("reason"),
            wait_seconds=_seconds(row.get("wait_seconds")),
            is_deferred=row.get("deferred", False),
            opted_out=tuple(row.get("opted_out") or ()),
            place=_place(row.get("place")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The current context of an execution (one result of `automation_advance`)."""

    id: str
    #: False: the lease is lost; do nothing.
    held: bool
    #: Why the execution must not go on: `{"ended", "code", "reason"}`; `ended` may be `deferred`.
    stop: Json | None
    #: The name of the row in templates: `job`.
    type: str | None
    row: Json | None
    old: Json | None
    links: dict[str, Json]
    #: Linked rows (`client`) and values (`job.photo`) that exist and are not shown, and why: `{"code", "reason"}`; with
    #: `"passing": true` where the linked table cannot be read now; of one that is gone `{"gone": true, "reason"}`.
    hidden: dict[str, Json] = field(default_factory=dict)
    #: The table of the row, where it is not watched, so that the row cannot be read: `{"type", "code", "reason"}`.
    unwatched: Json | None = None
    #: The status column, whose spelling conditions fold (R9).
    status_column: str = "status"
    #: An earlier worker handed the execution over and never reported its end (`automation_begin_calls`).
    called: bool = False
    #: The tenant's own receivers that asked to slow down, by the key of their pace.
    slowed: frozenset[str] = frozenset()
    #: The reservation; None when none was requested, or the execution must not go on.
    send: Reservation | None = None

    @classmethod
    def from_row(cls, row: Json) -> Context:
        """Parse one result."""
        return cls(
            id=row["id"],
            held=row["held"],
            stop=row["stop"],
            type=row["type"],
            row=row["row"],
            old=row["old"],
            links=row["links"] or {},
            hidden=row.get("hidden") or {},
            unwatched=row.get("unwatched"),
            status_column=row.get("status") or "status",
            called=row.get("called", False),
            slowed=frozenset(row.get("slowed") or ()),
            send=Reservation.from_row(row["send"]) if row.get("send") else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """The result of the housekeeping of one tick (`automation_tick`).  A schema of another version may lack fields."""

    schema_version: int
    #: See `Schema`.
    missing: list[str] = field(default_factory=list)
    hidden: list[HiddenTable] = field(default_factory=list)
    #: Executions due now; counted to 1,000, beyond which `due_capped` is true.
    due: int = 0
    due_capped: bool = False
    next_seconds: float | None = None
    lost_leases: int = 0
    #: Ids of unmatched events, for `Store.match`.
    to_match: list[int] = field(default_factory=list)
    paused: bool = False
    #: Workflows that the breaker paused in this call, by name.
    tripped: list[str] = field(default_factory=list)
    #: Executions held as stale in this call.
    held: int = 0
    #: Executions held in this call because they were due before the database was restored or copied.
    restored: int = 0
    #: Executions held because of a flood in this call.
    flooded: int = 0
    #: There are more to hold: call again; nothing is claimed before that ends.
    holding: bool = False
    #: Bulk actions that are running.
    bulk_actions: int = 0
    #: Schedules to look at, for `Store.fire`: {"id", "version", "form", "zone", "from"}.
    schedules: list[Json] = field(default_factory=list)
    #: Rows of a schedule's firing have not started yet: call `Store.fire`.
    walks: bool = False
    #: Date columns are to be scanned: call `Store.fire`.
    dates: bool = False
    #: The database's time.
    now: datetime | None = None
    #: How fast the processors run what is due.
    pace: Pace | None = None
    #: Which database this is.
    identity: Identity | None = None

    @classmethod
    def from_row(cls, row: Json) -> Tick:
        """Parse the result."""
        found = {name: row[name] for name in cls.__slots__ if name in row}
        now = datetime.fromisoformat(row["now"]) if "now" in row else None
        return cls(**found | {"next_seconds": _seconds(row.get("next_seconds")), "now": now})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of one outcome (one result of `automation_settle`)."""

    id: str
    #: `settled`, `already`, `lost` or `failed` (it could not be stored).
    answer: str
    status: str | None
    code: str | None
    reason: str | None
    #: Seconds until it is due again, when it went back to `pending`.
    due_seconds: float | None

    @classmethod
    def from_row(cls, row: Json) -> Settled:
        """Parse one result."""
        return cls(
            id=row["id"],
            answer=row["answer"],
            status=row.get("status"),
            code=row.get("code"),
            reason=row.get("reason"),
            due_seconds=_seconds(row.get("due_seconds")),
        )
