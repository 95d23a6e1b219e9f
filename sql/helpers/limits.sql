-- Limits of sends (automation_limits): how many may leave to one recipient, and of one tenant, within a period.  Decided at the
-- reservation, and serialised there: whoever may be the last within a limit holds its lock until the place is taken.

-- minutehand.limits_for(tenant, channel) -> the limits that hold: a tenant's own replaces the general one.
create or replace function minutehand.limits_for(p_tenant text, p_channel text) returns setof public.automation_limits
language sql stable set search_path = '' as $$
  select distinct on (scope, channel) *
  from public.automation_limits
  where tenant in ('', p_tenant) and channel in ('', p_channel)
  order by scope, channel, tenant desc
$$;

-- minutehand.lock_limits(sends): takes the locks of what these sends count towards, sorted, so that nobody waits in a circle.
-- One of 256 slots a recipient or tenant falls in, as in minutehand.limit_key, so that a batch cannot fill the lock table.
create or replace function minutehand.lock_limits(p_sends jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  perform pg_advisory_xact_lock(key)
  from (
    select distinct x'6d696e7574650100'::bigint | (hashtextextended(concat_ws(E'\n', m.scope, l.tenant, case m.scope
             when 'recipient' then s.recipient end), 0) & 255) as key
    from jsonb_to_recordset(p_sends) as s (id uuid, channel text, recipient text)
    join lateral (
      select minutehand.tenant(organization_id::text, user_id::text) as tenant
      from public.automation_execution_logs where id = s.id
    ) l on true
    cross join lateral minutehand.limits_for(l.tenant, s.channel) m
    order by 1
  ) keys;
end
$$;

-- minutehand.exceeded(tenant, channel, recipient, key, now) -> (code, until, reason, is_delayed); code is null when it may
-- leave.  Counts what has a place and has left, or may have; not what was refused.  Of several exceeded limits, a drop comes
-- first, then the one that lasts longest.
create or replace function minutehand.exceeded(
  p_tenant text, p_channel text, p_recipient text, p_key text, p_now timestamptz,
  out code text, out until timestamptz, out reason text, out is_delayed boolean
) language plpgsql volatile set search_path = '' as $$
declare
  v_limit public.automation_limits;
  v_until timestamptz;
begin
  for v_limit in select * from minutehand.limits_for(p_tenant, p_channel) loop
    if v_limit.n = 0 then
      v_until := 'infinity';
    elsif v_limit.scope = 'recipient' then
      select c.reserved_at + v_limit.per into v_until
      from public.communication_logs c
      where left(c.recipient, 320) = left(p_recipient, 320) and c.recipient = p_recipient
        and c.reserved_at > p_now - v_limit.per
        and coalesce(c.organization_id::text, c.user_id::text, '') = p_tenant
        and (v_limit.channel = '' or c.channel = v_limit.channel)
        and c.status in ('reserved', 'sent', 'uncertain') and c.idempotency_key is distinct from p_key
      order by c.reserved_at desc offset v_limit.n - 1 limit 1;
    else
      select c.reserved_at + v_limit.per into v_until
      from public.communication_logs c
      where coalesce(c.organization_id::text, c.user_id::text, '') = p_tenant and c.reserved_at > p_now - v_limit.per
        and (v_limit.channel = '' or c.channel = v_limit.channel)
        and c.status in ('reserved', 'sent', 'uncertain') and c.idempotency_key is distinct from p_key
      order by c.reserved_at desc offset v_limit.n - 1 limit 1;
    end if;
    if v_until is not null and (
        code is null or is_delayed and (v_limit.on_exceed = 'drop' or v_limit.n = 0) or
        is_delayed and v_until > until) then
      code := case v_limit.scope when 'recipient' then 'recipient_limit' else 'tenant_limit' end;
      until := v_until;
      is_delayed := v_limit.on_exceed = 'delay' and v_limit.n > 0;
      reason := format(
        '%s %s %s within %s; %s', v_limit.n, case v_limit.channel when '' then 'messages' else v_limit.channel end,
        case v_limit.scope when 'recipient' then 'to ' || p_recipient else 'of this tenant' end,
        minutehand.in_words(v_limit.per), case v_limit.n when 0 then 'none may leave' else 'the next may leave at '
          || to_char(v_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') end);
    end if;
  end loop;
end
$$;
