-- automation_cancel(p_ids, p_reason, p_actor, p_now) -> [{"id", "answer": "cancelled" | "refused" | "missing", "reason"?}]
-- Ends pending and processing executions.  A processing one loses its lease: its worker stops before its next side effect and
-- can write nothing more; what it has sent by then stays in communication_logs.  The executions that waited behind a cancelled
-- one in its ordering group are due at once.
-- p_ids: ids of executions, or their beginnings (minutehand.find_executions).
-- p_actor: {"via", "name"} of the person, or null.
-- Locks: the ordering groups' advisory locks, sorted; execution rows, by id.  Errors: none.
-- Called by: store.cancel.
create or replace function public.automation_cancel(
  p_ids jsonb, p_reason text default null, p_actor jsonb default null, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_found constant jsonb := minutehand.find_executions(p_ids);
  v_done uuid[];
begin
  perform minutehand.lock_groups(v_found);
  with locked as (
    select l.id, minutehand.allowed_actions(l) as allowed
    from public.automation_execution_logs l
    where l.id = any (minutehand.ids_of(v_found))
    order by l.id
    for update
  ), cancelled as (
    update public.automation_execution_logs l
    set status = 'cancelled', code = 'cancelled',
        reason = coalesce(p_reason, 'cancelled by ' || left(coalesce(p_actor ->> 'name', 'a person'), 200)),
        completed_at = v_now, lease_token = null, lease_expires_at = null
    from locked
    where l.id = locked.id and 'cancel' = any (locked.allowed)
    returning l.id
  )
  select coalesce(array_agg(id), '{}') into v_done from cancelled;
  perform minutehand.wake(v_found, v_now, true);
  perform minutehand.audit_all('cancel', v_done, p_actor, jsonb_build_object('reason', p_reason), v_now);
  return minutehand.action_answers(v_found, v_done, 'cancel', 'cancelled');
end
$$;
comment on function public.automation_cancel is 'minutehand: ends pending or processing executions';
