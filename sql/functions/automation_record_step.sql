-- automation_record_step(p_steps, p_now) -> [{"id", "held": bool, …context of the next step}]
-- p_steps: [{"id", "token", "step": {record}, "resume_step"?}].  Records finished steps before the next begin, and reads
-- each execution's context afresh for it, in the same call (automation_context).  A repeat changes nothing and is answered
-- as done; a caller whose lease is lost gets held = false and nothing is written (R5).  Progress sets the attempts to 0.
-- Locks: execution rows, by id.  Called by: executors of the app's own; automation_advance does the
-- same.
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
    select distinct on (s.id, s.step -> 'stepId') s.*, p.nr
    from jsonb_array_elements(p_steps) with ordinality as p (item, nr)
    cross join lateral jsonb_to_record(p.item) as s (id uuid, token uuid, step jsonb, resume_step text)
  ), locked as (
    select l.id, l.lease_token, l.lease_expires_at, l.actions_executed::jsonb as recorded
    from public.automation_execution_logs l
    where l.id = any (array(select said.id from said))
    order by l.id
    for update
  ), held as (
    select l.id, max(s.resume_step) as resume_step, jsonb_agg(minutehand.shown(s.step) order by s.nr) as steps
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

-- minutehand.note_sends(steps, now): sends that needed no reservation are recorded with their step (R13).  They have gone out:
-- one that an adopted table cannot hold fails neither its step's record nor its neighbours, and leaves a WARNING.
create or replace function minutehand.note_sends(p_steps jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_step jsonb;
begin
  if not p_steps @? '$[*].step.send' then
    return;
  end if;
  begin
    perform minutehand.note(p_steps, p_now);
    return;
  exception when data_exception or integrity_constraint_violation or raise_exception or datatype_mismatch then
    null;  -- one of them cannot be noted: find out which, each in a block of its own
  end;
  for v_step in select value from jsonb_array_elements(p_steps) order by value #>> '{step,send,key}' loop
    begin
      perform minutehand.note(jsonb_build_array(v_step), p_now);
    exception when data_exception or integrity_constraint_violation or raise_exception or datatype_mismatch then
      raise warning 'minutehand: the send of execution % is not noted in communication_logs: %', v_step ->> 'id', sqlerrm;
    end;
  end loop;
end
$$;

-- minutehand.note(steps, now): one set-based pass; raises when one of them cannot be noted.
create or replace function minutehand.note(p_steps jsonb, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  insert into public.communication_logs (
    created_at, sent_at, status, channel, recipient, execution_id, step, idempotency_key, external_id, lease_token,
    user_id, organization_id, type, direction, from_address, to_address)
  select p_now, p_now, 'sent', r.channel, r.recipient, r.execution_id, r.step, r.idempotency_key, noted.external_id,
         r.lease_token, r.user_id, r.organization_id, r.type, r.direction, r.from_address, r.to_address
  from (
    -- Once a key: one call may bring the same step twice.
    select distinct on (s.send ->> 'key')
      s.send, s.step, s.id, s.token, s.send ->> 'external_id' as external_id,
      coalesce(l.user_id::text, w.user_id::text) as user_id, l.organization_id::text as organization_id
    from (
      select said.id, said.token, said.step ->> 'stepId' as step, said.step -> 'send' as send
      from jsonb_to_recordset(p_steps) as said (id uuid, token uuid, step jsonb)
      where jsonb_typeof(said.step -> 'send') = 'object' and said.step ->> 'status' = 'success'
    ) s
    join public.automation_execution_logs l on l.id = s.id
    left join public.automation_workflows w on w.id = l.workflow_id
    where l.lease_token = s.token
    order by s.send ->> 'key'
  ) noted
  cross join lateral minutehand.send_row(
    noted.send ->> 'key', noted.id, noted.step, noted.send ->> 'channel', noted.send ->> 'recipient',
    noted.send ->> 'sender', noted.token, noted.user_id, noted.organization_id) r
  on conflict (idempotency_key) where idempotency_key is not null
  do update set status = 'sent', sent_at = coalesce(communication_logs.sent_at, excluded.sent_at),
                external_id = coalesce(communication_logs.external_id, excluded.external_id)
$$;
