"""`explain`: each situation is made for real, and asked on both backends.

A situation is made in a tenant of its own, asked, and undone where it concerns others.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from minutehand.scheduler.cli.commands.explain import as_text
from minutehand.scheduler.demo.receivers import Answer, HttpReceiver, SmtpReceiver
from minutehand.store import Store
from minutehand.store.errors import StoreError
from tests.contract.checked_store import checked
from tests.journeys.app import Minutehand
from tests.journeys.explain_world import WEBHOOK, ExplainWorld
from tests.supabase.stack import Stack

BACKENDS = ("postgres", "supabase")
STOP = {"type": "stop"}


@dataclass(frozen=True)
class Situation:
    """`make` brings it about and yields what is asked; `code` is the answer, and `words` stand in its text."""

    make: Callable[[ExplainWorld], Iterator[Any]]
    code: str | None
    words: str
    #: Whether the executor itself must have run.
    runs: bool = False

    @property
    def name(self) -> str:
        """Its name."""
        return self.make.__name__


SITUATIONS: list[Situation] = []


def situation(code: str | None, words: str, *, runs: bool = False) -> Callable[[Any], Any]:
    """Add a situation."""

    def add(make: Any) -> Any:
        SITUATIONS.append(Situation(make, code, words, runs))
        return make

    return add


def one(field: str, value: Any, operator: str = "equals") -> dict[str, Any]:
    """A trigger_config with one condition."""
    return {"conditions": [{"field": field, "operator": operator, "value": value}]}


# --- the change was not recorded ------------------------------------------------------------------------------------


@situation("unknown_here", "no row, change, execution or send")
def nobodys_id(w):
    yield "J-nobody"


@situation("unknown_here", "no row, change, execution or send")
def another_tenants_row(w):
    yield {"text": w.completed(), "tenant": "t-other"}


@situation("row_unknown", "has no row 99")
def no_such_row_in_the_table(w):
    yield {"text": "99", "table": "invoices"}


@situation("no_trigger", "loose is not watched")
def a_table_that_is_not_watched(w):
    w.database.sql("insert into loose values ('L-1', 't', 'done')")
    yield {"text": "L-1", "table": "loose"}


@situation("trigger_replaced", "calls another function")
def a_trigger_of_our_name_that_is_the_apps(w):
    yield {"text": "S-1", "table": "swapped"}


@situation("trigger_disabled", "is disabled")
def a_trigger_that_is_disabled(w):
    w.database.sql("insert into silent values ('Q-1', 't', 'new')")
    yield "Q-1"


@situation("trigger_disabled", "is disabled")
def a_trigger_that_was_disabled_since(w):
    w.database.sql("insert into closed values ('X-1', 't', 'new')")
    w.database.sql("alter table closed disable trigger user")
    w.database.sql("update closed set status = 'done'")
    yield "X-1"
    w.database.sql("alter table closed enable trigger user")


@situation("never_recorded", "no change of it is recorded")
def a_row_that_stood_before(w):
    with w.unseen() as admin:
        admin.sql("insert into orders values (400, 't', 'new')")
    yield {"text": "400", "table": "orders"}


@situation("bypassed", 'status is "completed", recorded was "scheduled"')
def a_change_in_the_replica_role(w):
    job = w.job(w.tenant())
    with w.unseen() as admin:
        admin.sql("update jobs set status = 'completed' where id = %s", job)
    yield job


@situation("bypassed", "the row is gone")
def a_delete_that_no_trigger_saw(w):
    job = w.job(w.tenant())
    with w.unseen() as admin:
        admin.sql("delete from jobs where id = %s", job)
    yield job


@situation("bypassed", "status is")
def a_copy_without_triggers_over_a_row(w):
    w.database.sql("insert into orders values (401, 't', 'new')")
    with w.unseen() as admin:
        admin.sql("delete from orders where id = 401")
        with admin.connection.cursor() as cursor, cursor.copy("copy orders from stdin") as copy:
            copy.write("401\tt\tpaid\n")
    yield {"text": "401", "table": "orders"}


@situation("nothing_changed", "sets what stood there already is no change")
def an_update_that_sets_what_stood(w):
    job = w.job(w.tenant())
    since = datetime.now(UTC).isoformat()
    w.move(job, "scheduled")
    yield {"text": job, "since": since}


@situation("nothing_changed", "rolled back leaves nothing")
def a_change_that_was_rolled_back(w):
    job = w.job(w.tenant())
    since = datetime.now(UTC).isoformat()
    with w.database.connection.transaction(force_rollback=True):
        w.move(job)
    yield {"text": job, "since": since}


@situation("pruned", "kept for 30 days")
def a_change_before_anything_is_known(w):
    job = w.job(w.tenant())
    w.database.sql("delete from automation_events where entity_id = %s", job)
    yield {"text": job, "since": "2020-01-01T00:00:00Z"}


@situation("change_lost", "could not be recorded in this database")
def a_change_that_could_not_be_recorded(w):
    with w.database.connection.transaction():
        w.database.sql("set local minutehand.blocked = 'events'")
        w.database.sql("insert into orders values (402, 't', 'new')")
    yield {"text": "402", "table": "orders"}
    w.admin.sql("alter sequence minutehand.lost_events restart")


# --- the change starts nobody's workflow ----------------------------------------------------------------------------


@situation("no_tenant", "the row names no tenant")
def a_row_without_a_tenant(w):
    job = w.job(None)
    w.move(job)
    yield job


@situation("imported_quietly", "minutehand.quiet")
def a_quiet_import(w):
    tenant = w.tenant()
    w.workflow(tenant)
    job = w.job(tenant)
    with w.database.connection.transaction():
        w.database.sql("set local minutehand.quiet = 'on'")
        w.move(job)
    yield {"text": job, "workflow": "Thank"}


@situation("soft_deleted", "the row is soft-deleted")
def a_change_of_a_soft_deleted_row(w):
    tenant = w.tenant()
    w.workflow(tenant, trigger_type="note_done", name="Notes")
    w.database.sql("insert into notes values ('N-1', %s, 'new', now())", tenant)
    w.database.sql("update notes set status = 'done' where id = 'N-1'")
    yield {"text": "N-1", "workflow": "Notes"}


@situation("column_missing", "organization_id")
def a_column_that_was_renamed(w):
    tenant = w.tenant()
    w.workflow(tenant, trigger_type="moved_done", name="Moved")
    w.database.sql("insert into moved values ('M-1', %s, 'new')", tenant)
    w.database.sql("alter table moved rename column organization_id to owner_id")
    w.database.sql("update moved set status = 'done'")
    event = w.database.one("select max(id) as id from automation_events where table_name = 'moved'")["id"]
    yield {"text": f"event:{event}", "workflow": "Moved"}


@situation("not_matched_yet", "has not matched it yet")
def a_change_that_the_tick_has_not_matched(w):
    tenant = w.tenant()
    w.workflow(tenant)
    job = w.job(tenant)
    w.unmatched("update jobs set status = 'completed' where id = %s", job)
    yield job


def unmatchable(w: ExplainWorld) -> tuple[str, int]:
    """A change that cannot be matched: its condition compares a value that was too large to be recorded."""
    tenant = w.tenant()
    w.workflow(tenant, trigger_config=one("photo", "x"))
    job = w.job(tenant, photo="y" * 300_000)
    w.move(job)
    return job, w.database.one("select max(id) as id from automation_events where entity_id = %s", job)["id"]


@situation("match_failing", "could not be matched yet")
def a_change_that_cannot_be_matched(w):
    job, event = unmatchable(w)
    w.database.call("automation_match", p_ids=[event])
    yield job


@situation("match_set_aside", "is set aside: ")
def a_change_that_is_set_aside(w):
    job, event = unmatchable(w)
    w.database.sql("update automation_events set match_attempts = 5 where id = %s", event)
    w.database.call("automation_match", p_ids=[event])
    yield job


@situation("no_workflow", "has no workflow")
def a_tenant_without_workflows(w):
    tenant = w.tenant()
    w.database.sql("insert into notes values ('N-9', %s, 'new')", tenant)
    yield "N-9"


# --- the workflow was not for it ------------------------------------------------------------------------------------


@situation("created_later", "after this change")
def a_workflow_that_was_created_later(w):
    tenant = w.tenant()
    job = w.job(tenant)
    w.move(job)
    w.workflow(tenant)
    yield job


@situation("deleted_before", "before this change")
def a_workflow_that_was_deleted_before(w):
    tenant = w.tenant()
    made = w.workflow(tenant)
    w.database.sql("delete from automation_workflows where id = %s", made)
    job = w.job(tenant)
    w.move(job)
    yield job


@situation("history_unknown", "when was not recorded")
def a_workflow_that_was_deleted_unseen(w):
    tenant = w.tenant()
    made = w.workflow(tenant)
    with w.unseen() as admin:
        admin.sql("update automation_workflows set trigger_type = 'job_lost', name = 'Unseen' where id = %s", made)
    job = w.job(tenant)
    w.move(job)
    yield {"text": job, "workflow": "Unseen"}


@situation("other_tenant", "the row belongs to organisation")
def a_workflow_of_another_tenant(w):
    w.workflow(w.tenant(), name="Theirs")
    job = w.job(w.tenant())
    w.move(job)
    yield {"text": job, "workflow": "Theirs"}


@situation("workflow_without_tenant", "the workflow names no tenant")
def a_workflow_without_a_tenant(w):
    w.workflow(None, name="Nobody's")
    job = w.job(w.tenant())
    w.move(job)
    yield {"text": job, "workflow": "Nobody's"}


def switched(w: ExplainWorld, off: str, on: str) -> str:
    """A workflow that was off when the job was completed, and is on again."""
    tenant = w.tenant()
    made = w.workflow(tenant)
    w.database.sql(f"update automation_workflows set {off} where id = %s", made)
    job = w.job(tenant)
    w.move(job)
    w.database.sql(f"update automation_workflows set {on} where id = %s", made)
    return job


@situation("off_is_active", "it was switched off then (is_active = false)")
def the_switch_is_active(w):
    yield switched(w, "is_active = false", "is_active = true")


@situation("off_status", "it was switched off then (status = draft)")
def the_switch_status(w):
    yield switched(w, "status = 'draft'", "status = 'active'")


@situation("off_enabled", "it was switched off then (enabled = false)")
def the_switch_enabled(w):
    w.database.sql("alter table automation_workflows add column if not exists enabled boolean")
    yield switched(w, "enabled = false", "enabled = true")


@situation("no_steps", "it has no steps")
def a_workflow_without_steps(w):
    tenant = w.tenant()
    made = w.workflow(tenant)
    w.database.sql("update automation_workflows set steps = '[]' where id = %s", made)
    job = w.job(tenant)
    w.move(job)
    yield job


@situation("no_steps", "all its steps are switched off")
def a_workflow_whose_steps_are_off(w):
    yield w.completed(WEBHOOK | {"enabled": False})


@situation("unreadable_steps", "expected a list")
def a_workflow_whose_steps_are_text(w):
    tenant = w.tenant()
    w.workflow(tenant)
    w.database.sql("update automation_workflows set steps = '\"x\"' where organization_id = %s", tenant)
    job = w.job(tenant)
    w.move(job)
    yield job


@situation("bad_workflow", "at most")
def a_workflow_that_is_too_large(w):
    yield w.completed({"type": "webhook", "config": {"url": "https://x.example", "body": "x" * 600_000}})


@situation("type_not_emitted", "no change of a watched table has")
def a_type_that_nothing_emits(w):
    yield w.completed(trigger_type="widget_sold")


@situation("other_type", "it waits for invoice_paid")
def a_workflow_for_other_changes(w):
    yield w.completed(trigger_type="invoice_paid")


@situation("other_status", 'the status became "completed"; it waits for job_cancelled')
def a_workflow_for_another_status(w):
    yield w.completed(trigger_type="job_cancelled")


@situation("status_unchanged", "the status stayed")
def a_change_of_another_column(w):
    tenant = w.tenant()
    w.workflow(tenant, trigger_type="job_status_changed")
    job = w.job(tenant)
    w.database.sql("update jobs set title = 'x' where id = %s", job)
    yield job


@situation("insert_in_status", "the row was inserted with the status")
def an_insert_in_that_status(w):
    tenant = w.tenant()
    w.workflow(tenant)
    yield w.job(tenant, "Completed")


@situation("spelling_only", "only the spelling of the status changed")
def only_the_spelling_changed(w):
    tenant = w.tenant()
    w.workflow(tenant, trigger_type="job_in_progress")
    job = w.job(tenant, "In Progress")
    w.move(job, "in_progress")
    yield job


# --- its conditions were not met ------------------------------------------------------------------------------------


@situation("condition_false", "amount greater than 100: it was 50")
def a_condition_that_is_false(w):
    tenant = w.tenant()
    w.workflow(tenant, trigger_config=one("amount", 100, "greater_than"))
    job = w.job(tenant, amount=50)
    w.move(job)
    event = w.database.one("select max(id) as id from automation_events where entity_id = %s", job)["id"]
    w.database.sql("update jobs set amount = 500 where id = %s", job)  # it counts what it was
    yield f"event:{event}"


@situation("condition_false", 'status changed from ["cancelled"]: it was "scheduled" before and "completed" after')
def a_change_from_another_status(w):
    yield w.completed(trigger_config={"from_status": "cancelled"})


@situation("null_field", "amount greater than 100: it was null")
def a_field_that_is_null(w):
    yield w.completed(trigger_config=one("amount", 100, "greater_than"))


@situation("no_such_column", 'row has no field "priority"')
def a_field_that_no_row_has(w):
    yield w.completed(trigger_config=one("priority", "high"))


@situation("excluded_column", "search")
def a_column_that_is_excluded(w):
    yield w.completed(trigger_config=one("search", "x"))


@situation("unknown_operator", 'unknown operator "resembles"')
def an_operator_that_is_unknown(w):
    yield w.completed(trigger_config=one("status", "x", "resembles"))


@situation("unreadable_condition", "has none")
def a_condition_that_cannot_be_read(w):
    yield w.completed(trigger_config={"conditions": [{"when": "done"}]})


@situation("not_comparable", "cannot order")
def values_that_have_no_order(w):
    yield w.completed(trigger_config=one("status", 100, "greater_than"))


# --- it started, or was stopped at once -----------------------------------------------------------------------------


@situation("execution_missing", "its execution is not there")
def an_execution_that_somebody_deleted(w):
    job = w.completed()
    w.database.sql("delete from automation_execution_logs where entity_id = %s", job)
    yield job


@situation("execution_pruned", "executions are known since")
def an_execution_that_was_pruned(w):
    job = w.completed()
    w.database.sql("delete from automation_execution_logs where entity_id = %s", job)
    w.database.sql(
        "update automation_events set occurred_at = '2020-01-01', matched_at = null where entity_id = %s", job
    )
    w.database.sql(
        "update automation_workflow_versions set saved_at = '2019-01-01' where saved_at > now() - interval '1 s'"
    )
    w.database.sql(
        "update automation_workflows set created_at = '2019-01-01' where created_at > now() - interval '1 s'"
    )
    w.database.sql("update automation_events set matched_at = occurred_at where entity_id = %s", job)
    yield job
    w.database.sql("delete from automation_events where entity_id = %s", job)


@situation("loop", "this workflow itself caused this change")
def a_workflow_that_starts_itself(w):
    tenant = w.tenant()
    w.workflow(tenant, trigger_type="job_updated", settings={"rate_limit": None})
    job = w.job(tenant)
    w.move(job, "a")
    with w.database.connection.transaction():
        w.database.sql("select set_config('minutehand.cause', %s, true)", w.execution(job))
        w.move(job, "b")
    yield job


@situation("depth", "a chain of 6 executions")
def a_chain_that_is_too_deep(w):
    tenant = w.tenant()
    w.workflow(tenant, trigger_type="job_created")
    cause = None
    for _ in range(6):
        with w.database.connection.transaction():
            w.database.sql("select set_config('minutehand.cause', %s, true)", cause or "")
            job = w.job(tenant)
        cause = w.execution(job)
    w.database.sql("update automation_execution_logs set chain_depth = 5 where id = %s", cause)
    with w.database.connection.transaction():
        w.database.sql("select set_config('minutehand.cause', %s, true)", cause)
        job = w.job(tenant)
    yield job


@situation("rate_limited", "it counts execution")
def over_its_rate_limit(w):
    job = w.completed()
    w.move(job, "scheduled")
    w.move(job)
    yield job


@situation("duplicate_key", "a later enqueue with it starts nothing")
def the_key_of_an_enqueue(w):
    tenant = w.tenant()
    w.workflow(tenant, name="By key")
    for _ in range(2):
        w.database.call("automation_enqueue", p_workflow="By key", p_payload={"a": 1}, p_key="K-17")
    yield "key:K-17"


@situation("not_due", "it is not due before")
def an_enqueue_for_later(w):
    tenant = w.tenant()
    w.workflow(tenant, name="Later")
    made = w.database.call("automation_enqueue", p_workflow="Later", p_payload={}, p_at="2099-01-01T00:00:00Z")
    yield made["id"]


# --- it waits -------------------------------------------------------------------------------------------------------


@situation("no_processor", "no processor runs")
def no_processor_runs(w):
    job = w.completed()
    w.late(600)
    yield job
    w.asked_at = None


@situation("due", "the next tick claims it")
def it_is_due(w):
    job = w.completed()
    w.database.call("automation_tick", p_worker={"id": "a", "mode": "worker", "host": "a", "version": "0"})
    yield job


@situation("paused", "everything is paused: holidays (since ")
def everything_is_paused(w):
    job = w.completed()
    w.database.call("automation_pause", p_scope="all", p_reason="holidays")
    yield job
    w.database.call("automation_resume", p_scope="all")


@situation("paused", "is paused (since ")
def its_tenant_is_paused(w):
    tenant = w.tenant()
    w.workflow(tenant)
    job = w.job(tenant)
    w.move(job)
    w.database.call("automation_pause", p_scope="tenant", p_target=tenant)
    yield job


@situation("paused", "is paused: wrong price list (since ")
def its_workflow_is_paused(w):
    job = w.completed(name="Held")
    w.database.call("automation_pause", p_scope="workflow", p_target="Held", p_reason="wrong price list")
    yield job


@situation("breaker", "breaker: started")
def the_breaker_paused_it(w):
    tenant = w.tenant()
    w.workflow(tenant, settings={"rate_limit": None, "breaker": {"n": 2, "per": "1 minute"}})
    job = w.job(tenant)
    for _ in range(3):
        w.move(job, "scheduled")
        w.move(job)
    w.database.call("automation_tick")
    yield job


@situation("flood", "it is held: ")
def a_flood(w):
    tenant = w.tenant()
    w.workflow(tenant, settings={"rate_limit": None, "volume": {"per_hour": 2, "hold": True}})
    job = w.job(tenant)
    for _ in range(5):
        w.move(job, "scheduled")
        w.move(job)
    later = datetime.now(UTC).isoformat()
    w.database.sql("update minutehand.volume_state set checked_at = '-infinity'")
    w.database.call("automation_tick", p_now=later)
    yield job


@situation("stale_first", "old executions are set aside as stale first")
def a_backlog_comes_first(w):
    job = w.completed()
    w.admin.sql("insert into minutehand.backlog (held_before) values (now() - interval '1 day')")
    yield job
    w.admin.sql("delete from minutehand.backlog")


@situation("runs_alone", "two workers were lost")
def it_runs_alone(w):
    job = w.completed()
    w.database.sql("update automation_execution_logs set lost_leases = 2 where entity_id = %s", job)
    yield job


@situation("stale", "when no processor ran")
def it_came_due_while_none_ran(w):
    job = w.completed()
    w.database.sql(
        "update automation_execution_logs set created_at = now() - interval '1 day' where entity_id = %s", job
    )
    w.admin.sql("insert into minutehand.backlog (held_before) values (now() - interval '12 hours')")
    w.database.call("automation_tick")
    w.admin.sql("delete from minutehand.backlog")
    yield job


@situation("earlier_unfinished", "earlier")
def an_earlier_one_comes_first(w):
    tenant = w.tenant()
    w.workflow(tenant, settings={"rate_limit": None, "order": "entity"})
    job = w.job(tenant)
    w.move(job)
    w.move(job, "scheduled")
    w.move(job)
    ids = [
        str(row["id"])
        for row in w.database.sql(
            "select id from automation_execution_logs where entity_id = %s order by event_id", job
        )
    ]
    w.database.call("automation_claim", p_token="0189d5f5-0000-7000-8000-0000000000aa", p_ids=ids)
    yield ids[-1]


@situation("retrying", "it is tried again at")
def it_is_tried_again(w):
    yield w.settle(w.completed(), "retry", code="unreachable", reason="no connection to the receiver")


@situation("waiting", "it is not due before", runs=True)
def it_is_in_a_wait_step(w):
    yield w.completed({"type": "wait", "config": {"for": "2 days"}}, WEBHOOK)


@situation("running", "it runs now")
def it_runs(w):
    job = w.completed()
    w.claim(job)
    yield job


@situation("other_processor", "another processor than ours")
def another_processor_took_it(w):
    job = w.completed()
    w.database.sql("update automation_execution_logs set status = 'running' where entity_id = %s", job)
    yield job


@situation("switched_off_since", "the workflow is switched off (is_active)")
def it_was_switched_off_since(w):
    job = w.completed()
    w.database.sql(
        "update automation_workflows set is_active = false where id ="
        " (select workflow_id from automation_execution_logs where entity_id = %s)",
        job,
    )
    yield job


@situation("deleted_since", "the workflow was deleted at")
def it_was_deleted_since(w):
    job = w.completed()
    w.database.sql(
        "delete from automation_workflows where id ="
        " (select workflow_id from automation_execution_logs where entity_id = %s)",
        job,
    )
    yield job


@situation("row_gone", "is gone")
def the_row_is_gone(w):
    job = w.completed()
    w.database.sql("delete from jobs where id = %s", job)
    yield w.execution(job)[:18]


@situation("stop_condition", 'it will end as skipped: settings.stop_when holds: status equals "completed"')
def the_stop_condition_holds(w):
    job = w.completed()
    w.database.sql(
        "update automation_workflows set settings = %s where id ="
        " (select workflow_id from automation_execution_logs where entity_id = %s)",
        '{"stop_when": {"field": "status", "operator": "equals", "value": "completed"}}',
        job,
    )
    yield job


# --- it ended -------------------------------------------------------------------------------------------------------


@situation("too_late", "its moment was 2020-01-01 09:00 UTC", runs=True)
def its_wait_ended_too_late(w):
    yield w.completed({"type": "wait", "config": {"until": "2020-01-01T09:00Z", "drop_after": "1 hour"}}, WEBHOOK)


@situation("poisoned", "its worker vanished 3 times")
def three_workers_vanished(w):
    job = w.completed()
    for _ in range(3):
        w.database.sql("update automation_execution_logs set scheduled_at = now() where entity_id = %s", job)
        w.claim(job)
        w.database.sql(
            "update automation_execution_logs set lease_expires_at = now() - interval '1 s' where entity_id = %s", job
        )
        w.database.call("automation_tick")
    yield job


@situation("uncertain_send", "nobody knows")
def an_uncertain_send(w):
    yield w.settle(w.completed(), "unknown", on_uncertain="hold", reason="nobody knows whether it arrived")


@situation("cancelled", "cancelled")
def somebody_cancelled_it(w):
    job = w.completed()
    w.database.call("automation_cancel", p_ids=[w.execution(job)], p_reason="not wanted")
    yield job


MESSAGE = {"subject": "Done", "message": "Job {{job.id}} is done."}
EMAIL = {"type": "email", "config": MESSAGE}


def mail(w: ExplainWorld, address: str | None, **config: Any) -> str:
    """Complete a job of a client with this address, whose workflow sends an e-mail."""
    tenant = w.tenant()
    w.database.sql("insert into clients values (%s, %s, %s)", f"C-{tenant}", tenant, address)
    w.workflow(tenant, {"type": "email", "config": {**MESSAGE, **config}})
    job = w.job(tenant, client_id=f"C-{tenant}")
    w.move(job)
    return job


@situation(None, "completed", runs=True)
def it_completed(w):
    yield mail(w, "ann@example.com")


@situation("no_recipient", "e-mail", runs=True)
def there_is_no_address(w):
    yield mail(w, None)


@situation("unresolved_variable", "job.title", runs=True)
def a_variable_is_empty(w):
    yield mail(w, "bea@example.com", subject="{{job.title}}")


@situation("opted_out", "opted out", runs=True)
def the_recipient_opted_out(w):
    w.database.call("automation_opt_out_set", p_channel="email", p_address="cleo@example.com")
    yield mail(w, "cleo@example.com")


@situation("opted_out", "nothing is sent to it", runs=True)
def a_recipient_who_opted_out(w):
    w.database.call("automation_opt_out_set", p_channel="all", p_address="+12025550177")
    yield "+1 (202) 555-0177"


@situation("recipient_limit", "it is not due before", runs=True)
def the_limit_of_a_recipient(w):
    tenant = w.tenant()
    w.database.call("automation_limit_set", p_scope="recipient", p_n=1, p_tenant=tenant)
    w.database.sql("insert into clients values (%s, %s, 'dora@example.com')", f"C-{tenant}", tenant)
    w.workflow(tenant, EMAIL, EMAIL)
    job = w.job(tenant, client_id=f"C-{tenant}")
    w.move(job)
    yield job


@situation("tenant_limit", "none may leave", runs=True)
def the_limit_of_a_tenant(w):
    tenant = w.tenant()
    w.database.call("automation_limit_set", p_scope="tenant", p_n=0, p_tenant=tenant)
    w.database.sql("insert into clients values (%s, %s, 'eve@example.com')", f"C-{tenant}", tenant)
    w.workflow(tenant, EMAIL)
    job = w.job(tenant, client_id=f"C-{tenant}")
    w.move(job)
    yield job


@situation("no_send", "no send to")
def a_recipient_nobody_wrote_to(w):
    yield "nobody@example.com"


@situation(None, "completed", runs=True)
def a_recipient_who_got_it(w):
    mail(w, "Fay@Example.com")
    yield "fay@example.com"


@situation("refused", "400", runs=True)
def the_receiver_refuses(w):
    yield w.completed({"type": "webhook", "config": {"url": f"{w.shop}/400"}})


@situation("busy", "429", runs=True)
def the_receiver_asks_to_slow_down(w):
    yield w.completed({"type": "webhook", "config": {"url": f"{w.shop}/429"}})


# --- a time starts it -----------------------------------------------------------------------------------------------


def timed(w, **config):
    """A workflow that a schedule starts; returns how it is asked about."""
    tenant = w.tenant()
    return "workflow:" + w.workflow(tenant, STOP, name=f"Of {tenant}", trigger_type="schedule", trigger_config=config)


@situation("not_looked_at", "no processor has looked at it yet")
def a_schedule_that_no_processor_has_seen(w):
    yield timed(w, every="1 year")


@situation("next_firing", "it starts next at ")
def a_schedule_that_fires_later(w):
    subject = timed(w, every="1 year")
    w.tick()
    yield subject


@situation("never_fires", "a day that none of its months has, so that it never fires")
def a_schedule_that_never_fires(w):
    subject = timed(w, cron="0 9 30 2 *")
    w.tick()
    yield subject


@situation("bad_workflow", "seconds are not scheduled")
def a_schedule_that_cannot_be_read(w):
    yield timed(w, cron="* * * * * *")


@situation("started_by_changes", "it waits for job_completed: changes start it")
def a_workflow_that_no_time_starts(w):
    yield "workflow:" + w.workflow(w.tenant())


@situation("late", "it was due at ")
def a_firing_that_came_too_late(w):
    subject = timed(w, every="1 hour", catch_up="none")
    w.tick()
    w.tick(hours=1.5)
    (row,) = w.database.sql(
        "select id from automation_execution_logs where workflow_id::text = %s", subject.partition(":")[2]
    )
    yield str(row["id"])


@situation("date_moved", "starts is ")
def a_date_that_moved_after_it_came(w):
    tenant = w.tenant()
    visit = f"V-{tenant}"
    w.workflow(
        tenant, trigger_type="date", trigger_config={"table": "visits", "column": "starts", "offset": "1 hour before"}
    )
    w.database.sql("insert into visits values (%s, %s, 'booked', now() + interval '63 minutes')", visit, tenant)
    w.tick()
    w.tick(minutes=4)
    w.database.sql("update visits set starts = now() + interval '9 days' where id = %s", visit)
    yield w.execution(visit)


# --- the time of the day --------------------------------------------------------------------------------------------


def windowed(w, window):
    """A mail within this window, to a client of a new tenant; returns the job."""
    tenant = w.tenant()
    w.database.sql("insert into clients values (%s, %s, 'gil@example.com')", f"C-{tenant}", tenant)
    w.workflow(tenant, EMAIL, settings={"window": window})
    job = w.job(tenant, client_id=f"C-{tenant}")
    w.move(job)
    return job


@situation("outside_window", "outside the window", runs=True)
def a_window_that_is_closed(w):
    tomorrow = f"{datetime.now(UTC) + timedelta(days=2):%a}".lower()
    yield windowed(w, {"days": [tomorrow], "zone": "utc"})


@situation("bad_window", "window", runs=True)
def a_window_that_cannot_be_read(w):
    yield windowed(w, {"from": "25:00"})


# --- asking ---------------------------------------------------------------------------------------------------------


class Shop(HttpReceiver):
    """A receiver whose path is the status that it answers with."""

    def _take(self, request: Any) -> Answer:
        super()._take(request)
        return Answer(status=int(request.path[1:]), headers={"Retry-After": "600"})


@pytest.fixture(scope="module")
def answers(stack18: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Any]]:
    """What each backend answers to each situation: the explanation, or the error."""
    with stack18.project() as project, Shop() as shop, SmtpReceiver() as post:
        w = ExplainWorld(project.owner, project.database)
        w.shop = shop.url  # type: ignore[attr-defined]
        found: dict[tuple[str, str], Any] = {}
        with asyncio.Runner() as runner:
            stores = {
                "postgres": checked(Store.postgres(project.owner.url, now=w.now)),
                "supabase": checked(Store.supabase(project.url, project.secret_key, now=w.now)),
            }

            def ask(name: str, subject: Any) -> None:
                asked: Any = {"text": subject} if isinstance(subject, str) else subject
                for backend, store in stores.items():
                    try:
                        found[name, backend] = runner.run(store.explain(asked))
                    except StoreError as error:
                        found[name, backend] = error

            running = [(one, one.make(w)) for one in SITUATIONS if one.runs]
            subjects = [(one, made, next(made)) for one, made in running]
            command = Minutehand(
                tmp_path_factory.mktemp("explain"),
                {
                    "DATABASE_URL": project.owner.url,
                    "SMTP_URL": post.url,
                    "EMAIL_FROM": "Acme <no-reply@example.com>",
                    "MINUTEHAND_ALLOW_PRIVATE_ADDRESSES": f"127.0.0.1:{shop.port}",
                },
            )
            done = command("run-once", "--drain", "--max-time", "60s")
            assert done.returncode == 0, done.stderr
            for one, made, subject in subjects:
                ask(one.name, subject)
                next(made, None)
            for one in SITUATIONS:
                if not one.runs:
                    made = one.make(w)
                    ask(one.name, next(made))
                    next(made, None)
            for store in stores.values():
                runner.run(store.close())
        yield found


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", [one.name for one in SITUATIONS])
def test_each_situation_has_its_code_and_its_words(answers: Any, name: str, backend: str) -> None:
    expected = next(one for one in SITUATIONS if one.name == name)
    found = answers[name, backend]
    assert not isinstance(found, Exception), found
    answer = found["answers"][0]
    text = as_text(found, "here")
    assert (answer["code"], expected.words in text) == (expected.code, True), text
    assert (answer["remedy"] is None) == (answer["code"] is None), "each cross has its remedy"
    codes = [link["code"] for link in answer["links"] if "code" in link]
    assert codes == ([] if answer["code"] is None else [answer["code"]]), "the chain stops at the first cross"
    assert answer["links"][-1].get("code") == answer["code"]


def test_each_code_has_its_line_and_its_remedy_and_is_produced(answers: Any) -> None:
    page = (Path(__file__).parents[2] / "docs" / "why.md").read_text()
    described = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    produced = {found["answers"][0]["code"] for found in answers.values() if isinstance(found, dict)} - {None}
    assert sorted(described) == sorted(set(described) & produced), "only what a situation produces"
    assert produced == set(described)
    remedies = re.findall(r"^    \('(\w+)', ", (Path(__file__).parents[2] / CODES).read_text(), re.MULTILINE)
    assert sorted(remedies) == sorted(described)


CODES = "sql/internal/explain_codes.sql"


def test_both_backends_answer_the_same(answers: Any) -> None:
    for one in SITUATIONS:
        postgres, supabase = (answers[one.name, backend] for backend in BACKENDS)
        assert [answer["code"] for answer in postgres["answers"]] == [answer["code"] for answer in supabase["answers"]]


def test_no_situation_is_made_twice() -> None:
    assert len({one.name for one in SITUATIONS}) == len(SITUATIONS) >= 62
    assert all(inspect.isgeneratorfunction(one.make) for one in SITUATIONS)
