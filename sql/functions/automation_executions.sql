-- automation_executions(p_filter, p_limit) -> [minutehand.execution_json: {id, workflow_id, workflow, entity_id, status, attempt,
--   max_attempts, code, reason, created_at, scheduled_at, started_at, claimed_at, completed_at, worker, allowed, paused, waits_for}], newest first
-- p_filter as in minutehand.matches_filter.  At most 1,000, of the newest 50,000 where no index serves the filter (minutehand.search_floor).
-- It is planned anew for each call, because the filter decides which index serves.
-- Locks: none.  Errors: 22007 an invalid time.  Called by: store.executions.
create or replace function public.automation_executions(
  p_filter jsonb default '{}', p_limit integer default 50, p_now timestamptz default null
)
returns jsonb language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan as $$
declare
  v_filter constant jsonb := minutehand.filter_of(p_filter);
  v_back_to constant timestamptz := minutehand.search_floor(v_filter, null, 50000);
  v_from constant timestamptz := case when minutehand.is_listed(v_filter) then '-infinity' else coalesce(v_back_to, '-infinity') end;
  v_ids constant uuid[] := minutehand.filter_ids(v_filter, v_back_to);
begin
  return (
  select coalesce(jsonb_agg(minutehand.execution_json(l, w.name)
    || jsonb_build_object('waits_for', minutehand.waiting_reason(l, coalesce(p_now, now()))) order by l.created_at desc, l.id desc), '[]')
  from (
    select *
    from public.automation_execution_logs l
    where minutehand.matches_filter(l, v_filter) and l.created_at >= v_from and (v_ids is null or l.id = any (v_ids))
    order by l.created_at desc, l.id desc
    limit least(greatest(coalesce(p_limit, 1000), 0), 1000)
  ) l
  left join public.automation_workflows w on w.id = l.workflow_id and minutehand.is_of_workflow(l, w));
end
$$;
comment on function public.automation_executions is 'minutehand: lists executions, newest first';
