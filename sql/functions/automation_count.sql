-- automation_count(p_filter, p_cap) -> {"count": n, "capped": bool}: how many executions match, counted to p_cap; shown before an
-- action on all of them.  p_filter as in minutehand.matches_filter.
-- Locks: none.  Errors: 22007 an invalid time.  Called by: store.count.
create or replace function public.automation_count(p_filter jsonb default '{}', p_cap integer default 10000)
returns jsonb language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan set jit = off as $$
declare
  v_back_to constant timestamptz := coalesce(minutehand.search_floor(p_filter, null, 200000), '-infinity');
  v_filter constant jsonb := minutehand.filter_of(p_filter);
  v_ids constant uuid[] := minutehand.filter_ids(p_filter);
  v_count integer;
begin
  select count(*) into v_count
  from (
    select
    from public.automation_execution_logs l
    where minutehand.matches_filter(l, v_filter) and l.created_at >= v_back_to and (v_ids is null or l.id = any (v_ids))
    limit p_cap + 1
  ) counted;
  return jsonb_build_object('count', least(v_count, p_cap), 'capped', v_count > p_cap);
end
$$;
comment on function public.automation_count is 'minutehand: how many executions match';
