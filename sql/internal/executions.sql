-- An execution as JSON, for lists and pages.

-- minutehand.workflow_name(id) -> text: the name of a workflow, also of one that was deleted: then that of its last version.
create or replace function minutehand.workflow_name(p_id uuid) returns text
language sql stable set search_path = '' as $$
  select coalesce(
    (select w.name::text from public.automation_workflows w where w.id = p_id),
    (
      select v.definition ->> 'name'
      from public.automation_workflow_versions v
      where v.workflow_id = p_id order by v.version desc limit 1))
$$;

-- minutehand.last_name(log) -> text: the name that the execution's workflow had last in the execution's tenant, of its kept versions.
create or replace function minutehand.last_name(p_log public.automation_execution_logs) returns text
language sql stable set search_path = '' as $$
  select v.definition ->> 'name'
  from public.automation_workflow_versions v
  where v.workflow_id = p_log.workflow_id and minutehand.is_of_definition(p_log, v.definition::jsonb)
  order by v.version desc limit 1
$$;

-- minutehand.execution_json(log, workflow name) -> jsonb: one execution as lists show it.  The app's `running` becomes processing.
-- Without a name: the one that the workflow had before it was deleted.  `paused`: as minutehand.pause_reason, of a pending one.
-- If a callee marked `completed` an execution that had failed as uncertain, its code is left out; so is the code `paused` of one
-- that is not paused any more.
create or replace function minutehand.execution_json(p_log public.automation_execution_logs, p_workflow text) returns jsonb
language sql stable as $$
  select jsonb_build_object(
    'id', p_log.id, 'workflow_id', p_log.workflow_id, 'workflow', coalesce(p_workflow, minutehand.last_name(p_log)),
    'entity_id', p_log.entity_id,
    'status', case p_log.status when 'running' then 'processing' else p_log.status end,
    'attempt', coalesce(p_log.attempt, 0), 'max_attempts', p_log.max_attempts,
    'code', case when p_log.status <> 'completed' and not s.was_paused then p_log.code end,
    'reason', case when p_log.status <> 'completed' and not s.was_paused then coalesce(p_log.reason, p_log.error_message) end,
    'paused', s.paused,
    'created_at', p_log.created_at, 'scheduled_at', p_log.scheduled_at, 'started_at', p_log.started_at,
    'claimed_at', p_log.claimed_at, 'completed_at', p_log.completed_at, 'worker', p_log.worker,
    'allowed', to_jsonb(minutehand.allowed_actions(p_log)))
  from (
    select p.paused, p_log.status = 'pending' and p_log.code is not distinct from 'paused' and p.paused is null as was_paused
    from (
      select case when p_log.status = 'pending' then
        minutehand.pause_reason(minutehand.tenant_of(p_log), p_log.workflow_id) end as paused) p) s
$$;

-- minutehand.label_of(log) -> {"table", "operation", "old_status", "new_status"}: the change that it is about, as far as known.
create or replace function minutehand.label_of(p_log public.automation_execution_logs) returns jsonb
language sql stable as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'table', t.data -> 'table_name', 'operation', t.data -> 'operation', 'old_status', t.data -> 'old_status',
    'new_status', t.data -> 'new_status'))
  from (select minutehand.readable_json(p_log.trigger_data::text) as data) t
$$;

-- minutehand.definition_of(log) -> jsonb: the definition that an execution runs: of its version, else the workflow's row.  Null
-- where it is another tenant's.
create or replace function minutehand.definition_of(p_log public.automation_execution_logs) returns jsonb
language sql stable set search_path = '' as $$
  select found.definition
  from (
    select coalesce(
      (
        select minutehand.unwrapped(v.definition)
        from public.automation_workflow_versions v
        where v.workflow_id = p_log.workflow_id and v.version = p_log.workflow_version
      ), (
        select minutehand.definition(minutehand.row_of(w))
        from public.automation_workflows w
        where w.id = p_log.workflow_id
      )) as definition
  ) found
  where minutehand.is_of_definition(p_log, found.definition)
$$;

-- minutehand.event_of(log) -> the event that an execution names, if it is about the same row and of the same tenant: whoever may
-- insert executions may name any event.
create or replace function minutehand.event_of(p_log public.automation_execution_logs) returns public.automation_events
language sql stable set search_path = '' as $$
  select e
  from public.automation_events e
  where e.id = p_log.event_id and e.entity_id is not distinct from p_log.entity_id
    and e.table_name = minutehand.table_of(minutehand.readable_json(p_log.trigger_data::text))
    and (
      minutehand.tenant_of(p_log) = '' or coalesce(e.organization_id, e.user_id) is null
      or minutehand.same_tenant(e.organization_id, e.user_id, p_log.organization_id::text, p_log.user_id::text))
$$;
