-- automation_limits() -> [{"scope", "tenant", "channel", "n", "per", "on_exceed"}]: the limits of sends that are set.
-- Locks: none.  Errors: none.  Called by: store.limits.
create or replace function public.automation_limits()
returns jsonb language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(minutehand.shown_limit(l) order by l.scope, l.tenant, l.channel), '[]')
  from public.automation_limits l
$$;
comment on function public.automation_limits is 'minutehand: lists the limits of sends';

-- minutehand.shown_limit(limit) -> jsonb: as lists show it, its period in words.
create or replace function minutehand.shown_limit(p_limit public.automation_limits) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'scope', p_limit.scope, 'tenant', p_limit.tenant, 'channel', p_limit.channel, 'n', p_limit.n,
    'per', minutehand.in_words(p_limit.per), 'on_exceed', p_limit.on_exceed)
$$;
