-- automation_count(p_filter, p_cap, p_rows) -> {"count": n, "capped": bool, "looked_back_to": timestamptz | null}: how many executions
-- match, counted to p_cap; shown before an action on all of them.  p_filter as in minutehand.matches_filter.  Without an index for the
-- filter it reads the newest p_rows only, and says how far back that is.
-- Locks: none.  Errors: 22007 an invalid time.  Called by: store.count.
create or replace function public.automation_count(p_filter jsonb default '{}', p_cap integer default 10000, p_rows integer default 100000)
returns jsonb language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan set jit = off as $$
declare
  v_filter constant jsonb := minutehand.filter_of(p_filter);
  v_back_to constant timestamptz := minutehand.search_floor(v_filter, null, p_rows);
  v_from constant timestamptz := case when minutehand.is_listed(v_filter) then '-infinity' else coalesce(v_back_to, '-infinity') end;
  v_ids constant uuid[] := minutehand.filter_ids(v_filter, v_back_to);
  v_count integer;
begin
  select count(*) into v_count
  from (
    select
    from public.automation_execution_logs l
    where minutehand.matches_filter(l, v_filter) and l.created_at >= v_from and (v_ids is null or l.id = any (v_ids))
    limit p_cap + 1
  ) counted;
  return jsonb_build_object('count', least(v_count, p_cap), 'capped', v_count > p_cap, 'looked_back_to', v_back_to);
end
$$;
comment on function public.automation_count is 'minutehand: how many executions match';
