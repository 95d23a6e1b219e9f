-- automation_confirm_sends(p_sends, p_now) -> [keys confirmed]
-- p_sends: [{"key", "token", "status": "sent" | "failed" | "uncertain" | "simulated", "external_id"?, "error"?}].  Says how
-- reserved sends ended (R13).  A repeat changes nothing; only the lease that reserved a send may confirm it, even when it has lost
-- the execution meanwhile: that the message went out stays true, and that it was sent is never taken back.
-- Locks: the rows of communication_logs, by key.  Errors: none.
-- Called by: executors of the app's own; automation_advance and automation_settle do the same.
create or replace function public.automation_confirm_sends(p_sends jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
begin
  return minutehand.confirm(p_sends, coalesce(p_now, now()));
end
$$;
comment on function public.automation_confirm_sends is 'minutehand: says how reserved sends ended';

-- minutehand.confirm(sends, now) -> [keys confirmed]
create or replace function minutehand.confirm(p_sends jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_keys jsonb;
begin
  with held as (
    select c.id, c.idempotency_key, c.status as was, s.status, s.external_id, s.error
    from jsonb_to_recordset(p_sends) as s (key text, token uuid, status text, external_id text, error text)
    join public.communication_logs c on c.idempotency_key = s.key
    where c.lease_token = s.token and s.status in ('sent', 'failed', 'uncertain', 'simulated')
    order by c.idempotency_key
    for update of c
  ), confirmed as (
    update public.communication_logs c
    set status = held.status,
        external_id = coalesce(held.external_id, c.external_id),
        error_message = held.error,
        sent_at = case when held.status = 'sent' then coalesce(c.sent_at, p_now) end
    from held
    where c.id = held.id and held.was in ('reserved', 'uncertain')
  )
  select coalesce(jsonb_agg(distinct idempotency_key), '[]') into v_keys from held;
  return v_keys;
end
$$;
