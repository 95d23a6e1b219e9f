-- automation_resolve(p_ids, p_as, p_now) -> [{"id", "answer": "resolved" | "refused" | "missing", "reason"?}]
-- A person's word on sends whose fate was unknown (`failed: uncertain_send`, R13), after finding out.  p_as is
--   sent    it had arrived: the step is done
--   resend  it had not: the step runs again, under a new key, so that no receiver takes it for the old one
--   drop    it is given up: the step has failed
-- The execution is pending again, due at once, and what follows the step runs.  Of an execution that was handed over as a
-- whole (decision 13) the one step is the call.
-- Locks: execution rows, by id; their rows of communication_logs.  Errors: MH400 p_as is none of these.
-- Called by: store.resolve.
create or replace function public.automation_resolve(p_ids jsonb, p_as text, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_result jsonb;
begin
  if p_as not in ('sent', 'resend', 'drop') or p_as is null then
    raise exception 'a send is resolved as sent, resend or drop, not as %', coalesce(p_as, 'null')
      using errcode = 'MH400', hint = 'Say what you found out.';
  end if;
  with asked as (
    select distinct value as id from jsonb_array_elements_text(p_ids)
  ), found as (
    select l.id, l.status, l.code, l.lease_expires_at is not null as in_flight,
           coalesce(nullif(l.resume_step, ''), '(call)') as step
    from public.automation_execution_logs l
    where l.id = any (array(select minutehand.to_uuid(id) from asked))
    order by l.id
    for update
  ), resolved as (
    update public.automation_execution_logs l
    set status = 'pending', code = null, reason = null, error_message = null, completed_at = null, attempt = 0,
        lost_leases = 0, scheduled_at = v_now, resume_step = null, past = minutehand.append_history_end(l, p_as, v_now),
        resends = case p_as when 'resend' then coalesce(l.resends::jsonb, '{}') || jsonb_build_object(
          f.step, coalesce((l.resends::jsonb ->> f.step)::integer, 0) + 1) else l.resends::jsonb end,
        actions_executed = case p_as when 'resend' then l.actions_executed::jsonb
          else minutehand.as_list(l.actions_executed::text) || minutehand.resolution(f.step, p_as) end
    from found f
    where l.id = f.id and f.status = 'failed' and f.code = 'uncertain_send' and not f.in_flight
    returning l.id, f.step
  ), told as (
    update public.communication_logs c
    set status = case p_as when 'sent' then 'sent' else 'failed' end,
        sent_at = case p_as when 'sent' then coalesce(c.sent_at, v_now) else c.sent_at end,
        error_message = case p_as
          when 'sent' then null
          when 'drop' then 'its fate is unknown; a person dropped it'
          else 'its fate is unknown; a person sends it again'
        end
    from resolved r
    where c.execution_id = r.id and c.step = r.step and c.status in ('reserved', 'uncertain')
  )
  select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'id', a.id,
    'answer', case when r.id is not null then 'resolved' when f.id is not null then 'refused' else 'missing' end,
    'reason', case
      when r.id is not null then null
      when f.id is null then 'there is no such execution'
      when f.in_flight then 'it is being run'
      else format('it is %s; only failed: uncertain_send can be resolved', concat_ws(': ', f.status, f.code)) end))), '[]')
  into v_result
  from asked a
  left join found f on f.id = minutehand.to_uuid(a.id)
  left join resolved r on r.id = f.id;
  return v_result;
end
$$;
comment on function public.automation_resolve is 'minutehand: a person''s word on a send whose fate was unknown';

-- minutehand.resolution(step, as) -> the record of a step that a person has ended.
create or replace function minutehand.resolution(p_step text, p_as text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('stepId', p_step, 'name', p_step, 'resolved', p_as) || case p_as
    when 'sent' then '{"status": "success", "result": {"status": "sent"}}'::jsonb
    else jsonb_build_object(
      'status', 'failed', 'code', 'dropped', 'error', 'its send was uncertain, and a person dropped it')
  end
$$;
