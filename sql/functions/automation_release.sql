-- automation_release(p_ids, p_limit, p_now) -> {"released": count, "more": bool, "answers": [{"id", "answer": "released" |
--   "refused" | "missing", "reason"?}]}
-- Lets executions run that were held as stale: due now.  p_ids names them; without, it releases up to p_limit of all that
-- are held, and `more` says that there are others.
-- Locks: execution rows, by id.  Errors: none.  Called by: store.release.
create or replace function public.automation_release(
  p_ids jsonb default null, p_limit integer default 5000, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_asked uuid[] := case when p_ids is null
    then array(
      select id from public.automation_execution_logs where status = 'skipped' and code = 'stale' order by id limit p_limit)
    else array(select minutehand.to_uuid(value) from jsonb_array_elements_text(p_ids)) end;
  v_released uuid[];
begin
  with held as (
    select id
    from public.automation_execution_logs
    where id = any (v_asked) and status = 'skipped' and code = 'stale'
    order by id
    for update
  ), released as (
    update public.automation_execution_logs l
    set status = 'pending', code = null, reason = null, completed_at = null, scheduled_at = v_now,
        past = minutehand.append_history_end(l, 'release', v_now)
    from held
    where l.id = held.id
    returning l.id
  )
  select coalesce(array_agg(id), '{}') into v_released from released;
  return jsonb_build_object(
    'released', cardinality(v_released), 'more', p_ids is null and cardinality(v_asked) = p_limit,
    'answers', (
      select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
        'id', asked.id,
        'answer', case when l.id = any (v_released) then 'released' when l.id is null then 'missing' else 'refused' end,
        'reason', case
          when l.id = any (v_released) then null
          when l.id is null then 'there is no such execution'
          else format('it is %s; only held ones (skipped: stale) can be released',
                      concat_ws(': ', l.status, l.code)) end))), '[]')
      from (select distinct value as id from jsonb_array_elements_text(coalesce(p_ids, '[]'))) asked
      left join public.automation_execution_logs l on l.id = minutehand.to_uuid(asked.id)));
end
$$;
comment on function public.automation_release is 'minutehand: lets run what was held as stale';
