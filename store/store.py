"""The door's verbs: each a line or two over one SQL function."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

from minutehand.store import records
from minutehand.store.drivers import Driver
from minutehand.store.errors import Conflict, Unreachable
from minutehand.store.records import Actor, Claim, Context, Json, Lease, Settled, Tick

#: Seconds between the tries of a call whose repetition changes nothing.
_PAUSES = (0.1, 0.5, 2.0)
#: After that long it is not tried again here: a call may hang for `CALL_SECONDS` before it is given up.
_LONGEST_TRYING_SECONDS = 45.0


class Store:
    """Everything the program asks of the database.

    `now` is the tests' seam for time: production leaves it out, and the database's clock holds (R1).
    """

    def __init__(self, driver: Driver, *, now: Callable[[], datetime] | None = None) -> None:
        self._driver = driver
        self._now = now

    @classmethod
    def postgres(cls, url: str, *, backend: str = "postgres", now: Callable[[], datetime] | None = None) -> Store:
        """Take the Postgres backend to the database at `url`; nothing is opened before the first call."""
        from minutehand.store.drivers.postgres import PostgresDriver

        return cls(PostgresDriver(url, backend=backend), now=now)

    @classmethod
    def supabase(cls, url: str, key: str, *, now: Callable[[], datetime] | None = None) -> Store:
        """Reach the Supabase project at `url`.  Errors: `BadConfiguration` when URL or key cannot be one."""
        from minutehand.store.drivers.supabase import SupabaseDriver

        return cls(SupabaseDriver(url, key), now=now)

    @property
    def backend(self) -> str:
        """`postgres`, `supabase` or `embedded`."""
        return self._driver.backend

    @property
    def location(self) -> str:
        """Host, port and database, or a project's host; no credentials."""
        return self._driver.location

    @property
    def kind(self) -> str:
        """What leads to the database: `direct`, `session` or `transaction` (a pooler), or `rest`."""
        return self._driver.kind

    @property
    def can_listen(self) -> bool:
        """Whether LISTEN works on this backend."""
        return self._driver.can_listen

    @property
    def linger_seconds(self) -> float:
        """How long the ends of executions wait for company before they are told together."""
        return self._driver.linger_seconds

    def hints(self) -> AsyncIterator[None]:
        """Yield once when it listens, then whenever something may be due.  Errors: `StoreError` when it breaks."""
        return self._driver.hints()

    async def close(self) -> None:
        """Give the connections back."""
        await self._driver.close()

    # --- the beat -----------------------------------------------------------------------------------------------------

    async def tick(self, worker: Json | None = None, *, hold_seconds: int | None = None) -> Tick:
        """Do the housekeeping of one beat, and say what is due.

        When no processor has looked for longer than `hold_seconds`, what was due before is held, in bites (`holding`).
        """
        return Tick.from_row(await self._timed("automation_tick", p_worker=worker, p_hold_seconds=hold_seconds))

    async def prune(self, keep_seconds: int) -> records.PruneResult:
        """Delete a bite of the executions that ended and are older: `{"deleted", "more"}`."""
        return await self._repeated("automation_prune", p_keep_seconds=keep_seconds)

    async def claim(
        self,
        limit: int,
        *,
        worker: str,
        lease_seconds: int,
        max_attempts: int,
        alone: bool = False,
        ids: list[str] | None = None,
        token: str | None = None,
    ) -> Claim:
        """Make up to `limit` due executions ours for `lease_seconds`.

        Repeating it with the same `token` returns the same rows and spends nothing.  The lease is counted from before
        the call on this process's own clock, so that it never looks longer than the database's.
        """
        lease = Lease(token=token or str(uuid.uuid4()), expires_monotonic=time.monotonic() + lease_seconds)
        row = await self._repeated(
            "automation_claim",
            p_token=lease.token,
            p_limit=limit,
            p_worker=worker,
            p_lease_seconds=lease_seconds,
            p_max_attempts=max_attempts,
            p_alone=alone,
            p_ids=ids,
        )
        return Claim.from_row(row, lease)

    async def renew(self, tokens: list[str], *, lease_seconds: int) -> set[str]:
        """Extend the leases of these claims; returns the ids of the executions still held."""
        return set(await self._repeated("automation_renew", p_tokens=tokens, p_lease_seconds=lease_seconds))

    async def settle(self, outcomes: list[Json]) -> list[Settled]:
        """End executions; one answer for each, in any order.  Safe to repeat."""
        return [Settled.from_row(row) for row in await self._repeated("automation_settle", p_outcomes=outcomes)]

    # --- within an execution ------------------------------------------------------------------------------------------

    async def advance(self, items: list[Json]) -> list[Context]:
        """Bring executions one step forward: confirm and record the last step, look anew, reserve the next send.

        `{"id", "token", "confirm"?, "step"?, "resume_step"?, "reserve"?}` each (automation_advance.sql).
        """
        return [Context.from_row(row) for row in await self._repeated("automation_advance", p_items=items)]

    async def begin_calls(self, items: list[Json]) -> list[Context]:
        """Note that executions, `{"id", "token"}`, are handed over to an executor elsewhere; returns their contexts."""
        return [Context.from_row(row) for row in await self._repeated("automation_begin_calls", p_items=items)]

    async def write_record(
        self,
        execution_id: str,
        token: str,
        step: Json,
        *,
        table: str,
        operation: str,
        row_id: str | None,
        values: Json,
    ) -> records.WriteResult:
        """Write a row of the app for an execution, and record the step, in one transaction (R11)."""
        return await self._repeated(
            "automation_write_record",
            p_execution_id=execution_id,
            p_token=token,
            p_step=step,
            p_table=table,
            p_operation=operation,
            p_id=row_id,
            p_values=values,
        )

    # --- what a person asks -------------------------------------------------------------------------------------------

    async def enqueue(
        self,
        workflow: str,
        *,
        row: str | None = None,
        payload: Any = None,
        at: datetime | None = None,
        key: str | None = None,
        dry_run: bool = False,
        actor: Actor | None = None,
    ) -> records.EnqueueResult:
        """Start a workflow, named by id or name, by hand."""
        return await self._timed(
            "automation_enqueue",
            p_workflow=workflow,
            p_row=row,
            p_payload=payload,
            p_at=at,
            p_key=key,
            p_dry_run=dry_run,
            p_actor=_actor(actor),
        )

    async def retry(self, ids: list[str], *, actor: Actor | None = None) -> list[records.ActionResult]:
        """Run again what failed in these executions: `{"id", "answer", "reason"}` each."""
        return await self._timed("automation_retry", p_ids=ids, p_actor=_actor(actor))

    async def resolve(self, ids: list[str], as_: str, *, actor: Actor | None = None) -> list[records.ActionResult]:
        """Say what became of uncertain sends, `sent`, `resend` or `drop`: `{"id", "answer", "reason"}` each."""
        return await self._timed("automation_resolve", p_ids=ids, p_as=as_, p_actor=_actor(actor))

    async def release(self, ids: list[str] | None = None, *, actor: Actor | None = None) -> records.ReleaseResult:
        """Let what was held as stale run: these, or a bite of all: `{"released", "more", "answers"}`."""
        return await self._timed("automation_release", p_ids=ids, p_actor=_actor(actor))

    async def cancel(
        self, ids: list[str], *, reason: str | None = None, actor: Actor | None = None
    ) -> list[records.ActionResult]:
        """End pending or processing executions: `{"id", "answer", "reason"}` each."""
        return await self._timed("automation_cancel", p_ids=ids, p_reason=reason, p_actor=_actor(actor))

    async def pause(
        self, *, scope: str, target: str | None = None, reason: str | None = None, actor: Actor | None = None
    ) -> records.PauseResult:
        """Hold `all`, a `tenant` or a `workflow` (by id or name): `{"name", "reason", "existed", "held"}`."""
        return await self._timed(
            "automation_pause", p_scope=scope, p_target=target, p_reason=reason, p_actor=_actor(actor)
        )

    async def resume(
        self, *, scope: str, target: str | None = None, actor: Actor | None = None
    ) -> records.ResumeResult:
        """End a pause: `{"name", "reason", "existed", "held", "still_paused"}`."""
        return await self._timed("automation_resume", p_scope=scope, p_target=target, p_actor=_actor(actor))

    async def executions(self, filters: Json | None = None, *, limit: int = 50) -> list[records.ExecutionRow]:
        """List executions, newest first."""
        return await self._driver.call("automation_executions", p_filter=filters or {}, p_limit=limit)

    async def execution(self, execution_id: str) -> records.ExecutionView:
        """Show one execution with its steps and sends; the beginning of an id is enough if only one begins so."""
        return await self._timed("automation_execution", p_id=execution_id)

    async def metrics(self, *, steps: bool = False) -> records.Metrics:
        """Return the figures of an operator's first look; `steps`: with the definitions of workflows, up to a bound."""
        return await self._timed("automation_metrics", p_steps=steps)

    async def alerts_claim(self, token: str, *, share: float, age_seconds: int) -> list[records.AlertRow]:
        """Look for trouble; returns what is to be told of it, which is this caller's to tell for two minutes."""
        return await self._repeated("automation_alerts_claim", p_token=token, p_share=share, p_age_seconds=age_seconds)

    async def alerts_notified(self, token: str, notified: dict[str, str]) -> None:
        """Record which notification of each incident was sent: `{id: "opened" | "updated" | "recovered"}`."""
        await self._repeated("automation_alerts_notified", p_token=token, p_notified=notified)

    async def incidents(self, *, all_: bool = False, limit: int = 100) -> list[records.IncidentRow]:
        """Return the incidents that are open, or all of 90 days."""
        return await self._timed("automation_incidents", p_all=all_, p_limit=limit)

    async def search(
        self, filters: Json | None = None, *, limit: int = 50, before: list[str] | None = None
    ) -> records.SearchPage:
        """Return a page of executions behind the one that `before` names, newest first, and where the next begins."""
        return await self._timed("automation_search", p_filter=filters or {}, p_limit=limit, p_before=before)

    async def count(self, filters: Json) -> records.ExecutionCount:
        """Say how many executions are meant: `{"count", "capped"}`."""
        return await self._driver.call("automation_count", p_filter=filters)

    async def bulk_start(
        self, action: str, filters: Json, *, spread_seconds: float, actor: Actor, note: str
    ) -> records.BulkAction:
        """Start to `retry` or `cancel` all executions that match.  Errors: `BadRequest` if ten bulk actions run."""
        return await self._timed(
            "automation_bulk_start",
            p_action=action,
            p_filter=filters,
            p_spread_seconds=spread_seconds,
            p_actor=actor.as_json(),
            p_note=note,
        )

    async def bulk_step(self, id_: str | None = None, *, limit: int = 100) -> records.BulkAction | None:
        """Do the next step of a bulk action, of the one that waits longest by default; None if none is due."""
        return await self._timed("automation_bulk_step", p_id=id_, p_limit=limit)

    async def bulk_stop(self, id_: str, *, actor: Actor | None = None) -> records.BulkAction:
        """Stop a bulk action.  Errors: `NotFound`."""
        return await self._timed("automation_bulk_stop", p_id=id_, p_actor=_actor(actor))

    async def bulk_get(self, id_: str) -> records.BulkAction:
        """Return a bulk action, its progress, and when its next step is due.  Errors: `NotFound`."""
        return await self._timed("automation_bulk_get", p_id=id_)

    async def execution_detail(self, execution_id: str) -> records.ExecutionDetail:
        """Return one execution and all that happened around it.  Errors: `NotFound`, `Conflict`."""
        return await self._timed("automation_execution_detail", p_id=execution_id)

    async def overview(
        self, *, tenant: str | None = None, bars_from: datetime | None = None, bar_seconds: int = 60
    ) -> records.Overview:
        """Return all that the dashboard's first page shows, of all or of one tenant; bars only from an instant on."""
        begin = None if bars_from is None else bars_from.isoformat()
        return await self._timed("automation_overview", p_tenant=tenant, p_from=begin, p_seconds=bar_seconds)

    async def failures(self, filters: Json | None = None, *, limit: int = 50) -> records.Failures:
        """Return what failed, in groups."""
        return await self._timed("automation_failures", p_filter=filters or {}, p_limit=limit)

    async def doctor(self) -> records.DoctorFacts:
        """Return the facts that `doctor` judges, section by section."""
        return await self._timed("automation_doctor")

    async def schema_version(self) -> int:
        """Return the number of the newest migration applied."""
        return int((await self._driver.call("automation_schema_version"))["version"])

    async def limits(self) -> list[records.Limit]:
        """List the limits of sends: `{"scope", "tenant", "channel", "n", "per", "on_exceed"}` each."""
        return await self._driver.call("automation_limits")

    async def set_limit(self, scope: str, *, actor: Actor | None = None, **settings: Any) -> records.LimitResult:
        """Set a limit, or with `n=None` remove it; returns `{"answer": "set" | "removed" | "missing", …}`."""
        given = {f"p_{name}": value for name, value in settings.items()}
        return await self._timed("automation_limit_set", p_scope=scope, p_actor=_actor(actor), **given)

    # --- workflows ----------------------------------------------------------------------------------------------------

    async def workflows(self, names: list[str] | None = None, *, facts: bool = False) -> list[records.WorkflowRow]:
        """List workflows by name: all, or those of these names or ids; `facts`: with what speaks against them."""
        asked: Json = ({} if names is None else {"names": names}) | ({"facts": True} if facts else {})
        page: list[records.WorkflowRow] = await self._driver.call("automation_workflow_list", p_filter=asked)
        rows = page
        while page:
            after = {"after": [page[-1]["name"], page[-1]["id"]]}
            page = await self._driver.call("automation_workflow_list", p_filter=asked | after)
            rows = rows + page
        return rows

    async def workflow(self, workflow: str) -> records.WorkflowView:
        """Show one workflow, named by id or name, with its versions and what became of its executions."""
        return await self._driver.call("automation_workflow_show", p_workflow=workflow)

    async def workflow_versions(self, workflow: str) -> list[records.WorkflowVersion]:
        """Return what was saved of one workflow, newest first.  Errors: `NotFound`, `Conflict`."""
        return await self._driver.call("automation_workflow_versions", p_workflow=workflow)

    async def save_workflow(
        self, workflow: Json, *, dry_run: bool = False, actor: Actor | None = None
    ) -> records.SaveResult:
        """Save a workflow by its name within its tenant: created, updated or unchanged, and what speaks against it."""
        return await self._timed(
            "automation_workflow_save", p_workflow=workflow, p_dry_run=dry_run, p_actor=_actor(actor)
        )

    async def dry_run(self, workflow: str, *, row: str | None = None, payload: Any = None) -> records.DryRunContext:
        """Say what a run of a workflow would see, and what would keep it from running."""
        return await self._timed("automation_dry_run", p_workflow=workflow, p_row=row, p_payload=payload)

    # --- watched tables -----------------------------------------------------------------------------------------------

    async def add_trigger(self, table: str, **settings: Any) -> records.WatchedTable:
        """Watch a table; settings left out take the defaults of `automation_trigger_add`."""
        given = {f"p_{name}": value for name, value in settings.items() if value is not None}
        return await self._driver.call("automation_trigger_add", p_table=table, **given)

    async def remove_trigger(self, table: str) -> records.TriggerRemoval:
        """Stop watching a table."""
        return await self._driver.call("automation_trigger_remove", p_table=table)

    async def triggers(self) -> list[records.WatchedTable]:
        """List the watched tables."""
        return await self._driver.call("automation_triggers")

    # --- direct mode --------------------------------------------------------------------------------------------------

    async def direct_on(
        self, url: str, *, token: str | None, timeout_ms: int, no_claim: bool, replace: bool
    ) -> records.DirectResult:
        """Let the database call `url` for each new execution; without a token it keeps its own, or makes one."""
        return await self._driver.call(
            "automation_direct_on",
            p_url=url,
            p_token=token,
            p_timeout_ms=timeout_ms,
            p_no_claim=no_claim,
            p_replace=replace,
        )

    async def direct_off(self) -> records.DirectRemoval:
        """Let it call nobody any more."""
        return await self._driver.call("automation_direct_off")

    async def direct_rotate(self, *, token: str | None) -> records.TokenRotation:
        """Put a new token where the database takes it from; a given one, if it is new."""
        return await self._driver.call("automation_direct_rotate", p_token=token)

    async def direct_status(self) -> records.DirectStatus:
        """Say whether the database calls, and what it lacks for that."""
        return await self._driver.call("automation_direct_status")

    async def evaluate(
        self, conditions: Any, new: Json, old: Json | None = None, *, status_column: str = "status"
    ) -> records.ConditionResult:
        """Evaluate conditions against a row: the result tree of the one evaluator (R9)."""
        return await self._driver.call(
            "automation_evaluate", p_conditions=conditions, p_new=new, p_old=old, p_status_column=status_column
        )

    async def _repeated(self, function: str, **arguments: Any) -> Any:
        """Call what is safe to repeat (R5), so that a lost reply or a lock for an instant costs nothing else."""
        started = time.monotonic()
        for pause in _PAUSES:
            try:
                return await self._timed(function, **arguments)
            except (Unreachable, Conflict):
                if time.monotonic() - started > _LONGEST_TRYING_SECONDS:
                    raise
                await asyncio.sleep(pause)
        return await self._timed(function, **arguments)

    async def _timed(self, function: str, **arguments: Any) -> Any:
        if self._now is not None:
            arguments["p_now"] = self._now()
        return await self._driver.call(function, **arguments)


def _actor(actor: Actor | None) -> Json | None:
    return None if actor is None else actor.as_json()
