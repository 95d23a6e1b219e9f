-- automation_tenants(p_tenant, p_limit) -> {"tenants": [{"tenant", "timezone", "app_timezone", "settings", "updated_at"}],
--   "zone_source": {"table", "key", "column", "problem"} | null}
-- What holds for all of a tenant's workflows: of one tenant, or of all, by id, at most p_limit; tenant '' is what holds for the
-- others.  `timezone` is what a person set, `app_timezone` what the app's own table has.
-- Locks: none.  Errors: none.  Called by: store.tenants.
create or replace function public.automation_tenants(p_tenant text default null, p_limit integer default 1000)
returns jsonb language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'tenants', (
      select coalesce(jsonb_agg(to_jsonb(t) order by t.tenant), '[]')
      from (
        select * from public.automation_tenants
        where p_tenant is null or tenant = p_tenant
        order by tenant limit least(greatest(p_limit, 0), 10000)
      ) t),
    'zone_source', (
      select jsonb_build_object(
        'table', regexp_replace(table_name, '^public\.', ''), 'key', key_column, 'column', zone_column,
        'problem', problem)
      from minutehand.zone_source))
$$;
comment on function public.automation_tenants is 'minutehand: lists what holds for all of a tenant''s workflows';
