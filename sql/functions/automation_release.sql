-- automation_release(p_ids, p_limit, p_actor, p_now) -> {"released": count, "more": bool, "answers": [{"id", "answer":
--   "released" | "refused" | "missing", "reason"?}]}
-- Lets executions run that were set aside as stale, or that are held because of a flood or after a restore; they are due now.  p_ids names them; without p_ids it releases up to
-- p_limit of all stale ones, and `more` says that there are others.  A release raises the measure of a flood (raise_measures).
-- p_ids: ids of executions, or their beginnings (minutehand.find_executions).
-- p_actor: {"via", "name"} of the person, or null.
-- Locks: execution rows, by id.  Errors: none.  Called by: store.release.
create or replace function public.automation_release(
  p_ids jsonb default null, p_limit integer default 5000, p_actor jsonb default null, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_found constant jsonb := minutehand.find_executions(coalesce(p_ids, '[]'));
  v_ids uuid[] := case when p_ids is null
    then array(
      select id from public.automation_execution_logs where status = 'skipped' and code = 'stale' order by id limit p_limit)
    else minutehand.ids_of(v_found) end;
  v_done uuid[];
  v_flooded uuid[];
begin
  with locked as (
    select l.id, minutehand.allowed_actions(l) as allowed, case when minutehand.is_flooded(l) then l.workflow_id end as flooded
    from public.automation_execution_logs l
    where l.id = any (v_ids)
    order by l.id
    for update
  ), released as (
    update public.automation_execution_logs l
    set status = 'pending', code = null, reason = null, completed_at = null, scheduled_at = v_now,
        past = case when l.status <> 'pending' then minutehand.append_history_end(l, 'release', p_actor, v_now)
          else minutehand.append_history(minutehand.as_list(l.past::text), 'wait', l.created_at, v_now, jsonb_build_object(
            'code', l.code, 'reason', l.reason, 'by', 'release', 'actor', left(p_actor ->> 'name', 200), 'due', v_now)) end
    from locked
    where l.id = locked.id and 'release' = any (locked.allowed)
    returning l.id, locked.flooded
  )
  select coalesce(array_agg(id), '{}'), array_remove(array_agg(distinct flooded), null) into v_done, v_flooded from released;
  perform minutehand.raise_measures(v_flooded, v_now);
  perform minutehand.audit_all('release', v_done, p_actor, '{}', v_now);
  return jsonb_build_object(
    'released', cardinality(v_done), 'more', p_ids is null and cardinality(v_ids) = p_limit,
    'answers', minutehand.action_answers(v_found, v_done, 'release', 'released'));
end
$$;
comment on function public.automation_release is 'minutehand: lets executions run that were set aside as stale';
