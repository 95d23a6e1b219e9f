-- automation_limits() -> [{"scope", "tenant", "channel", "n", "per", "on_exceed"}]: the limits of sends that are set.
-- Locks: none.  Errors: none.  Called by: store.limits.
create or replace function public.automation_limits()
returns jsonb language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(minutehand.limit_json(l) order by l.scope, l.tenant, l.channel), '[]')
  from public.automation_limits l
$$;
comment on function public.automation_limits is 'minutehand: lists the limits of sends';
