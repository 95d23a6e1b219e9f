-- automation_schema_version() -> {"version": number of the newest migration applied, "missing": minutehand.missing_from_schema,
--   "hidden": minutehand.hidden_tables}
-- Locks: none.  Errors: none.  Called by: store.schema_version, automation_tick.
create or replace function public.automation_schema_version()
returns jsonb language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'version', coalesce(max(left(name, 4)::integer), 0), 'missing', minutehand.missing_from_schema(),
    'hidden', minutehand.hidden_tables())
  from public.automation_migrations
  where name ~ '^\d{4}_'
$$;
comment on function public.automation_schema_version is 'minutehand: which migrations this database has';
