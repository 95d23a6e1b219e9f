-- automation_triggers() -> [{"table", "id", "type", "status", "tenant", "exclude", "links", "writable", "enabled",
--   "problem", "remedy": as minutehand.watch_problem, where its changes are not recorded}]
-- The watched tables, as their triggers say.  Locks: none.  Errors: none.  Called by: store.triggers.
create or replace function public.automation_triggers()
returns jsonb language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(
    jsonb_build_object('table', w.name, 'enabled', w.enabled) || w.config || coalesce(minutehand.watch_problem(w), '{}')
    order by w.schema_name, w.table_name), '[]')
  from minutehand.watched w
$$;
comment on function public.automation_triggers is 'minutehand: the watched tables';
