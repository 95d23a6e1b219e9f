-- automation_executions(p_filter, p_limit) -> [{id, workflow_id, workflow, entity_id, status, attempt, max_attempts, code,
--   reason, created_at, scheduled_at, started_at, claimed_at, completed_at, worker}],
--   newest first
-- p_filter as minutehand.matches_filter reads it.  At most 1,000.
-- Planned anew each time, since which index serves depends on what is asked.
-- Locks: none.  Errors: 22007 `since` is no time.  Called by: store.executions.
create or replace function public.automation_executions(p_filter jsonb default '{}', p_limit integer default 50)
returns jsonb language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan as $$
declare
  v_filter constant jsonb := minutehand.filter_of(p_filter);
  v_ids constant uuid[] := minutehand.filter_ids(p_filter);
begin
  return (
  select coalesce(jsonb_agg(minutehand.listed(l, w.name) order by l.created_at desc, l.id desc), '[]')
  from (
    select *
    from public.automation_execution_logs l
    where minutehand.matches_filter(l, v_filter) and (v_ids is null or l.id = any (v_ids))
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
    'claimed_at', p_log.claimed_at, 'completed_at', p_log.completed_at, 'worker', p_log.worker)
$$;
