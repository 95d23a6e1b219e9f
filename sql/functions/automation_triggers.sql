-- automation_triggers() -> [{"table", "id", "type", "status", "tenant", "exclude", "links", "writable", "enabled"}]
-- The watched tables, as their triggers say.  Locks: none.  Errors: none.  Called by: store.triggers.
create or replace function public.automation_triggers()
returns jsonb language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(
    jsonb_build_object('table', name, 'enabled', enabled) || config
    order by schema_name, table_name), '[]')
  from minutehand.watched
$$;
comment on function public.automation_triggers is 'minutehand: the watched tables';
