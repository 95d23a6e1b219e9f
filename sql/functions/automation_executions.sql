-- automation_executions(p_filter, p_limit) -> [{id, workflow_id, workflow, entity_id, status, attempt, max_attempts, code,
--   reason, created_at, scheduled_at, started_at, completed_at}], newest first
-- p_filter: {"status"?, "code"?, "workflow"? (id or name), "entity"?, "since"? (timestamptz), "ids"?}.  At most 1,000.
-- Planned anew each time, since which index serves depends on what is asked.
-- Locks: none.  Errors: 22007 `since` is no time.  Called by: store.executions.
create or replace function public.automation_executions(p_filter jsonb default '{}', p_limit integer default 50)
returns jsonb language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan as $$
begin
  return (
  select coalesce(jsonb_agg(minutehand.listed(l, w.name) order by l.created_at desc, l.id desc), '[]')
  from (
    select *
    from public.automation_execution_logs l
    where (p_filter ->> 'status' is null or l.status = p_filter ->> 'status'
           or p_filter ->> 'status' = 'processing' and l.status = 'running')
      and (p_filter ->> 'code' is null or l.code = p_filter ->> 'code' and l.status <> 'completed')
      and (p_filter ->> 'entity' is null or l.entity_id = p_filter ->> 'entity')
      and (p_filter ->> 'since' is null or l.created_at >= (p_filter ->> 'since')::timestamptz)
      and (not p_filter ? 'ids' or l.id = any (
        array(select minutehand.to_uuid(id) from jsonb_array_elements_text(p_filter -> 'ids') as asked (id))))
      and (p_filter ->> 'workflow' is null or l.workflow_id in (
        select w.id from public.automation_workflows w
        where w.name = p_filter ->> 'workflow' or w.id = minutehand.to_uuid(p_filter ->> 'workflow')))
    order by l.created_at desc, l.id desc
    limit least(greatest(coalesce(p_limit, 1000), 0), 1000)
  ) l
  left join public.automation_workflows w on w.id = l.workflow_id);
end
$$;
comment on function public.automation_executions is 'minutehand: lists executions, newest first';

-- minutehand.listed(log, workflow name) -> jsonb: one execution as lists show it.  The app's `running` is read as processing.
-- A callee may mark `completed` what had been given up as uncertain: then the code is of no more use.
create or replace function minutehand.listed(p_log public.automation_execution_logs, p_workflow text) returns jsonb
language sql stable as $$
  select jsonb_build_object(
    'id', p_log.id, 'workflow_id', p_log.workflow_id, 'workflow', p_workflow, 'entity_id', p_log.entity_id,
    'status', case p_log.status when 'running' then 'processing' else p_log.status end,
    'attempt', coalesce(p_log.attempt, 0), 'max_attempts', p_log.max_attempts,
    'code', case when p_log.status <> 'completed' then p_log.code end,
    'reason', case when p_log.status <> 'completed' then coalesce(p_log.reason, p_log.error_message) end,
    'created_at', p_log.created_at, 'scheduled_at', p_log.scheduled_at, 'started_at', p_log.started_at,
    'completed_at', p_log.completed_at)
$$;
