-- automation_reserve_sends(p_sends, p_now) -> [{"key", "answer", "code"?, "reason"?, "external_id"?}]
-- p_sends: [{"id": execution, "token", "step", "channel", "recipient", "key"}].  Writes each send down before it leaves
-- (R13).  `answer` is
--   go         reserved: send it now, then confirm
--   sent       it was sent before, under this key; nothing more to do
--   uncertain  an earlier worker reserved it and never said how it ended
--   lost       the lease is lost              held       paused meanwhile              refused    it must not be sent (code)
-- A repeat under the same lease is answered go again: the reply was lost, not the send.
-- Locks: the rows of communication_logs, by key.  Errors: none.  Called by: store.reserve_sends.
create or replace function public.automation_reserve_sends(p_sends jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_result jsonb;
begin
  with said as (
    select s.*, l.user_id, l.organization_id, l.workflow_id,
           coalesce(l.lease_token = s.token and l.lease_expires_at is not null, false) as held
    from jsonb_to_recordset(p_sends) as s (id uuid, token uuid, step text, channel text, recipient text, key text)
    left join public.automation_execution_logs l on l.id = s.id
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
      created_at, status, idempotency_key, execution_id, step, channel, recipient, lease_token, user_id, organization_id)
    select v_now, 'reserved', r.idempotency_key, r.execution_id, r.step, r.channel, r.recipient, r.lease_token, r.user_id,
           r.organization_id
    from (select distinct on (key) * from looked where stop is null order by key) l
    -- As a row of the table itself: an adopted table's ids may be of another type.
    cross join lateral jsonb_populate_record(null::public.communication_logs, jsonb_build_object(
      'idempotency_key', l.key, 'execution_id', l.id, 'step', l.step, 'channel', l.channel, 'recipient', l.recipient,
      'lease_token', l.token, 'user_id', l.user_id, 'organization_id', l.organization_id)) r
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
comment on function public.automation_reserve_sends is 'minutehand: writes sends down before they leave';
