-- automation_installation(p_now) -> as minutehand.installation: the watched tables with their columns and links, and what the
-- processors' steps can use.  All workflows are judged against it.
-- Locks: none.  Errors: none.  Called by: store.installation.
create or replace function public.automation_installation(p_now timestamptz default null)
returns jsonb language sql stable security definer set search_path = '' set jit = off as $$
  select minutehand.installation(coalesce(p_now, now()))
$$;
comment on function public.automation_installation is 'minutehand: what workflows are judged against';
