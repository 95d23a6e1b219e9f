-- automation_search(p_filter, p_limit, p_before, p_rows, p_now) -> {"rows": [as automation_executions, with "label",
--   "workflow_version", "caused_by", "waits_for"], "definitions": {"<workflow>:<version>": definition},
--   "next": [created_at, id] | null, "looked_back_to": timestamptz | null}
-- `definitions` are of at most 100 versions, and leave out those of more than 32 kB.
-- A page of executions, newest first, after p_before, the [created_at, id] of the last one of the page before.  p_filter as in
-- minutehand.matches_filter.  Without an index for the filter it reads the newest p_rows only, and says how far back that is:
-- `next` then continues from there.  For a text that names executions, whatever their age, only the rest of its matches is bounded.
-- It is planned anew for each call, because the filter decides which index serves.
-- Locks: none.  Errors: 22007 an invalid time.  Called by: store.search.
create or replace function public.automation_search(
  p_filter jsonb default '{}', p_limit integer default 50, p_before jsonb default null, p_rows integer default 50000,
  p_now timestamptz default null
) returns jsonb language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan set jit = off as $$
declare
  v_limit constant integer := least(greatest(coalesce(p_limit, 50), 1), 1000);
  v_now constant timestamptz := coalesce(p_now, now());
  v_before_at constant timestamptz := coalesce((p_before ->> 0)::timestamptz, 'infinity');
  v_before_id constant uuid := coalesce((p_before ->> 1)::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
  v_filter constant jsonb := minutehand.filter_of(p_filter);
  v_is_listed constant boolean := minutehand.is_listed(v_filter);
  v_back_to constant timestamptz := minutehand.search_floor(
    v_filter, case when p_before is not null and not v_is_listed then v_before_at end, p_rows);
  v_from constant timestamptz := case when v_is_listed then '-infinity' else coalesce(v_back_to, '-infinity') end;
  v_ids constant uuid[] := minutehand.filter_ids(v_filter, v_back_to);
  v_found public.automation_execution_logs[];
  v_last public.automation_execution_logs;
begin
  v_found := array(
    select l
    from public.automation_execution_logs l
    where minutehand.matches_filter(l, v_filter) and (v_ids is null or l.id = any (v_ids))
      and l.created_at >= v_from and (l.created_at, l.id) < (v_before_at, v_before_id)
    order by l.created_at desc, l.id desc
    limit v_limit);
  v_last := v_found[v_limit];
  return jsonb_build_object(
    'rows', (
      select coalesce(jsonb_agg(
        minutehand.execution_json(l, w.name) || jsonb_build_object(
          'label', minutehand.label_of(l), 'workflow_version', l.workflow_version, 'caused_by', l.caused_by,
          'waits_for', minutehand.waiting_reason(l, v_now)) order by l.created_at desc, l.id desc), '[]')
      from unnest(v_found) l
      left join public.automation_workflows w on w.id = l.workflow_id and minutehand.is_of_workflow(l, w)),
    'definitions', (
      select coalesce(jsonb_object_agg(d.key, d.definition) filter (where pg_column_size(d.definition || '{}') <= 32768), '{}')
      from (
        select u.workflow_id || ':' || coalesce(u.workflow_version, 0) as key, minutehand.definition_of(u.log) as definition
        from (
          select distinct on (l.workflow_id, l.workflow_version) l.workflow_id, l.workflow_version, l as log
          from unnest(v_found) l
          where l.workflow_id is not null
          limit 100) u) d),
    'next', case
      when v_last.id is not null then jsonb_build_array(v_last.created_at, v_last.id)
      when v_back_to is not null and not v_is_listed then jsonb_build_array(v_back_to, '00000000-0000-0000-0000-000000000000') end,
    'looked_back_to', v_back_to);
end
$$;
comment on function public.automation_search is 'minutehand: a page of executions, newest first';
