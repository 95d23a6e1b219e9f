-- Step records: the list in actions_executed, with one record for each step that has ended.

-- minutehand.append_steps(steps, now): appends each step's record once, and logs its send.
-- enable_seqscan is off: the plan is kept, and a table that was small when it was made grows.
create or replace function minutehand.append_steps(p_steps jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
begin
  with requested as (
    select distinct on (s.id, s.step -> 'stepId') s.*, p.nr
    from jsonb_array_elements(p_steps) with ordinality as p (item, nr)
    cross join lateral jsonb_to_record(p.item) as s (id uuid, token uuid, step jsonb, resume_step text)
  ), locked as (
    select l.id, l.lease_token, l.lease_expires_at, case when l.actions_executed::jsonb @? '$[*].result.again'
        then minutehand.without_ended_waits(
          l.actions_executed::jsonb, (select jsonb_agg(s.step) from requested s where s.id = l.id))
        else l.actions_executed::jsonb end as recorded
    from public.automation_execution_logs l
    where l.id = any (array(select requested.id from requested))
    order by l.id
    for update
  ), leased as (
    select l.id, max(s.resume_step) as resume_step, jsonb_agg(minutehand.without_send(s.step) order by s.nr) as steps
    from requested s
    join locked l on l.id = s.id
    where l.lease_token = s.token and l.lease_expires_at is not null and not minutehand.has_record(l.recorded, s.step)
    group by l.id
  )
  update public.automation_execution_logs l
  set actions_executed = coalesce(locked.recorded, '[]') || leased.steps,
      resume_step = leased.resume_step,
      attempt = 0,
      deferred_since = null
  from leased
  join locked on locked.id = leased.id
  where l.id = leased.id;
  perform minutehand.log_sends(p_steps, p_now);
end
$$;

-- minutehand.has_record(actions_executed, step) -> boolean: is this step's end recorded already?
create or replace function minutehand.has_record(p_recorded jsonb, p_step jsonb) returns boolean
language sql immutable as $$
  select coalesce(p_recorded, '[]') @> jsonb_build_array(jsonb_build_object('stepId', p_step -> 'stepId'))
$$;

-- minutehand.without_ended_waits(recorded, steps) -> recorded, without the notes of waits that these records replace: a wait that is
-- looked at again when it ends (`again`) is noted while it lasts.
create or replace function minutehand.without_ended_waits(p_recorded jsonb, p_steps jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select case when p_recorded @? '$[*].result.again' then (
    select coalesce(jsonb_agg(r.record order by r.nr), '[]')
    from jsonb_array_elements(p_recorded) with ordinality as r (record, nr)
    where not coalesce(r.record #>> '{result,type}' = 'wait' and r.record -> 'result' ? 'again' and exists (
      select from jsonb_array_elements(p_steps) as s where s -> 'stepId' = r.record -> 'stepId'), false))
    else p_recorded end
$$;

-- minutehand.without_send(step) -> the record without the send that travels with it.
create or replace function minutehand.without_send(p_step jsonb) returns jsonb language sql immutable as $$
  select p_step - 'send'
$$;

-- minutehand.add_records(recorded, steps) -> recorded, and those of steps that it lacks.
create or replace function minutehand.add_records(p_recorded jsonb, p_steps jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select case
    when p_steps is null or p_steps = '[]' then p_recorded
    when p_recorded = '[]' and jsonb_array_length(p_steps) = 1 and not p_steps -> 0 ? 'send' then p_steps
    else kept.records || (
      select coalesce(jsonb_agg(minutehand.without_send(step) order by nr), '[]')
      from jsonb_array_elements(p_steps) with ordinality as s (step, nr)
      where not minutehand.has_record(kept.records, step))
  end
  from (select minutehand.without_ended_waits(p_recorded, p_steps) as records) kept
$$;

-- minutehand.pick_part(items, name) -> [part || {"id", "token"}]: one part of each item that has it.
create or replace function minutehand.pick_part(p_items jsonb, p_name text) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(
    jsonb_agg(item -> p_name || jsonb_build_object('id', item -> 'id', 'token', item -> 'token')), '[]')
  from jsonb_array_elements(p_items) as item
  where item ? p_name
$$;
