-- Time zones: in which one a workflow's days, hours and moments are meant.  The workflow says so (settings.timezone), else its
-- tenant (automation_tenants: set by a person, else read from the app's own table), else the tenant '' of all, else UTC.

-- minutehand.record_zones(): notes the zones that this server knows.  pg_timezone_names reads a file for each, so it is asked at
-- each migration and never by a claim.
create or replace function minutehand.record_zones() returns void
language sql volatile set search_path = '' as $$
  insert into minutehand.zones (name)
  select n.name from pg_catalog.pg_timezone_names n where n.name ~ '^[A-Z][A-Za-z_]*/[A-Za-z]' or n.name = 'UTC'
  on conflict do nothing
$$;

-- minutehand.is_zone(name) -> boolean: a zone by its name of the IANA, in its spelling.  PostgreSQL itself would take much more
-- for one: abbreviations, other spellings, FOO+3.
create or replace function minutehand.is_zone(p_name text) returns boolean
language sql stable as $$
  select exists (select from minutehand.zones z where z.name = p_name)
$$;

-- minutehand.tenant_zone(tenant) -> text: its zone; never null.
create or replace function minutehand.tenant_zone(p_tenant text) returns text
language sql stable set search_path = '' as $$
  select coalesce((
    select z.name
    from public.automation_tenants t
    cross join lateral (values (1, t.timezone), (2, t.app_timezone)) as c (nr, name)
    join minutehand.zones z on z.name = c.name
    where t.tenant in (p_tenant, '')
    order by t.tenant = '', c.nr
    limit 1), 'UTC')
$$;

-- minutehand.workflow_zone(settings, tenant) -> text: the zone of a workflow; never null.  `settings.timezone` is a zone, "utc",
-- or "organization": the tenant's.  One of "recipient" concerns its messages; all else of it is meant in the tenant's.
create or replace function minutehand.workflow_zone(p_settings jsonb, p_tenant text) returns text
language sql stable set search_path = '' as $$
  select case
    when lower(p_settings ->> 'timezone') = 'utc' then 'UTC'
    when minutehand.is_zone(p_settings ->> 'timezone') then p_settings ->> 'timezone'
    else minutehand.tenant_zone(p_tenant) end
$$;

-- minutehand.zone_of(definition) -> text: the same, of a saved version.
create or replace function minutehand.zone_of(p_definition jsonb) returns text
language sql stable set search_path = '' as $$
  select minutehand.workflow_zone(
    p_definition -> 'settings', coalesce(p_definition ->> 'organization_id', p_definition ->> 'user_id', ''))
$$;

-- minutehand.zone_words() -> what `settings.timezone` may be beside a zone; the app's own words too.
create or replace function minutehand.zone_words() returns text[] language sql immutable as $$
  select '{utc,organization,business,recipient,customer_local}'::text[]
$$;

-- minutehand.zone_problem(settings) -> text: why `settings.timezone` cannot be read, or null.
create or replace function minutehand.zone_problem(p_settings jsonb) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('settings.timezone is %s: write a zone such as "Europe/Berlin", "utc", "organization" or "recipient"', left(v::text, 60))
  from (select p_settings -> 'timezone' as v) x
  where jsonb_typeof(v) <> 'null' and v <> '""'
    and not (jsonb_typeof(v) = 'string' and (minutehand.is_zone(v #>> '{}') or lower(v #>> '{}') = any (minutehand.zone_words())))
$$;

-- minutehand.read_zones(limit, now): copies the zones that the app's own table has, so many rows in a call, in the order of their
-- keys.  Why it cannot be read is kept for doctor.  Locks: waits 250 ms at most for those of the app.
create or replace function minutehand.read_zones(p_limit integer, p_now timestamptz) returns void
language plpgsql set search_path = '' set lock_timeout = '250ms' as $$
declare
  v_source minutehand.zone_source := (select s from minutehand.zone_source s);
  v_relation regclass;
  v_last text;
begin
  if v_source is null then
    return;
  end if;
  begin
    v_relation := minutehand.readable(v_source.table_name);
    if v_relation is null then
      raise exception 'table % does not exist, or may not be read', v_source.table_name;
    end if;
    execute format($q$
      with page as (
        select distinct on (key) key, zone
        from (
          select %1$I::text as key, %2$I::text as zone
          from %3$s
          where %1$I is not null and ($1 is null or %1$I::text > $1)
          order by %1$I::text
          limit $2
        ) r
        order by key, zone
      ), changed as (
        insert into public.automation_tenants as t (tenant, app_timezone, updated_at)
        select key, zone, $3 from page where zone is not null and key <> ''
        on conflict (tenant) do update set app_timezone = excluded.app_timezone, updated_at = excluded.updated_at
        where t.app_timezone is distinct from excluded.app_timezone
      ), cleared as (
        update public.automation_tenants t set app_timezone = null, updated_at = $3
        from page p where p.key = t.tenant and p.zone is null and t.app_timezone is not null
      )
      select case when count(*) < $2 then null else max(key) end from page $q$,
      v_source.key_column, v_source.zone_column, v_relation)
    into v_last using v_source.read_up_to, p_limit, p_now;
    update minutehand.zone_source set read_up_to = v_last, problem = null
    where read_up_to is distinct from v_last or problem is not null;
  exception when others then
    if minutehand.is_away(sqlstate) then
      raise;
    end if;
    update minutehand.zone_source set problem = sqlerrm where problem is distinct from sqlerrm;
  end;
end
$$;
