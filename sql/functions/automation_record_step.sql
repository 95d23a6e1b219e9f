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
  with said as (
    select distinct on (s.id, s.step -> 'stepId') s.*
    from jsonb_to_recordset(p_steps) as s (id uuid, token uuid, step jsonb, resume_step text)
  ), locked as (
    select l.id, l.lease_token, l.lease_expires_at, l.actions_executed::jsonb as recorded
    from public.automation_execution_logs l
    where l.id = any (array(select said.id from said))
    order by l.id
    for update
  ), held as (
    select l.id, max(s.resume_step) as resume_step, jsonb_agg(minutehand.shown(s.step)) as steps
    from said s
    join locked l on l.id = s.id
    where l.lease_token = s.token and l.lease_expires_at is not null and not minutehand.has_record(l.recorded, s.step)
    group by l.id
  )
  update public.automation_execution_logs l
  set actions_executed = coalesce(l.actions_executed::jsonb, '[]') || held.steps,
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
  select p_now, p_now, 'sent', r.channel, r.recipient, r.execution_id, r.step, r.idempotency_key, r.external_id,
         r.lease_token, r.user_id, r.organization_id
  from (
    -- Once a key: one call may bring the same step twice.
    select distinct on (s.step #>> '{send,key}') jsonb_build_object(
      'channel', s.step #>> '{send,channel}', 'recipient', s.step #>> '{send,recipient}', 'execution_id', s.id,
      'step', s.step ->> 'stepId', 'idempotency_key', s.step #>> '{send,key}',
      'external_id', s.step #>> '{send,external_id}', 'lease_token', s.token, 'user_id', l.user_id,
      'organization_id', l.organization_id) as send
    from jsonb_to_recordset(p_steps) as s (id uuid, token uuid, step jsonb)
    join public.automation_execution_logs l on l.id = s.id
    where jsonb_typeof(s.step -> 'send') = 'object' and s.step ->> 'status' = 'success' and l.lease_token = s.token
    order by s.step #>> '{send,key}'
  ) noted
  -- As a row of the table itself: an adopted table's ids may be of another type.
  cross join lateral jsonb_populate_record(null::public.communication_logs, noted.send) r
  on conflict (idempotency_key) where idempotency_key is not null
  do update set status = 'sent', sent_at = coalesce(communication_logs.sent_at, excluded.sent_at),
                external_id = coalesce(communication_logs.external_id, excluded.external_id)
$$;
