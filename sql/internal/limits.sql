-- Limits of sends (automation_limits): how many may leave to one recipient, or from one tenant, within a period.  Checked when a
-- send is reserved, and serialized there: the call that may take the last place holds the limit's lock until it has it.
-- Functions that return rows declare how many: with the 1,000 that PostgreSQL assumes it would JIT-compile each call (280 ms).

-- Sends by address.  An e-mail to several addresses, "a, b", is found under each of them in the second index.  Not in a migration:
-- the function that they hold is not made before these files.
do $$
begin
  create index if not exists communication_logs_address
    on public.communication_logs ((minutehand.fold_case(left(recipient, 320))), reserved_at) where reserved_at is not null;
  create index if not exists communication_logs_addresses
    on public.communication_logs using gin ((string_to_array(minutehand.fold_case(recipient), ', ')))
    where reserved_at is not null and recipient like '%, %';
  drop index if exists public.communication_logs_recipient, public.communication_logs_recipients;
end
$$;

-- minutehand.limits_for(tenant, channel) -> the limits that apply: a tenant's own limit replaces the general one.
create or replace function minutehand.limits_for(p_tenant text, p_channel text) returns setof public.automation_limits
language sql stable rows 4 set search_path = '' as $$
  select distinct on (scope, channel) *
  from public.automation_limits
  where tenant in ('', p_tenant) and channel in ('', p_channel)
  order by scope, channel, tenant desc
$$;

-- minutehand.limit_subjects(limit, recipient) -> what a send counts towards: each of its addresses; or for a tenant, null.
create or replace function minutehand.limit_subjects(p_limit public.automation_limits, p_recipient text) returns setof text
language sql immutable rows 2 set search_path = '' as $$
  select unnest(case p_limit.scope when 'recipient' then string_to_array(minutehand.fold_case(p_recipient), ', ') else array[null] end)
$$;

-- minutehand.lock_limits(sends): takes the locks of the limits to which these sends count, sorted, so that no two callers wait for
-- each other.  A recipient or tenant falls into one of 256 slots, so that a batch cannot fill the lock table.
create or replace function minutehand.lock_limits(p_sends jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  perform pg_advisory_xact_lock(key)
  from (
    select distinct x'6d696e7574650100'::bigint
      | (hashtextextended(concat_ws(E'\n', m.scope, l.tenant, a.address), 0) & 255) as key
    from jsonb_to_recordset(p_sends) as s (id uuid, channel text, recipient text)
    join lateral (
      select minutehand.tenant_of(e) as tenant from public.automation_execution_logs e where e.id = s.id
    ) l on true
    cross join lateral minutehand.limits_for(l.tenant, s.channel) m
    cross join lateral minutehand.limit_subjects(m, s.recipient) as a (address)
    order by 1
  ) keys;
end
$$;

-- minutehand.next_free_at(limit, tenant, address, key, now) -> when there is room for one more; null when there is now, 'infinity'
-- when none may ever leave.  Counts sends that were reserved and have left, or may have left; not those that were refused.
create or replace function minutehand.next_free_at(
  p_limit public.automation_limits, p_tenant text, p_address text, p_key text, p_now timestamptz
) returns timestamptz language plpgsql stable set search_path = '' as $$
begin
  if p_limit.n = 0 then
    return 'infinity';
  elsif p_limit.scope = 'tenant' then
    return (
      select least(c.reserved_at, p_now) + p_limit.per
      from public.communication_logs c
      where minutehand.tenant_of(c) = p_tenant and c.reserved_at > p_now - p_limit.per
        and (p_limit.channel = '' or c.channel = p_limit.channel)
        and c.status in ('reserved', 'sent', 'uncertain') and c.idempotency_key is distinct from p_key
      order by c.reserved_at desc offset p_limit.n - 1 limit 1);
  end if;
  return (
    select least(c.reserved_at, p_now) + p_limit.per
    from (
      select s.*, minutehand.tenant_of(s) as tenant
      from public.communication_logs s
      where minutehand.fold_case(left(s.recipient, 320)) = left(p_address, 320) and s.recipient not like '%, %'
        and s.reserved_at > p_now - p_limit.per
      union all
      select s.*, minutehand.tenant_of(s)
      from public.communication_logs s
      where string_to_array(minutehand.fold_case(s.recipient), ', ') @> array[p_address] and s.recipient like '%, %'
        and s.reserved_at > p_now - p_limit.per
    ) c
    where c.tenant = p_tenant
      and (p_limit.channel = '' or c.channel = p_limit.channel)
      and c.status in ('reserved', 'sent', 'uncertain') and c.idempotency_key is distinct from p_key
    order by c.reserved_at desc offset p_limit.n - 1 limit 1);
end
$$;

-- minutehand.exceeded_limit(tenant, channel, recipient, key, now) -> (code, until, reason, is_delayed); code is null when it
-- may leave. Of several exceeded limits a drop decides, then the one that lasts longest.
create or replace function minutehand.exceeded_limit(
  p_tenant text, p_channel text, p_recipient text, p_key text, p_now timestamptz,
  out code text, out until timestamptz, out reason text, out is_delayed boolean
) language plpgsql stable set search_path = '' as $$
declare
  v_limit record;
begin
  for v_limit in
    select m.*, a.address, minutehand.next_free_at(m, p_tenant, a.address, p_key, p_now) as until
    from minutehand.limits_for(p_tenant, p_channel) m
    cross join lateral minutehand.limit_subjects(m, p_recipient) as a (address)
  loop
    continue when v_limit.until is null;
    continue when code is not null and not (
      is_delayed and (v_limit.on_exceed = 'drop' or v_limit.n = 0 or v_limit.until > until));
    code := case v_limit.scope when 'recipient' then 'recipient_limit' else 'tenant_limit' end;
    until := v_limit.until;
    is_delayed := v_limit.on_exceed = 'delay' and v_limit.n > 0;
    reason := format(
      '%s %s %s within %s; %s', v_limit.n, case v_limit.channel when '' then 'messages' else v_limit.channel end,
      case v_limit.scope when 'recipient' then 'to ' || v_limit.address else 'of this tenant' end,
      minutehand.interval_text(v_limit.per), case v_limit.n when 0 then 'none may leave' else 'the next may leave at '
        || minutehand.utc_text(until) end);
  end loop;
end
$$;

-- minutehand.limit_json(limit) -> jsonb: as lists show it, its period as text.
create or replace function minutehand.limit_json(p_limit public.automation_limits) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'scope', p_limit.scope, 'tenant', p_limit.tenant, 'channel', p_limit.channel, 'n', p_limit.n,
    'per', minutehand.interval_text(p_limit.per), 'on_exceed', p_limit.on_exceed)
$$;
