-- automation_retry(p_ids, p_actor, p_now) -> [{"id", "answer": "retried" | "refused" | "missing", "reason"?}]
-- A person's retry of failed or skipped executions: the steps that failed or were skipped run again, those that succeeded do not (R7).  An
-- uncertain send is refused, because a person must first find out whether it arrived.
-- p_ids: ids of executions, or their beginnings (minutehand.find_executions).
-- p_actor: {"via", "name"} of the person, or null.
-- Locks: execution rows, by id.  Errors: none.  Called by: store.retry.
create or replace function public.automation_retry(
  p_ids jsonb, p_actor jsonb default null, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_found constant jsonb := minutehand.find_executions(p_ids);
  v_done uuid[];
begin
  with locked as (
    select l.id, minutehand.allowed_actions(l) as allowed
    from public.automation_execution_logs l
    where l.id = any (minutehand.ids_of(v_found))
    order by l.id
    for update
  ), retried as (
    update public.automation_execution_logs l
    set status = 'pending', code = null, reason = null, error_message = null, completed_at = null, attempt = 0,
        lost_leases = 0, scheduled_at = v_now, lease_expires_at = null, resume_step = null,
        past = minutehand.append_history_end(l, 'retry', p_actor, v_now),
        actions_executed = coalesce((
          select jsonb_agg(step order by nr)
          from jsonb_array_elements(minutehand.as_list(l.actions_executed::text)) with ordinality as s (step, nr)
          where coalesce(step ->> 'status', '') not in ('failed', 'skipped')), '[]')
    from locked
    where l.id = locked.id and 'retry' = any (locked.allowed)
    returning l.id
  )
  select coalesce(array_agg(id), '{}') into v_done from retried;
  -- Who was refused is tried again, too; who got a message gets no second one.
  update public.communication_logs set refused_recipients = null
  where execution_id = any (v_done) and refused_recipients is not null;
  perform minutehand.audit_all('retry', v_done, p_actor, '{}', v_now);
  return minutehand.action_answers(v_found, v_done, 'retry', 'retried');
end
$$;
comment on function public.automation_retry is 'minutehand: a person''s retry of what failed';
