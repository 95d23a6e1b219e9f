-- Sends: one row of communication_logs for each message, from its reservation to its end (R13).

-- minutehand.reserve_sends(sends, now) -> automation_reserve_sends' answers.
-- All at once, unless one of them cannot be stored; one by one while a limit is set, or a workflow has
-- settings.volume.wait, because each counts those before it.
create or replace function minutehand.reserve_sends(p_sends jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_unwritable constant text := minutehand.replica_problem('public.communication_logs'::regclass);
  v_send jsonb;
  v_answers jsonb := '[]';
begin
  if v_unwritable is not null then  -- what leaves could not be confirmed
    return (
      select coalesce(jsonb_agg(minutehand.deferred_send(s, minutehand.problem('no_replica_identity', v_unwritable))), '[]')
      from jsonb_array_elements(p_sends) as s);
  elsif exists (select from public.automation_limits) then
    perform minutehand.lock_limits(p_sends);
    perform minutehand.lock_recipients(p_sends);
  elsif not minutehand.lock_recipients(p_sends) then
    begin
      return minutehand.reserve_batch(p_sends, p_now);
    exception when others then
      if minutehand.is_away(sqlstate) then
        raise;
      end if;  -- find out which one, each in a block of its own
    end;
  end if;
  for v_send in select value from jsonb_array_elements(p_sends) order by value ->> 'key' loop
    begin
      v_answers := v_answers || minutehand.reserve_batch(jsonb_build_array(v_send), p_now);
    exception when others then
      if minutehand.is_away(sqlstate) then
        raise;
      end if;
      v_answers := v_answers || case minutehand.error_class(sqlstate)
        when 'object' then minutehand.deferred_send(v_send, minutehand.sends_problem(sqlstate))
        else jsonb_build_object(
          'key', v_send ->> 'key', 'answer', 'refused', 'code', 'unrecordable',
          'reason', format('communication_logs cannot hold this send: %s', sqlerrm)) end;
    end;
  end loop;
  return v_answers;
end
$$;

-- minutehand.deferred_send(send, problem) -> its answer: nothing may leave until the table can be written again.
create or replace function minutehand.deferred_send(p_send jsonb, p_problem jsonb) returns jsonb
language sql immutable as $$
  select p_problem - 'ended' || jsonb_build_object('key', p_send ->> 'key', 'answer', 'deferred')
$$;

-- minutehand.reserve_batch(sends, now) -> answers: one set-based pass; raises when one of them cannot be stored.
create or replace function minutehand.reserve_batch(p_sends jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_pauses constant minutehand.pauses := (select p from minutehand.pauses p);
  v_placed constant text[] := array(  -- before the next statement takes some of their places away
    select idempotency_key
    from public.communication_logs
    where idempotency_key = any (array(select value ->> 'key' from jsonb_array_elements(p_sends)))
      and status in ('reserved', 'sent', 'uncertain'));
  v_left text[];
  v_result jsonb;
begin
  if p_sends @? '$[*] ? (@.on_uncertain == "resend")' then
    perform minutehand.reopen_sends(p_sends, p_now);
  end if;
  v_left := array(  -- they left, or may have: an opt-out comes too late for them
    select c.idempotency_key
    from jsonb_to_recordset(p_sends) as s (token uuid, key text)
    join public.communication_logs c on c.idempotency_key = s.key
    where c.status in ('sent', 'uncertain') or c.status = 'reserved' and c.lease_token is distinct from s.token);
  with requested as (
    select s.*, l as log, coalesce(l.user_id::text, w.user_id::text) as user_id, l.organization_id::text as organization_id,
           coalesce(l.lease_token = s.token and l.lease_expires_at is not null, false) as has_lease
    from jsonb_to_recordset(p_sends) as s (
      id uuid, token uuid, step text, channel text, recipient text, sender text, key text, delivery jsonb)
    left join public.automation_execution_logs l on l.id = s.id
    left join public.automation_workflows w on w.id = l.workflow_id
    where s.key is not null
  ), decided as materialized (
    select q.*, case when q.has_lease then coalesce(case when a.sent_to is not null then 'sent' end, m.answer) else 'lost' end
             as answer, m.code, m.reason, m.until, a.sent_to, a.refused
    from requested q
    left join lateral (  -- of several recipients some have it already, from an earlier send of this step
      select string_agg(c.recipient, ', ' order by c.recipient) as sent_to, (
        select jsonb_object_agg(e.key, e.value) from jsonb_array_elements(jsonb_agg(c.refused_recipients)) as o
        cross join lateral jsonb_each(case jsonb_typeof(o) when 'object' then o end) as e) as refused
      from public.communication_logs c
      where c.execution_id = q.id and c.step = q.step and c.channel = q.channel and c.status = 'sent'
        and c.idempotency_key <> q.key
        and string_to_array(c.recipient, ', ') && string_to_array(q.recipient, ', ')
    ) a on true
    left join lateral (
      select * from minutehand.may_send(q.log, q.channel, q.recipient, q.key, q.key = any (v_placed), v_pauses, p_now, q.delivery) x
      where q.has_lease and not (x.code = 'opted_out' and q.key = any (v_left)) order by nr limit 1
    ) m on true
  ), reserved as (
    insert into public.communication_logs as c (
      created_at, reserved_at, status, idempotency_key, execution_id, step, channel, recipient, lease_token, user_id,
      organization_id, type, direction, from_address, to_address)
    select p_now, p_now, 'reserved', r.idempotency_key, r.execution_id, r.step, r.channel, r.recipient, r.lease_token,
           r.user_id, r.organization_id, r.type, r.direction, r.from_address, r.to_address
    from (select distinct on (key) * from decided where answer is null order by key) d
    cross join lateral minutehand.send_row(
      d.key, d.id, d.step, d.channel, d.recipient, d.sender, d.token, d.user_id, d.organization_id) r
    order by d.key
    on conflict (idempotency_key) where idempotency_key is not null
    do update set status = case
        when c.status in ('failed', 'simulated') then 'reserved'
        when c.status = 'reserved' and c.lease_token is distinct from excluded.lease_token then 'uncertain'
        else c.status
      end,
      reserved_at = case when c.status in ('failed', 'simulated') then excluded.reserved_at else c.reserved_at end,
      -- It stays with the lease under which it may have left: only that one can still confirm it.
      lease_token = case when c.status in ('failed', 'simulated') then excluded.lease_token else c.lease_token end
    returning c.idempotency_key, c.status, c.external_id, c.recipient, c.refused_recipients
  )
  select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'key', d.key, 'answer', coalesce(d.answer, case r.status when 'reserved' then 'go' else r.status end),
    'external_id', r.external_id, 'recipient', coalesce(d.sent_to, case r.status when 'sent' then r.recipient end),
    'refused', coalesce(d.refused, r.refused_recipients), 'code', d.code, 'reason', d.reason,
    'opted_out', case when d.code = 'opted_out' then minutehand.opted_out(minutehand.tenant_of(d.log), d.channel, d.recipient) end,
    'wait_seconds', case when d.until is not null then greatest(extract(epoch from d.until - p_now), 0.001) end))), '[]')
  into v_result
  from decided d
  left join reserved r on r.idempotency_key = d.key;
  perform minutehand.note_recipients(p_sends, v_result, p_now);
  return v_result;
