-- Eligibility: may an execution be claimed, may it run, may a send leave?  The one place where this is decided.
-- The claim, the look before each step, the reservation of a send, the dry run and the counts all ask here.
-- The short functions are plain SQL without settings: PostgreSQL puts them into the caller's query, so its index serves.

-- minutehand.pauses: everything that is paused now, in one row, and which database it is (copies.sql): on a copy, all is paused.  A
-- batch reads it once.
create or replace view minutehand.pauses as
select coalesce(c.everything, false) or minutehand.is_copy(i.state) as everything, c.tenants, c.workflows,
       i.state, i.is_test, (i.recorded).seen_project
from (
  select bool_or(scope = 'all') as everything,
         coalesce(array_agg(target) filter (where scope = 'tenant'), '{}') as tenants,
         coalesce(array_agg(target) filter (where scope = 'workflow'), '{}') as workflows
  from public.automation_control
) c
cross join minutehand.identity i;

-- minutehand.recognize(caller, now) -> minutehand.pauses: what is paused for this caller.  The first call records the database.
-- caller: {"location": where it reaches the database, "project": of that address, if it tells one, "redirects": whether it sends
-- what a test copy sends to the addresses of the test}; null: an older one.
-- Locks: the row of minutehand.database_identity, where it changes.
create or replace function minutehand.recognize(p_caller jsonb, p_now timestamptz) returns minutehand.pauses
language plpgsql set search_path = '' as $$
declare
  v_pauses minutehand.pauses;
  v_project constant text := p_caller ->> 'project';
begin
  perform minutehand.turn_pauses(p_now);
  v_pauses := (select p from minutehand.pauses p);
  if v_pauses.state = 'new' then
    perform minutehand.record_identity(p_caller, p_now);
    v_pauses := (select p from minutehand.pauses p);
  elsif v_project is not null and v_project is distinct from v_pauses.seen_project then
    perform minutehand.note_project(v_project);
    v_pauses := (select p from minutehand.pauses p);
  end if;
  if v_pauses.is_test and not coalesce((p_caller ->> 'redirects')::boolean, false) then
    v_pauses.everything := true;
  end if;
  return v_pauses;
end
$$;

-- minutehand.is_paused(tenant, workflow, pauses) -> boolean: does a pause cover this tenant's executions of this workflow?
-- Without a workflow: does a pause cover all of the tenant?
create or replace function minutehand.is_paused(p_tenant text, p_workflow_id uuid, p_pauses minutehand.pauses) returns boolean
language sql immutable as $$
  select (p_pauses).everything or p_tenant = any ((p_pauses).tenants)
    or coalesce(p_workflow_id::text = any ((p_pauses).workflows), false)
$$;

-- minutehand.pauses_over(tenant, workflow) -> the pauses behind minutehand.is_paused, for showing them.
create or replace function minutehand.pauses_over(p_tenant text, p_workflow_id text) returns setof public.automation_control
language sql stable as $$
  select *
  from public.automation_control
  where scope = 'all' or scope = 'tenant' and target = p_tenant or scope = 'workflow' and target = p_workflow_id
$$;

-- minutehand.pause_name(pause) -> text: what a pause is about: everything, tenant north, workflow "Thank the client".
create or replace function minutehand.pause_name(p_pause public.automation_control) returns text
language sql stable set search_path = '' as $$
  select case p_pause.scope
    when 'all' then 'everything'
    when 'workflow' then format('workflow "%s"', coalesce(minutehand.workflow_name(minutehand.to_uuid(p_pause.target)), p_pause.target))
    else concat_ws(' ', p_pause.scope, p_pause.target) end
$$;

-- minutehand.pause_reason(tenant, workflow) -> text: the pauses behind minutehand.is_paused with their reasons, or null: every list,
-- page and answer that shows something paused says so in these words.
create or replace function minutehand.pause_reason(p_tenant text, p_workflow_id uuid) returns text
language sql stable set search_path = '' as $$
  select string_agg(minutehand.pause_name(c) || ' is paused' || coalesce(' until ' || minutehand.utc_text(c.ends_at), '') || coalesce(': ' || nullif(c.reason, ''), ''), '; ' order by c.scope desc)
  from minutehand.pauses_over(p_tenant, p_workflow_id::text) c
$$;

-- minutehand.due_at(log) -> timestamptz: when a pending execution may run.  The indexes of the queue hold this expression.
create or replace function minutehand.due_at(p_log public.automation_execution_logs) returns timestamptz
language sql immutable as $$
  select coalesce(p_log.scheduled_at, p_log.created_at)
$$;

