-- automation_reserve_sends(p_sends, p_now) -> [{"key", "answer", "code"?, "reason"?, "external_id"?}]
-- p_sends: [{"id": execution, "token", "step", "channel", "recipient", "sender", "key"}].  Writes each send down before it
-- leaves (R13).  `answer` is
--   go         reserved: send it now, then confirm
--   sent       it was sent before, under this key; nothing more to do
--   uncertain  an earlier worker reserved it and never said how it ended
--   lost       the lease is lost              held       paused meanwhile              refused    it must not be sent (code)
-- A repeat under the same lease is answered go again: the reply was lost, not the send.
-- What an adopted table cannot hold (a NOT NULL or CHECK of the app's) is refused alone, as unrecordable: its neighbours are
-- reserved.
-- Locks: the rows of communication_logs, by key.  Errors: none.  Called by: store.reserve_sends.
create or replace function public.automation_reserve_sends(p_sends jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_send jsonb;
  v_answers jsonb := '[]';
begin
  begin
    return minutehand.reserve(p_sends, v_now);
  exception when data_exception or integrity_constraint_violation or raise_exception or datatype_mismatch then
    null;  -- one of them cannot be written down: find out which, each in a block of its own
  end;
  for v_send in select value from jsonb_array_elements(p_sends) order by value ->> 'key' loop
    begin
      v_answers := v_answers || minutehand.reserve(jsonb_build_array(v_send), v_now);
    exception when data_exception or integrity_constraint_violation or raise_exception or datatype_mismatch then
      v_answers := v_answers || jsonb_build_object(
        'key', v_send ->> 'key', 'answer', 'refused', 'code', 'unrecordable',
        'reason', format('communication_logs cannot hold this send: %s', sqlerrm));
    end;
  end loop;
  return v_answers;
end
$$;
comment on function public.automation_reserve_sends is 'minutehand: writes sends down before they leave';

-- minutehand.reserve(sends, now) -> answers: one set-based pass; raises when one of them cannot be written down.
create or replace function minutehand.reserve(p_sends jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_result jsonb;
begin
  with said as (
    select s.*, l.user_id, l.organization_id, l.workflow_id, coalesce(l.user_id::text, w.user_id::text) as owner,
           coalesce(l.lease_token = s.token and l.lease_expires_at is not null, false) as held
    from jsonb_to_recordset(p_sends) as s (
      id uuid, token uuid, step text, channel text, recipient text, sender text, key text)
    left join public.automation_execution_logs l on l.id = s.id
    left join public.automation_workflows w on w.id = l.workflow_id
    where s.key is not null
  ), looked as (
    select said.*, case
      when not held then 'lost'
      when minutehand.is_paused(organization_id::text, user_id::text, workflow_id) then 'held'
      when exists (
        select from public.automation_opt_outs o
        where o.channel = said.channel and lower(o.address) = lower(said.recipient)
          and o.tenant in ('', minutehand.tenant(organization_id::text, user_id::text))) then 'refused'
      end as stop
    from said
  ), reserved as (
    insert into public.communication_logs as c (
      created_at, status, idempotency_key, execution_id, step, channel, recipient, lease_token, user_id, organization_id,
      type, direction, from_address, to_address)
    select p_now, 'reserved', r.idempotency_key, r.execution_id, r.step, r.channel, r.recipient, r.lease_token, r.user_id,
           r.organization_id, r.type, r.direction, r.from_address, r.to_address
    from (select distinct on (key) * from looked where stop is null order by key) l
    cross join lateral minutehand.send_row(
      l.key, l.id, l.step, l.channel, l.recipient, l.sender, l.token, l.owner, l.organization_id::text) r
    order by l.key
    on conflict (idempotency_key) where idempotency_key is not null
    do update set status = case
        when c.status in ('failed', 'simulated') then 'reserved'
        when c.status = 'reserved' and c.lease_token is distinct from excluded.lease_token then 'uncertain'
        else c.status
      end,
      -- It stays with the lease under which it may have left: only that one can still say how it ended.
      lease_token = case when c.status in ('failed', 'simulated') then excluded.lease_token else c.lease_token end
    returning c.idempotency_key, c.status, c.external_id
  )
  select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'key', l.key,
    'answer', coalesce(l.stop, case r.status when 'reserved' then 'go' else r.status end),
    'external_id', r.external_id,
    'code', case l.stop when 'refused' then 'opted_out' when 'held' then 'paused' end,
    'reason', case l.stop when 'refused' then format('%s has opted out of %s', l.recipient, l.channel) end))), '[]')
  into v_result
  from looked l
  left join reserved r on r.idempotency_key = l.key;
  return v_result;
end
$$;

-- minutehand.send_row(key, execution, step, channel, recipient, sender, token, user, organization) -> what every send has, in
-- our columns and in the app's.  As a row of the table itself: an adopted table's ids may be of another type.
create or replace function minutehand.send_row(
  p_key text, p_execution_id uuid, p_step text, p_channel text, p_recipient text, p_sender text, p_token uuid,
  p_user_id text, p_organization_id text
) returns public.communication_logs language sql stable as $$
  select jsonb_populate_record(null::public.communication_logs, jsonb_build_object(
    'idempotency_key', p_key, 'execution_id', p_execution_id, 'step', p_step, 'channel', p_channel,
    'recipient', p_recipient, 'lease_token', p_token, 'user_id', p_user_id, 'organization_id', p_organization_id,
    'type', p_channel, 'direction', 'outbound', 'from_address', p_sender, 'to_address', p_recipient))
$$;
