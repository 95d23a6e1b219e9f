-- automation_record_step(p_steps, p_now) -> [{"id", "held": bool, …context of the next step}]
-- p_steps: [{"id", "token", "step": {record}, "resume_step"?}].  Records finished steps before the next begin, and reads
-- each execution's context afresh for it, in the same call (automation_context).  A repeat changes nothing and is answered
-- as done; a caller whose lease is lost gets held = false and nothing is written (R5).  Progress sets the attempts to 0.
-- Locks: execution rows, by id.  Called by: store.record_steps.
create or replace function public.automation_record_step(p_steps jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
begin
  perform minutehand.append_steps(p_steps, coalesce(p_now, now()));
  return minutehand.context(p_steps, coalesce(p_now, now()));
end
$$;
comment on function public.automation_record_step is 'minutehand: records finished steps under their leases';

-- minutehand.append_steps(steps, now): appends each step's record once, and its send to communication_logs.
create or replace function minutehand.append_steps(p_steps jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  with held as (
    select l.id, s.step, s.resume_step
    from jsonb_to_recordset(p_steps) as s (id uuid, token uuid, step jsonb, resume_step text)
    join public.automation_execution_logs l on l.id = s.id
    where l.lease_token = s.token and l.lease_expires_at is not null
      and not minutehand.has_record(l.actions_executed::jsonb, s.step)
    order by l.id
    for update of l
  )
  update public.automation_execution_logs l
  set actions_executed = coalesce(l.actions_executed::jsonb, '[]') || jsonb_build_array(minutehand.shown(held.step)),
      resume_step = held.resume_step,
      attempt = 0
  from held
  where l.id = held.id;
  perform minutehand.note_sends(p_steps, p_now);
end
$$;

-- minutehand.has_record(actions_executed, step) -> boolean: is this step's end recorded already?
create or replace function minutehand.has_record(p_recorded jsonb, p_step jsonb) returns boolean
language sql immutable as $$
  select coalesce(p_recorded, '[]') @> jsonb_build_array(jsonb_build_object('stepId', p_step -> 'stepId'))
$$;

-- minutehand.shown(step) -> the record without what travels beside it.
create or replace function minutehand.shown(p_step jsonb) returns jsonb language sql immutable as $$
  select p_step - 'send'
$$;

-- minutehand.note_sends(steps, now): sends that needed no reservation are recorded with their step (R13).
create or replace function minutehand.note_sends(p_steps jsonb, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  insert into public.communication_logs (
    created_at, sent_at, status, channel, recipient, execution_id, step, idempotency_key, external_id, lease_token,
    user_id, organization_id)
  select p_now, p_now, 'sent', s.step #>> '{send,channel}', s.step #>> '{send,recipient}', s.id, s.step ->> 'stepId',
         s.step #>> '{send,key}', s.step #>> '{send,external_id}', s.token, l.user_id, l.organization_id
  from jsonb_to_recordset(p_steps) as s (id uuid, token uuid, step jsonb)
  join public.automation_execution_logs l on l.id = s.id
  where s.step ? 'send' and jsonb_typeof(s.step -> 'send') = 'object' and s.step ->> 'status' = 'success'
    and l.lease_token = s.token
  order by s.step #>> '{send,key}'
  on conflict (idempotency_key) where idempotency_key is not null
  do update set status = 'sent', sent_at = coalesce(communication_logs.sent_at, excluded.sent_at),
                external_id = coalesce(communication_logs.external_id, excluded.external_id)
$$;