-- minutehand.due_of_all(log) -> timestamptz: the same, in other words: the index of the due times of all tenants holds this
-- expression, and the condition minutehand.is_of_all.  With the same words for both indexes, PostgreSQL would sometimes read
-- all tenants to find one tenant's.
create or replace function minutehand.due_of_all(p_log public.automation_execution_logs) returns timestamptz
language sql immutable as $$
  select least(coalesce(p_log.scheduled_at, p_log.created_at), 'infinity')
$$;

-- minutehand.is_of_all(log) -> boolean: whether a pending execution is in that index: it is no suspect.
create or replace function minutehand.is_of_all(p_log public.automation_execution_logs) returns boolean
language sql immutable as $$
  select coalesce(p_log.lost_leases, 0) < 2
$$;

-- minutehand.is_suspect(log) -> boolean: two workers were lost while running it, so it runs alone (R7).  May be null: no.
create or replace function minutehand.is_suspect(p_log public.automation_execution_logs) returns boolean
language sql immutable as $$
  select p_log.lost_leases >= 2
$$;

-- minutehand.is_claimable(log, pauses) -> boolean: may it be claimed beside others, once it is due?
create or replace function minutehand.is_claimable(p_log public.automation_execution_logs, p_pauses minutehand.pauses)
returns boolean language sql immutable as $$
  select minutehand.is_suspect(p_log) is not true
    and not minutehand.is_paused(minutehand.tenant_of(p_log), p_log.workflow_id, p_pauses)
$$;

-- minutehand.waiting_for(log, now) -> (code, reason): why a pending execution is not claimed now; nulls when it may be claimed.
create or replace function minutehand.waiting_for(
  p_log public.automation_execution_logs, p_now timestamptz, out code text, out reason text
) language sql stable set search_path = '' as $$
  select case w.kind when 'not_due' then coalesce(p_log.code, 'not_due') else w.kind end, case w.kind
    when 'copy' then minutehand.identity_words(p_now) ->> 'reason'
    when 'flood' then format('it is held: %s', p_log.reason)
    when 'restored' then format('it is held: %s', p_log.reason)
    when 'paused' then minutehand.pause_reason(minutehand.tenant_of(p_log), p_log.workflow_id) || case
      when minutehand.due_at(p_log) > p_now then format('; due at %s', minutehand.utc_text(minutehand.due_at(p_log))) else '' end
    when 'not_due' then format('it is not due before %s', minutehand.utc_text(minutehand.due_at(p_log)))
    when 'stale_first' then 'old executions are set aside as stale first'
    when 'runs_alone' then 'two workers were lost while running it: it waits for a tick that runs it alone' end
  from (
    select case
      when p_log.status <> 'pending' then null
      when minutehand.is_copy((select state from minutehand.identity)) then 'copy'
      when minutehand.is_held(p_log) then p_log.code
      when minutehand.is_paused(minutehand.tenant_of(p_log), p_log.workflow_id, (select p from minutehand.pauses p)) then 'paused'
      when minutehand.due_at(p_log) > p_now then 'not_due'
      when exists (select from minutehand.backlog) then 'stale_first'
      when minutehand.is_suspect(p_log) then 'runs_alone' end as kind) w
$$;

-- minutehand.waiting_reason(log, now) -> text: the reason alone.
create or replace function minutehand.waiting_reason(p_log public.automation_execution_logs, p_now timestamptz) returns text
language sql stable set search_path = '' as $$
  select w.reason from minutehand.waiting_for(p_log, p_now) w
$$;

