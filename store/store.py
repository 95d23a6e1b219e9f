"""The store: one method for each SQL function that the program calls."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

from minutehand.store import records
from minutehand.store.drivers import Driver
from minutehand.store.errors import StoreError
from minutehand.store.place import words
from minutehand.store.recordable import recordable, recordable_parts
from minutehand.store.records import Actor, Claim, Context, Json, Lease, Settled, Tick
from minutehand.store.repeat import PROCESSORS, Acceptance, Repeat, pause_after
from minutehand.store.secret_names import hide_secrets


class Store:
    """Everything that the program does in the database.

    `now` is for tests and for dry runs (`as_of`).  All else leaves it out, and the clock of the database counts (R1).
    """

    def __init__(self, driver: Driver, *, now: Callable[[], datetime] | None = None) -> None:
        self._driver = driver
        self._now = now
        self._acceptance = Acceptance()

    @classmethod
    def postgres(
        cls,
        url: str,
        *,
        backend: str = "postgres",
        location: str | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> Store:
        """Return a store for the database at `url`.  The first call opens the connection.

        `location` replaces what `url` says of its place: the embedded server's folder.
        """
        from minutehand.store.drivers.postgres import PostgresDriver

        return cls(PostgresDriver(url, backend=backend, location=location), now=now)

    @classmethod
    def supabase(cls, url: str, key: str, *, now: Callable[[], datetime] | None = None) -> Store:
        """Return a store for the Supabase project at `url`.  Errors: `BadConfiguration` (URL or key)."""
        from minutehand.store.drivers.supabase import SupabaseDriver

        return cls(SupabaseDriver(url, key), now=now)

    def as_of(self, moment: datetime) -> Store:
        """Return a store of the same database that asks as if it were this moment: for what changes nothing."""
        return Store(self._driver, now=lambda: moment)

    @property
    def backend(self) -> str:
        """`postgres`, `supabase` or `embedded`."""
        return self._driver.backend

    @property
    def location(self) -> str:
        """Host, port and database, a project's host, or a folder; no credentials (store/place.py)."""
        return self._driver.location

    @property
    def where(self) -> str:
        """The backend and the location, for people: `postgres db.example.com:5432/shop`."""
        return words(self.backend, self.location)

    @property
    def project(self) -> str | None:
        """The Supabase project that the address names; None if it names none."""
        return self._driver.project

    @property
    def kind(self) -> str:
        """The kind of connection: `direct`, `session` or `transaction` (a pooler), or `rest`; known after a call."""
        return self._driver.kind

    @property
    def linger_seconds(self) -> float:
        """How long a settle waits for others to share its round trip."""
        return self._driver.linger_seconds

    async def can_listen(self) -> bool:
        """Test whether NOTIFY arrives here; otherwise a worker polls.  Errors: `StoreError`."""
        return await self._driver.can_listen()

    def hints(self) -> AsyncIterator[None]:
        """Yield once when listening has begun, then whenever something may be due.  Errors: `StoreError`."""
        return self._driver.hints()

    @property
    def accepted(self) -> bool:
        """Whether the database has accepted any call."""
        return self._acceptance.accepted

    async def close(self) -> None:
        """Close the connections."""
        await self._driver.close()

    # --- the tick -----------------------------------------------------------------------------------------------------

    async def tick(self, worker: Json | None = None, *, hold_seconds: int | None = None) -> Tick:
        """Do the housekeeping of one tick, and return what is due.

        When no processor has looked for longer than `hold_seconds`, what was due before is held, in bites (`holding`).
        """
        return Tick.from_row(
            await self._timed(Repeat.QUEUE, "automation_tick", p_worker=worker, p_hold_seconds=hold_seconds)
        )

    async def match(self, event_ids: list[int]) -> records.MatchResult:
        """Match events that a tick picked: start the workflows that they start."""
        return await self._timed(Repeat.NEVER, "automation_match", p_ids=event_ids)

    async def fire(self, looks: list[Json]) -> records.FireResult:
        """Start what schedules start, as `executor.schedules.look_at` computed it, and go on with walks over rows."""
        return await self._timed(Repeat.QUEUE, "automation_fire", p_looks=looks)

    async def report_problems(self, worker: str, problems: Json) -> None:
        """Note what a processor cannot do beside running executions, `{"prune": reason}`."""
        await self._call(Repeat.NEVER, "automation_report_problems", p_worker=worker, p_problems=recordable(problems))

    async def prune(self, keep_seconds: int) -> records.PruneResult:
        """Delete some of the executions that ended and are older."""
        return await self._timed(Repeat.NEVER, "automation_prune", p_keep_seconds=keep_seconds)

    async def claim(
        self,
        limit: int,
        *,
        worker: str,
        lease_seconds: int,
        max_attempts: int,
        alone: bool = False,
        ids: list[str] | None = None,
        lease: Lease | None = None,
        redirects: bool = False,
        contexts: bool = False,
    ) -> Claim:
        """Claim up to `limit` due executions for `lease_seconds`.

        Repeating it with the same `lease` returns the same rows and spends nothing.  `redirects`: their messages go to
        the addresses of the test in a test copy (`Execution.test`), of which nothing is claimed otherwise.  `contexts`:
        those that begin within a second need not read their context (`Execution.first_context`).
        """
        lease = lease or Lease.new(lease_seconds)
        asked = time.monotonic()
        row = await self._timed(
            Repeat.QUEUE,
            "automation_claim",
            p_token=lease.token,
            p_limit=limit,
            p_worker=worker,
            p_lease_seconds=lease_seconds,
            p_max_attempts=max_attempts,
            p_alone=alone,
            p_ids=ids,
            p_caller=self._caller() | {"redirects": redirects},
            **({"p_contexts": True} if contexts else {}),
        )
        return Claim.from_row(row, lease, read_since=asked)

    async def renew(self, tokens: list[str], *, lease_seconds: int) -> set[str]:
        """Extend the leases of these claims; returns the ids of the executions still held."""
        return set(await self._timed(Repeat.QUEUE, "automation_renew", p_tokens=tokens, p_lease_seconds=lease_seconds))

    async def settle(self, outcomes: list[Json]) -> list[Settled]:
        """End executions; returns one result for each, in any order.  Safe to repeat."""
        return [
            Settled.from_row(row)
            for row in await self._timed(Repeat.QUEUE, "automation_settle", p_outcomes=recordable(outcomes))
        ]

    # --- within an execution ------------------------------------------------------------------------------------------

    async def advance(self, items: list[Json]) -> list[Context]:
        """Advance executions by a step: confirm and record the last one, read the context, reserve the next send.

        `{"id", "token", "confirm"?, "steps"?, "resume_step"?, "reserve"?}` each (automation_advance.sql).
        """
        return [
            Context.from_row(row)
            for row in await self._timed(Repeat.EXECUTION, "automation_advance", p_items=recordable_parts(items))
        ]

    async def begin_calls(self, items: list[Json]) -> list[Context]:
        """Record that executions, `{"id", "token"}`, are handed to another executor; returns their contexts."""
        return [
            Context.from_row(row)
            for row in await self._timed(Repeat.EXECUTION, "automation_begin_calls", p_items=items)
        ]

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
        """Write a row of the app for an execution and record the step, in one transaction (R11)."""
        return await self._timed(
            Repeat.EXECUTION,
            "automation_write_record",
            p_execution_id=execution_id,
            p_token=token,
            p_step=recordable(step),
            p_table=table,
            p_operation=operation,
            p_id=row_id,
            p_values=values,
        )

    # --- what people do -------------------------------------------------------------------------------------------

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
        """Start a workflow, given by id or name."""
        return await self._timed(
            Repeat.NEVER,
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
        """Run the failed steps of these executions again."""
        return await self._timed(Repeat.NEVER, "automation_retry", p_ids=ids, p_actor=_actor(actor))

    async def resolve(self, ids: list[str], as_: str, *, actor: Actor | None = None) -> list[records.ActionResult]:
        """Resolve uncertain sends: `sent`, `resend` or `drop`."""
        return await self._timed(Repeat.NEVER, "automation_resolve", p_ids=ids, p_as=as_, p_actor=_actor(actor))

    async def release(self, ids: list[str] | None = None, *, actor: Actor | None = None) -> records.ReleaseResult:
        """Run stale executions after all: these, or some of all."""
        return await self._timed(Repeat.NEVER, "automation_release", p_ids=ids, p_actor=_actor(actor))

    async def cancel(
        self, ids: list[str], *, reason: str | None = None, actor: Actor | None = None
    ) -> list[records.ActionResult]:
        """Cancel pending or processing executions."""
        return await self._timed(Repeat.NEVER, "automation_cancel", p_ids=ids, p_reason=reason, p_actor=_actor(actor))

    async def pause(
        self,
        *,
        scope: str,
        target: str | None = None,
        reason: str | None = None,
        from_: str | None = None,
        until: str | None = None,
        actor: Actor | None = None,
    ) -> records.PauseResult:
        """Pause `all`, a `tenant` or a `workflow` (by id or name), perhaps from and until a moment.

        A moment is `2026-12-24 18:00` in the tenant's zone, ISO 8601 with a zone, or `3 days` from now.
        """
        return await self._timed(
            Repeat.NEVER,
            "automation_pause",
            p_scope=scope,
            p_target=target,
            p_reason=reason,
            p_from=from_,
            p_until=until,
            p_actor=_actor(actor),
        )

    async def resume(
        self, *, scope: str, target: str | None = None, planned: bool = False, actor: Actor | None = None
    ) -> records.ResumeResult:
        """End a pause; with `planned`, give up those that would begin later too."""
        return await self._timed(
            Repeat.NEVER,
            "automation_resume",
            p_scope=scope,
            p_target=target,
            p_planned=planned,
            p_actor=_actor(actor),
        )

    async def identify(
        self,
        as_: str,
        *,
        email_to: str | None = None,
        sms_to: str | None = None,
        skip_due: bool = False,
        confirmed: bool = False,
        actor: Actor | None = None,
    ) -> records.IdentifyResult:
        """Say which database this is: `production`, or a copy for `test`."""
        return await self._timed(
            Repeat.NEVER,
            "automation_identify",
            p_as=as_,
            p_email_to=email_to,
            p_sms_to=sms_to,
            p_skip_due=skip_due,
            p_confirmed=confirmed,
            p_caller=self._caller(),
            p_actor=_actor(actor),
        )

    async def identity(self) -> records.Identity:
        """Return which database this is: the one that Minutehand works on, or a copy of it."""
        return await self._timed(Repeat.READ, "automation_identity")

    def _caller(self) -> Json:
        """Say by which address the database is reached: it may name a project."""
        return {"location": self.location, "project": self.project}

    async def executions(self, filters: Json | None = None, *, limit: int = 50) -> list[records.ExecutionRow]:
        """List executions, newest first."""
        return await self._timed(Repeat.READ, "automation_executions", p_filter=filters or {}, p_limit=limit)

    async def execution(self, execution_id: str, *, tenant: str | None = None) -> records.ExecutionView:
        """Return one execution with its steps and sends.  An unambiguous beginning of its id is enough.

        With `tenant`, others' executions do not exist.  Errors: `NotFound`, `Conflict`.
        """
        found: records.ExecutionView = await self._timed(
            Repeat.READ, "automation_execution", p_id=execution_id, p_tenant=tenant
        )
        found["trigger_data"] = hide_secrets(found["trigger_data"])
        found["steps"] = hide_secrets(found["steps"])
        return found

    async def metrics(self, *, facts: bool = False) -> records.Metrics:
        """Return the metrics of `status` and /metrics; with `facts`, also the facts and the steps of each workflow."""
        metrics: records.Metrics = await self._timed(Repeat.READ, "automation_metrics", p_facts=facts)
        records.with_installation(metrics["workflows"], metrics.pop("installation", None))
        return metrics

    async def alerts_claim(self, token: str, *, share: float, age_seconds: int) -> list[records.AlertRow]:
        """Detect incidents; returns the notifications that this caller has to send within two minutes."""
        return await self._timed(
            Repeat.QUEUE, "automation_alerts_claim", p_token=token, p_share=share, p_age_seconds=age_seconds
        )

    async def alerts_notified(self, token: str, notified: dict[str, str]) -> None:
        """Record which notification of each incident was sent: `{id: "opened" | "updated" | "recovered"}`."""
        await self._timed(Repeat.QUEUE, "automation_alerts_notified", p_token=token, p_notified=notified)

    async def incidents(self, *, all_: bool = False, limit: int = 100) -> list[records.IncidentRow]:
        """Return the open incidents, or all of the last 90 days."""
        return await self._timed(Repeat.READ, "automation_incidents", p_all=all_, p_limit=limit)

    async def search(
        self, filters: Json | None = None, *, limit: int = 50, before: list[str] | None = None
    ) -> records.SearchPage:
        """Return a page of executions, newest first, from `before` on."""
        return await self._timed(
            Repeat.READ, "automation_search", p_filter=filters or {}, p_limit=limit, p_before=before
        )

    async def count(self, filters: Json) -> records.ExecutionCount:
        """Count the executions that match."""
        return await self._call(Repeat.READ, "automation_count", p_filter=filters)

    async def bulk_start(
        self, action: str, filters: Json, *, spread_seconds: float, actor: Actor, note: str
    ) -> records.BulkAction:
        """Start to `retry` or `cancel` all executions that match.  Errors: `BadRequest` if ten bulk actions run."""
        return await self._timed(
            Repeat.NEVER,
            "automation_bulk_start",
            p_action=action,
            p_filter=filters,
            p_spread_seconds=spread_seconds,
            p_actor=actor.as_json(),
            p_note=note,
        )

    async def bulk_step(self, id_: str | None = None, *, limit: int = 100) -> records.BulkAction | None:
        """Do the next step of a bulk action, of the one that waits longest by default; None if none is due."""
        return await self._timed(Repeat.NEVER, "automation_bulk_step", p_id=id_, p_limit=limit)

    async def bulk_stop(self, id_: str, *, actor: Actor | None = None) -> records.BulkAction:
        """Stop a bulk action.  Errors: `NotFound`."""
        return await self._timed(Repeat.NEVER, "automation_bulk_stop", p_id=id_, p_actor=_actor(actor))

    async def bulk_get(self, id_: str) -> records.BulkAction:
        """Return a bulk action, its progress, and when its next step is due.  Errors: `NotFound`."""
        return await self._timed(Repeat.READ, "automation_bulk_get", p_id=id_)

    async def execution_detail(self, execution_id: str, *, tenant: str | None = None) -> records.ExecutionDetail:
        """Return one execution and everything that happened around it; `tenant` as in `execution`.

        Errors: `NotFound`, `Conflict`.
        """
        found: records.ExecutionDetail = await self._timed(
            Repeat.READ, "automation_execution_detail", p_id=execution_id, p_tenant=tenant
        )
        for part in ("trigger_data", "steps", "event", "conditions"):
            found[part] = hide_secrets(found[part])
        return found

    async def overview(
        self, *, tenant: str | None = None, bars_from: datetime | None = None, bar_seconds: int = 60
    ) -> records.Overview:
        """Return what the dashboard's first page shows, for all or one tenant; bars begin at `bars_from`."""
        begin = None if bars_from is None else bars_from.isoformat()
        overview: records.Overview = await self._timed(
            Repeat.READ, "automation_overview", p_tenant=tenant, p_from=begin, p_seconds=bar_seconds
        )
        records.with_installation(overview["workflows"], overview.pop("installation", None))
        return overview

    async def failures(self, filters: Json | None = None, *, limit: int = 50) -> records.Failures:
        """Return failures in groups."""
        return await self._timed(Repeat.READ, "automation_failures", p_filter=filters or {}, p_limit=limit)

    async def doctor(self) -> records.DoctorFacts:
        """Return the facts that `doctor` checks."""
        return await self._timed(Repeat.READ, "automation_doctor")

    async def schema_version(self) -> int:
        """Return the number of the newest migration applied."""
        return (await self.schema())["version"]

    async def schema(self) -> records.Schema:
        """Return the schema's version, and what it lacks or hides."""
        # An older schema says only its version.
        answer = await self._call(Repeat.READ, "automation_schema_version")
        return {
            "version": int(answer["version"]),
            "missing": answer.get("missing", []),
            "hidden": answer.get("hidden", []),
        }

    async def limits(self) -> list[records.Limit]:
        """List the limits of sends."""
        return await self._call(Repeat.READ, "automation_limits")

    async def set_limit(self, scope: str, *, actor: Actor | None = None, **settings: Any) -> records.LimitResult:
        """Set a limit, or remove it with `n=None`."""
        arguments = {f"p_{name}": value for name, value in settings.items()}
        return await self._timed(
            Repeat.NEVER, "automation_limit_set", p_scope=scope, p_actor=_actor(actor), **arguments
        )

    async def upcoming(
        self,
        *,
        from_: str | None = None,
        until: str | None = None,
        tenant: str | None = None,
        workflow: str | None = None,
        limit: int = 100,
    ) -> records.Upcoming:
        """List what will run within a period, by time; moments as in `pause`, by default now and a day from now.

        Errors: `BadRequest` for a moment that cannot be read; `NotFound`, `Conflict`: the workflow.
        """
        period = {
            "p_from": from_,
            "p_until": until,
            "p_tenant": tenant,
            "p_workflow": workflow,
            "p_limit": limit,
        }
        return await self._timed(Repeat.READ, "automation_upcoming", **period)

    async def tenants(self, tenant: str | None = None) -> records.Tenants:
        """List what holds for all workflows of a tenant, or of each; tenant `""` is what holds for the others."""
        return await self._call(Repeat.READ, "automation_tenants", p_tenant=tenant)

    async def set_tenant(
        self, tenant: str, changes: Json | None, *, actor: Actor | None = None
    ) -> records.TenantResult:
        """Change what holds for all workflows of a tenant: `timezone`, `settings`; None removes all of it.

        Errors: `BadRequest` for a zone that does not exist.
        """
        return await self._timed(
            Repeat.NEVER, "automation_tenant_set", p_tenant=tenant, p_changes=changes, p_actor=_actor(actor)
        )

    async def set_zone_source(
        self, table: str | None, key: str | None = None, column: str | None = None, *, actor: Actor | None = None
    ) -> records.ZoneSourceResult:
        """Read the time zones of tenants from this column of the app's, `key` is their id; None: no longer.

        Errors: `NotFound` without the table, `BadRequest` without the column.
        """
        return await self._timed(
            Repeat.NEVER, "automation_zone_source", p_table=table, p_key=key, p_column=column, p_actor=_actor(actor)
        )

    async def opt_outs(
        self, *, channel: str | None = None, address: str | None = None, tenant: str | None = None, limit: int = 100
    ) -> list[records.OptOut]:
        """List who has opted out, the newest first.  Errors: `BadRequest` for an address that cannot be read."""
        filters = {"p_channel": channel, "p_address": address, "p_tenant": tenant, "p_limit": limit}
        return await self._call(Repeat.READ, "automation_opt_outs", **filters)

    async def set_opt_out(
        self, address: str, *, channel: str = "all", remove: bool = False, actor: Actor | None = None, **details: Any
    ) -> records.OptOutResult:
        """Note that an address wants no messages, or end that.  Errors: `BadRequest` if it cannot be read."""
        arguments: Json = {f"p_{name}": value for name, value in details.items()}
        arguments |= {"p_channel": channel, "p_address": address, "p_remove": remove, "p_actor": _actor(actor)}
        return await self._timed(Repeat.NEVER, "automation_opt_out_set", **arguments)

    # --- workflows ----------------------------------------------------------------------------------------------------

    async def workflows(self, names: list[str] | None = None, *, brief: bool = False) -> list[records.WorkflowRow]:
        """List workflows with their facts, by name: all, or those with these names or ids.

        With `brief`, `definition` is only their steps, None where these are long.  Errors: `NotFound`.
        """
        filters: Json = {"brief": brief} if names is None else {"brief": brief, "names": names}
        page: list[records.WorkflowRow] = await self._call(Repeat.READ, "automation_workflow_list", p_filter=filters)
        rows = page
        while page:
            after = {"after": [page[-1]["name"], page[-1]["id"]]}
            page = await self._call(Repeat.READ, "automation_workflow_list", p_filter=filters | after)
            rows = rows + page
        return records.with_installation(rows, await self.installation())

    async def installation(self) -> records.Installation:
        """Return what workflows are judged against: the watched tables, and what the processors can use."""
        return await self._timed(Repeat.READ, "automation_installation")

    async def workflow(self, workflow: str, *, tenant: str | None = None) -> records.WorkflowView:
        """Return one workflow, given by id or name, with its versions and counts of its executions.

        With `tenant`, others' workflows do not exist.  Errors: `NotFound`, `Conflict`.
        """
        shown: records.WorkflowView = await self._call(
            Repeat.READ, "automation_workflow_show", p_workflow=workflow, p_tenant=tenant
        )
        shown["installation"] = await self.installation()
        return shown

    async def workflow_versions(self, workflow: str, *, tenant: str | None = None) -> list[records.WorkflowVersion]:
        """Return the saved versions of one workflow, newest first; `tenant` as in `workflow`.

        Errors: `NotFound`, `Conflict`.
        """
        return await self._call(Repeat.READ, "automation_workflow_versions", p_workflow=workflow, p_tenant=tenant)

    async def save_workflow(
        self, workflow: Json, *, dry_run: bool = False, actor: Actor | None = None
    ) -> records.SaveResult:
        """Save a workflow by its name within its tenant; returns what changed, and its problems."""
        return await self._timed(
            Repeat.NEVER, "automation_workflow_save", p_workflow=workflow, p_dry_run=dry_run, p_actor=_actor(actor)
        )

    async def switch_workflows(
        self, workflows: list[str], on: bool, *, dry_run: bool = False, actor: Actor | None = None
    ) -> list[records.SwitchResult]:
        """Turn workflows, given by id or name, on or off: all or none.  Errors: `NotFound`, `Conflict`."""
        return await self._timed(
            Repeat.NEVER,
            "automation_workflow_switch",
            p_workflows=workflows,
            p_on=on,
            p_dry_run=dry_run,
            p_actor=_actor(actor),
        )

    async def delete_workflow(
        self, workflow: str, *, dry_run: bool = False, actor: Actor | None = None
    ) -> records.DeleteResult:
        """Delete a workflow, given by id or name, and cancel up to 1,000 of its executions that have not ended."""
        return await self._timed(
            Repeat.NEVER, "automation_workflow_delete", p_workflow=workflow, p_dry_run=dry_run, p_actor=_actor(actor)
        )

    async def dry_run(self, workflow: str, *, row: str | None = None, payload: Any = None) -> records.DryRunContext:
        """Return why a row's newest change did or did not start a workflow, and what its run would see."""
        return await self._timed(Repeat.READ, "automation_dry_run", p_workflow=workflow, p_row=row, p_payload=payload)

    async def explain(self, subject: records.ExplainSubject, *, limit: int = 50) -> records.Explanation:
        """Return why something started, or did not.  Errors: `BadRequest`, `NotFound`, `Conflict` (several tables)."""
        return await self._timed(Repeat.READ, "automation_explain", p_subject=subject, p_limit=limit)

    async def may_send(
        self, workflow_id: str, tenant: Json, channel: str, recipient: str, delivery: Json | None = None
    ) -> records.Reservation:
        """Return whether a message might leave now, by opt-outs, limits and windows.  Nothing is reserved.

        `delivery`: what the executor knows of its time (minutehand.delivery_window).
        """
        row = await self._timed(
            Repeat.READ,
            "automation_may_send",
            p_workflow=workflow_id,
            p_tenant=tenant,
            p_channel=channel,
            p_recipient=recipient,
            p_delivery=delivery,
        )
        return records.Reservation.from_row(row)

    # --- watched tables -----------------------------------------------------------------------------------------------

    async def add_trigger(self, table: str, **settings: Any) -> records.WatchedTable:
        """Watch a table.  A setting that is left out has the default of `automation_trigger_add`."""
        arguments = {f"p_{name}": value for name, value in settings.items() if value is not None}
        return await self._call(Repeat.NEVER, "automation_trigger_add", p_table=table, **arguments)

    async def remove_trigger(self, table: str) -> records.TriggerRemoval:
        """Stop watching a table."""
        return await self._call(Repeat.NEVER, "automation_trigger_remove", p_table=table)

    async def triggers(self) -> list[records.WatchedTable]:
        """List the watched tables."""
        return await self._call(Repeat.READ, "automation_triggers")

    # --- direct mode --------------------------------------------------------------------------------------------------

    async def direct_on(
        self, url: str, *, token: str | None, timeout_ms: int, no_claim: bool, replace: bool
    ) -> records.DirectResult:
        """Let the database call `url` for each new execution.  Without a token it keeps its token, or creates one."""
        return await self._call(
            Repeat.NEVER,
            "automation_direct_on",
            p_url=url,
            p_token=token,
            p_timeout_ms=timeout_ms,
            p_no_claim=no_claim,
            p_replace=replace,
        )

    async def direct_off(self) -> records.DirectRemoval:
        """Turn direct mode off."""
        return await self._call(Repeat.NEVER, "automation_direct_off")

    async def direct_rotate(self, *, token: str | None) -> records.TokenRotation:
        """Store a new token for direct mode: this one, or a random one."""
        return await self._call(Repeat.NEVER, "automation_direct_rotate", p_token=token)

    async def direct_status(self, *, digests: list[str] | None = None) -> records.DirectStatus:
        """Return whether direct mode is on, what is missing for it, and whether its token has one of these digests."""
        return await self._call(Repeat.READ, "automation_direct_status", p_digests=digests)

    async def webhook_signer(
        self, *, organization: str | None = None, user: str | None = None
    ) -> records.WebhookSigner:
        """Return whose secret signs the webhooks of workflows of this organization, else of this user."""
        row = await self._call(Repeat.READ, "automation_webhook_tenant", p_organization=organization, p_user=user)
        return records.WebhookSigner.from_row(row)

    async def evaluate(
        self, conditions: Any, new: Json, old: Json | None = None, *, status_column: str = "status"
    ) -> records.ConditionResult:
        """Evaluate conditions against a row (R9)."""
        return await self._call(
            Repeat.READ,
            "automation_evaluate",
            p_conditions=conditions,
            p_new=new,
            p_old=old,
            p_status_column=status_column,
        )

    async def _timed(self, repeat: Repeat, function: str, **arguments: Any) -> Any:
        if self._now is not None:
            arguments["p_now"] = self._now()
        return await self._call(repeat, function, **arguments)

    async def _call(self, repeat: Repeat, function: str, **arguments: Any) -> Any:
        """Make a call, and repeat it where that is safe and may help.  Errors: `StoreError`."""
        started = time.monotonic()
        for tries in itertools.count(1):
            try:
                answer = await self._driver.call(function, **arguments)
            except StoreError as error:
                judged = self._acceptance.judge(function, error) if repeat in PROCESSORS else error
                pause = pause_after(judged, repeat, tries, time.monotonic() - started, self._acceptance.accepted)
                if pause is None:
                    if judged is error:
                        raise
                    raise judged from error
                await asyncio.sleep(pause)
            else:
                self._acceptance.record(function)
                return answer
        raise AssertionError("unreachable")


def _actor(actor: Actor | None) -> Json | None:
    return None if actor is None else actor.as_json()
