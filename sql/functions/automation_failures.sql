-- automation_failures(p_filter, p_limit, p_now) -> {"groups": [{"workflow_id", "workflow", "code", "message", "count", "rows",
--   "first_seen", "last_seen", "sample": {"id", "entity_id", "reason"}, "hours": [n of each of the last 24, oldest first]}],
--   "looked_at": n, "complete": bool}
-- Failed executions in groups of the same workflow, code and message; the message is the reason without ids, addresses and
-- numbers (minutehand.error_pattern).  The largest group first.  p_filter as in minutehand.matches_filter; its status is always
-- `failed`.  `rows`: how many different rows of the app are affected.  Reads the newest 10,000.
-- Locks: none.  Errors: 22007 an invalid time.  Called by: store.failures.
create or replace function public.automation_failures(
  p_filter jsonb default '{}', p_limit integer default 50, p_now timestamptz default null
) returns jsonb language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan set jit = off as $$
declare
  v_cap constant integer := 10000;
  v_now constant timestamptz := coalesce(p_now, now());
  v_filter constant jsonb := minutehand.filter_of(p_filter) || '{"status": "failed"}';
begin
  return (
    with failed as materialized (
      select l.id, l.workflow_id, w.name as workflow, l.entity_id, l.created_at, coalesce(l.code, '') as code,
             coalesce(l.reason, l.error_message, '') as reason,
             minutehand.error_pattern(coalesce(l.reason, l.error_message)) as message,
             24 - ceil(extract(epoch from v_now - minutehand.bounded_time(l.created_at)) / 3600)::integer as hour
      from public.automation_execution_logs l
      left join public.automation_workflows w on w.id = l.workflow_id and minutehand.is_of_workflow(l, w)
      where minutehand.matches_filter(l, v_filter)
      order by l.created_at desc, l.id desc
      limit v_cap
    ), grouped as (
      select workflow_id, workflow, code, message, count(*) as n, count(distinct entity_id) as entities,
             min(created_at) as first_seen, max(created_at) as last_seen,
             (array_agg(id order by created_at desc, id desc))[1] as sample,
             array_agg(hour) filter (where hour >= 0) as hours
      from failed
      group by workflow_id, workflow, code, message
      order by n desc, last_seen desc
      limit least(greatest(coalesce(p_limit, 50), 1), 200)
    )
    select jsonb_build_object(
      'groups', coalesce(jsonb_agg(jsonb_build_object(
        'workflow_id', g.workflow_id, 'workflow', coalesce(g.workflow, (
          select minutehand.last_name(l) from public.automation_execution_logs l where l.id = g.sample)), 'message', g.message, 'count', g.n, 'code', g.code,
        'rows', g.entities, 'first_seen', g.first_seen, 'last_seen', g.last_seen,
        'sample', (
          select jsonb_build_object('id', f.id, 'entity_id', f.entity_id, 'reason', left(f.reason, 500))
          from failed f where f.id = g.sample),
        'hours', (
          select jsonb_agg(coalesce(c.n, 0) order by h.hour)
          from generate_series(0, 23) as h (hour)
          left join (select hour, count(*) as n from unnest(g.hours) as hour group by hour) c on c.hour = h.hour))
        order by g.n desc, g.last_seen desc), '[]'),
      'looked_at', (select count(*) from failed), 'complete', (select count(*) < v_cap from failed))
    from grouped g);
end
$$;
comment on function public.automation_failures is 'minutehand: failed executions, in groups';