-- minutehand.may_run(log, workflow, is on, operation, row, config, pauses, stop_when, old) -> (nr, ended, code, reason): each reason why a claimed
-- execution must not go on now, the first one decides.  No row: it may run.  `ended` is the outcome that follows: `released`
-- executions stay pending.  Asked before each step, so that what nothing prevents costs no text: one branch for each reason.
-- is on: minutehand.is_on(workflow), which a batch asks once for each workflow.
-- operation, row: the event's operation and the app's row, read fresh; config: of the row's table, null where it is not watched.
-- stop_when: minutehand.stop_when(workflow), asked once like `is on`; old: the row before the change, which its conditions may name.
create or replace function minutehand.may_run(
  p_log public.automation_execution_logs, p_workflow public.automation_workflows, p_is_on boolean, p_operation text,
  p_row jsonb, p_config jsonb, p_pauses minutehand.pauses, p_stop_when jsonb, p_old jsonb
) returns table (nr integer, ended text, code text, reason text) language sql stable rows 1 as $$
  select 1, 'skipped', 'workflow_off', 'the workflow is switched off'
  where p_workflow.id is null or not p_is_on
  union all
  select 2, 'released', 'paused', coalesce(minutehand.pause_reason(minutehand.tenant_of(p_log), p_log.workflow_id), 'paused')
  where minutehand.is_paused(minutehand.tenant_of(p_log), p_log.workflow_id, p_pauses)
  union all
  select 3, 'failed', 'other_tenant', 'the execution names another tenant than its workflow'
  where (p_config is null or p_config ->> 'tenant' is not null) and minutehand.tenant_of(p_workflow) <> ''
    and not minutehand.same_tenant(
      p_log.organization_id::text, p_log.user_id::text, p_workflow.organization_id::text, p_workflow.user_id::text)
  union all
  select 5, 'skipped', 'row_gone', format('%s %s is gone', p_config ->> 'type', p_log.entity_id)
    || case when p_row is null then '' else format(': %s is set', p_config ->> 'soft_delete') end
  where p_config is not null and p_log.entity_id is not null and p_operation is distinct from 'DELETE'
    and (p_row is null or minutehand.is_set_on(p_row, p_config ->> 'soft_delete'))
  union all
  select 6, 'failed', 'no_tenant', format(
    '%s %s names no tenant: %s is null', p_config ->> 'type', p_log.entity_id, p_config ->> 'tenant')
  where p_log.entity_id is not null and p_operation is distinct from 'DELETE' and p_row is not null
    and minutehand.names_no_tenant(p_row, p_config)
  union all
  select 6, 'failed', 'other_tenant', format(
    '%s %s belongs to another tenant than the workflow', p_config ->> 'type', p_log.entity_id)
  where p_log.entity_id is not null and p_operation is distinct from 'DELETE' and p_row is not null
    and not minutehand.is_row_of_workflow(p_row, p_config, p_workflow) and not minutehand.names_no_tenant(p_row, p_config)
  union all
  select 7, 'skipped', 'row_restored', format('%s %s was restored', p_config ->> 'type', p_log.entity_id)
  where p_operation = 'DELETE' and p_config ? 'soft_delete' and p_row is not null
    and not minutehand.is_set_on(p_row, p_config ->> 'soft_delete')
  union all
  select 8, s.ended, s.code, s.reason
  from minutehand.stopped(p_stop_when, p_row, p_old, minutehand.status_column(p_config)) s
  where p_stop_when is not null and p_row is not null and p_operation is distinct from 'DELETE'
  union all
  select 9, 'skipped', minutehand.date_stop(p_log, p_workflow, p_row, p_config) ->> 'code',
         minutehand.date_stop(p_log, p_workflow, p_row, p_config) ->> 'reason'
  where p_operation = 'DATE' and p_row is not null and minutehand.date_stop(p_log, p_workflow, p_row, p_config) is not null
$$;

-- minutehand.may_send(log, channel, recipient, key, is_placed, pauses, now, delivery) -> (nr, answer, code, reason, until): each reason
-- why a send must not leave now, the first one decides.  No row: it may leave.  Asked when it is reserved.  `answer` is
--   paused    a pause covers the execution      refused   it must not be sent      later   it must wait, `until` then
-- A send to several addresses, "a, b", is refused when one of them has opted out: who sends it asks again for the others.
-- is_placed: the send was reserved before, under this key, and keeps its place; limits and windows do not apply to it.
-- delivery: its window, and what the executor knows about it (minutehand.delivery_window).
create or replace function minutehand.may_send(
  p_log public.automation_execution_logs, p_channel text, p_recipient text, p_key text, p_is_placed boolean,
  p_pauses minutehand.pauses, p_now timestamptz, p_delivery jsonb default null
) returns table (nr integer, answer text, code text, reason text, until timestamptz) language sql stable rows 1 as $$
  select 1, 'paused', 'paused', 'paused', null::timestamptz
  where minutehand.is_paused(minutehand.tenant_of(p_log), p_log.workflow_id, p_pauses)
  union all
  select 2, 'refused', 'opted_out', format(
    '%s %s opted out of %s', array_to_string(o.who, ', '), case cardinality(o.who) when 1 then 'has' else 'have' end, p_channel), null
  from minutehand.opted_out(minutehand.tenant_of(p_log), p_channel, p_recipient) as o (who)
  where exists (select from public.automation_opt_outs) and o.who is not null
  union all
  select 3, case when x.is_delayed then 'later' else 'refused' end, x.code, x.reason, case when x.is_delayed then x.until end
  from minutehand.exceeded_limit(minutehand.tenant_of(p_log), p_channel, p_recipient, p_key, p_now) x
  where exists (select from public.automation_limits) and not p_is_placed and x.code is not null
  union all
  select 4, 'later', 'recipient_volume', x.reason, x.until
  from minutehand.recipient_waits(p_log, p_channel, p_recipient, p_key, p_now) x
  where not p_is_placed
  union all
  select 5, x.answer, x.code, x.reason, x.until
  from minutehand.outside_window(p_log, p_channel, p_delivery, p_now) x
  where not p_is_placed
$$;
