-- automation_identity(p_now) -> minutehand.identity_words: which database this is, for the dashboard's pages.
-- Locks: none.  Errors: none.  Called by: store.identity.
create or replace function public.automation_identity(p_now timestamptz default null)
returns jsonb language sql stable security definer set search_path = '' as $$
  select minutehand.identity_words(coalesce(p_now, now()))
$$;
comment on function public.automation_identity is 'minutehand: which database this is, the one in use or a copy';