end
$$;

-- minutehand.reopen_sends(sends, now): with on_uncertain = resend the receiver recognizes a repeat by its key, so a send that may
-- have left before leaves again.  Not for ever: Resend remembers a key for 24 hours
-- (resend.com/docs/dashboard/emails/idempotency-keys).  One of whose recipients opted out meanwhile stays uncertain.
create or replace function minutehand.reopen_sends(p_sends jsonb, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  update public.communication_logs c
  set status = 'failed', error_message = 'not confirmed; sent again under the same key'
  from jsonb_to_recordset(p_sends) as s (id uuid, token uuid, key text, on_uncertain text)
  join public.automation_execution_logs l on l.id = s.id and l.lease_token = s.token and l.lease_expires_at is not null
  where c.idempotency_key = s.key and s.on_uncertain = 'resend' and c.reserved_at > p_now - interval '20 hours'
    and (c.status = 'uncertain' or c.status = 'reserved' and c.lease_token is distinct from s.token)
    and minutehand.opted_out(minutehand.tenant_of(l), c.channel, c.recipient) is null
$$;

-- minutehand.confirm_sends(sends, now) -> [keys confirmed]: see automation_confirm_sends.
create or replace function minutehand.confirm_sends(p_sends jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_keys jsonb;
begin
  with locked as (
    select c.id, c.idempotency_key, c.status as was, s.status, s.external_id, s.error, s.recipient, s.refused
    from jsonb_to_recordset(p_sends) as s (
      key text, token uuid, status text, external_id text, error text, recipient text, refused jsonb)
    join public.communication_logs c on c.idempotency_key = s.key
    where c.lease_token = s.token and s.status in ('sent', 'failed', 'uncertain', 'simulated')
    order by c.idempotency_key
    for update of c
  ), confirmed as (
    update public.communication_logs c
    set status = locked.status,
        external_id = coalesce(locked.external_id, c.external_id),
        error_message = locked.error,
        recipient = coalesce(locked.recipient, c.recipient),
        to_address = case when locked.recipient is null then c.to_address else (jsonb_populate_record(
          null::public.communication_logs, jsonb_build_object('to_address', locked.recipient))).to_address end,
        refused_recipients = locked.refused,
        sent_at = case when locked.status = 'sent' then coalesce(c.sent_at, p_now) end
    from locked
    where c.id = locked.id and locked.was in ('reserved', 'uncertain')
  )
  select coalesce(jsonb_agg(distinct idempotency_key), '[]') into v_keys from locked;
  return v_keys;
end
$$;

-- minutehand.send_row(key, execution, step, channel, recipient, sender, token, user, organization) -> the columns of every send,
-- ours and the app's.  As a row of the table itself, because the ids of an adopted table may be of another type.
create or replace function minutehand.send_row(
  p_key text, p_execution_id uuid, p_step text, p_channel text, p_recipient text, p_sender text, p_token uuid,
  p_user_id text, p_organization_id text
) returns public.communication_logs language sql stable as $$
  select jsonb_populate_record(null::public.communication_logs, jsonb_build_object(
    'idempotency_key', p_key, 'execution_id', p_execution_id, 'step', p_step, 'channel', p_channel,
    'recipient', p_recipient, 'lease_token', p_token, 'user_id', p_user_id, 'organization_id', p_organization_id,
    'type', p_channel, 'direction', 'outbound', 'from_address', p_sender, 'to_address', p_recipient))
$$;

-- minutehand.log_sends(steps, now): logs the sends that needed no reservation, with their step (R13).  They have gone out: one
-- that cannot be stored fails neither its step's record nor the others, and leaves a WARNING.
create or replace function minutehand.log_sends(p_steps jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_step jsonb;
begin
  if not p_steps @? '$[*].step.send' then
    return;
  end if;
  begin
    perform minutehand.log_sends_batch(p_steps, p_now);
    return;
  exception when others then
    if minutehand.is_away(sqlstate) then
      raise;
    end if;  -- find out which one, each in a block of its own
  end;
  for v_step in select value from jsonb_array_elements(p_steps) order by value #>> '{step,send,key}' loop
    begin
      perform minutehand.log_sends_batch(jsonb_build_array(v_step), p_now);
    exception when others then
      if minutehand.is_away(sqlstate) then
        raise;
      end if;
      raise warning 'minutehand: the send of execution % could not be stored in communication_logs: %', v_step ->> 'id', sqlerrm;
    end;
  end loop;
end
$$;

-- minutehand.log_sends_batch(steps, now): one set-based pass; raises when one of them cannot be stored.
create or replace function minutehand.log_sends_batch(p_steps jsonb, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  insert into public.communication_logs (
    created_at, sent_at, status, channel, recipient, execution_id, step, idempotency_key, external_id, lease_token,
    user_id, organization_id, type, direction, from_address, to_address)
  select p_now, p_now, 'sent', r.channel, r.recipient, r.execution_id, r.step, r.idempotency_key, s.external_id,
         r.lease_token, r.user_id, r.organization_id, r.type, r.direction, r.from_address, r.to_address
  from (
    -- Once for each key: one call may contain the same step twice.
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
  ) s
  cross join lateral minutehand.send_row(
    s.send ->> 'key', s.id, s.step, s.send ->> 'channel', s.send ->> 'recipient',
    s.send ->> 'sender', s.token, s.user_id, s.organization_id) r
  on conflict (idempotency_key) where idempotency_key is not null
  do update set status = 'sent', sent_at = coalesce(communication_logs.sent_at, excluded.sent_at),
                external_id = coalesce(communication_logs.external_id, excluded.external_id)
$$;

