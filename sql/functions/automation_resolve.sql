-- automation_resolve(p_ids, p_as, p_actor, p_now) -> [{"id", "answer": "resolved" | "refused" | "missing", "reason"?}]
-- A person says what became of sends that were not confirmed (`failed: uncertain_send`, R13), after finding out.  p_as is
--   sent    it arrived: the step is done
--   resend  it did not arrive: the step runs again, under a new key, so that no receiver takes it for the old one
--   drop    it is not sent: the step has failed
-- The execution is pending again and due at once, and the steps that follow run.  If the execution was handed over as a whole
-- (decision 13), its one step is the call.
-- p_ids: ids of executions, or their beginnings (minutehand.find_executions).
-- p_actor: {"via", "name"} of the person, or null.
-- Locks: execution rows, by id; their rows of communication_logs.  Errors: MH400 p_as is none of these.
-- Called by: store.resolve.
create or replace function public.automation_resolve(
  p_ids jsonb, p_as text, p_actor jsonb default null, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_found constant jsonb := minutehand.find_executions(p_ids);
  v_done uuid[];
begin
  if p_as not in ('sent', 'resend', 'drop') or p_as is null then
    raise exception 'a send is resolved as sent, resend or drop, not as %', coalesce(p_as, 'null')
      using errcode = 'MH400', hint = 'Find out what became of it, and pass one of the three.';
  end if;
  with locked as (
    select l.id, minutehand.allowed_actions(l) as allowed, coalesce(nullif(l.resume_step, ''), '(call)') as step
    from public.automation_execution_logs l
    where l.id = any (minutehand.ids_of(v_found))
    order by l.id
    for update
  ), resolved as (
    update public.automation_execution_logs l
    set status = 'pending', code = null, reason = null, error_message = null, completed_at = null, attempt = 0,
        lost_leases = 0, scheduled_at = v_now, resume_step = null,
        past = minutehand.append_history_end(l, p_as, p_actor, v_now),
        resends = case p_as when 'resend' then minutehand.as_object(l.resends::text) || jsonb_build_object(
          k.step, 1 + coalesce(minutehand.to_count(minutehand.as_object(l.resends::text) ->> k.step), 0)) else l.resends::jsonb end,
        actions_executed = case p_as when 'resend' then l.actions_executed::jsonb
          else minutehand.as_list(l.actions_executed::text) || minutehand.resolution(k.step, p_as) end
    from locked k
    where l.id = k.id and 'resolve' = any (k.allowed)
    returning l.id, k.step
  ), sends as (
    update public.communication_logs c
    set status = case p_as when 'sent' then 'sent' else 'failed' end,
        sent_at = case p_as when 'sent' then coalesce(c.sent_at, v_now) else c.sent_at end,
        error_message = case p_as
          when 'sent' then null
          when 'drop' then 'not confirmed; a person marked it as not sent'
          else 'not confirmed; a person sent it again'
        end
    from resolved r
    where c.execution_id = r.id and c.step = r.step and c.status in ('reserved', 'uncertain')
  )
  select coalesce(array_agg(id), '{}') into v_done from resolved;
  perform minutehand.audit_all('resolve', v_done, p_actor, jsonb_build_object('as', p_as), v_now);
  return minutehand.action_answers(v_found, v_done, 'resolve', 'resolved');
end
$$;
comment on function public.automation_resolve is 'minutehand: what became of a send that was not confirmed';

-- minutehand.resolution(step, as) -> the record of a step that a person has ended.
create or replace function minutehand.resolution(p_step text, p_as text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('stepId', p_step, 'name', p_step, 'resolved', p_as) || case p_as
    when 'sent' then '{"status": "success", "result": {"status": "sent"}}'::jsonb
    else jsonb_build_object(
      'status', 'failed', 'code', 'dropped', 'error', 'its send was not confirmed, and a person marked it as not sent')
  end
$$;
