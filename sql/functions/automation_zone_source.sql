-- automation_zone_source(p_table, p_key, p_column, p_actor, p_now) -> {"table", "key", "column", "problem", "tenants": how many have one}
-- From now on the zones of tenants are read from this column of the app's: p_key is the tenant's id, as the workflows name it.
-- Ticks read it, some rows a minute; this call reads the first.  p_table null: no longer, and what was read is forgotten.
-- p_actor: {"via", "name"} of the person, or null.
-- Errors: MH404 no such table; MH400 no table, or no such column.  Locks: waits 250 ms at most for those of the table.  Called by: store.set_zone_source.
create or replace function public.automation_zone_source(
  p_table text default null, p_key text default null, p_column text default null, p_actor jsonb default null,
  p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_relation constant regclass := case when p_table is not null then minutehand.find_table(p_table) end;
  v_missing text;
begin
  select string_agg(c, ', ') into v_missing
  from unnest(array[p_key, p_column]) as c
  where p_table is not null and not minutehand.has_column(v_relation, coalesce(c, ''));
  if v_missing is not null or p_table is not null and (p_key is null or p_column is null) then
    raise exception 'table % has no column %', p_table, coalesce(v_missing, 'of this name') using errcode = 'MH400',
      hint = 'Name the column of the tenant''s id, and that of its time zone.';
  end if;
  delete from minutehand.zone_source;
  update public.automation_tenants set app_timezone = null, updated_at = v_now where app_timezone is not null;
  delete from public.automation_tenants where timezone is null and settings = '{}';
  if p_table is not null then
    insert into minutehand.zone_source (table_name, key_column, zone_column) values (v_relation::text, p_key, p_column);
    perform minutehand.read_zones(5000, v_now);
  end if;
  perform minutehand.audit('zone_source', coalesce(p_table, ''), p_actor, jsonb_strip_nulls(jsonb_build_object(
    'table', p_table, 'key', p_key, 'column', p_column)), v_now);
  return coalesce(nullif(public.automation_tenants('') -> 'zone_source', 'null'), '{}') || jsonb_build_object(
    'tenants', (select count(*) from public.automation_tenants where app_timezone is not null));
end
$$;
comment on function public.automation_zone_source is 'minutehand: sets the column that has the time zones of tenants';
