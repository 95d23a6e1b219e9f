-- automation_trigger_add(p_table, p_id, p_type, p_status, p_tenant, p_exclude, p_links, p_writable) -> the table's entry as in
--   automation_triggers
-- Watches a table: makes the trigger, or replaces it when its settings differ.  Defaults: the type is the table's name in
-- the singular; the tenant is organization_id where that column exists and is filled, else user_id; p_tenant = 'none'
-- says that the app has a single one.
-- Errors: MH404 no such table or column; MH400 no tenant column, a table of ours.
-- Locks: SHARE ROW EXCLUSIVE on the table for an instant.  Called by: store.add_trigger.
create or replace function public.automation_trigger_add(
  p_table text, p_id text default 'id', p_type text default null, p_status text default 'status',
  p_tenant text default null, p_exclude jsonb default '[]', p_links jsonb default '{}', p_writable boolean default false
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_relation regclass := minutehand.find_table(p_table);
  v_name text := (select relname from pg_catalog.pg_class where oid = v_relation);
  v_tenant text := minutehand.tenant_column(v_relation, p_tenant);
  v_config jsonb;
begin
  if v_name like 'automation\_%' or v_name = 'communication_logs' then
    raise exception '% is one of Minutehand''s own tables', v_name
      using errcode = 'MH400', hint = 'Watch a table of the app.';
  end if;
  perform minutehand.need_column(v_relation, p_id);
  perform minutehand.need_column(v_relation, v_tenant);
  perform minutehand.need_column(v_relation, value) from jsonb_array_elements_text(p_exclude);
  v_config := jsonb_build_object(
    'id', p_id, 'type', coalesce(p_type, minutehand.singular(v_name)), 'status', p_status, 'tenant', v_tenant,
    'user', 'user_id', 'exclude', p_exclude, 'links', p_links, 'writable', p_writable);

  execute format('drop trigger if exists minutehand_capture on %s', v_relation);
  execute format(
    'create trigger minutehand_capture after insert or update or delete on %s for each row '
    'execute function public.automation_capture(%L)', v_relation, v_config::text);
  return v_config || jsonb_build_object('table', p_table, 'enabled', true);
end
$$;
comment on function public.automation_trigger_add is 'minutehand: watches a table';

-- minutehand.find_table(name) -> regclass.  `jobs` or `app.jobs`; an ordinary or partitioned table.  Errors: MH404.
create or replace function minutehand.find_table(p_table text) returns regclass
language plpgsql stable set search_path = '' as $$
declare
  v_relation regclass;
begin
  select c.oid into v_relation
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where minutehand.label(n.nspname, c.relname) = regexp_replace(p_table, '^public\.', '') and c.relkind in ('r', 'p');
  if v_relation is null then
    raise exception 'there is no table %', p_table
      using errcode = 'MH404', hint = 'Name it as it stands in the database, with its schema unless that is public.';
  end if;
  return v_relation;
end
$$;

-- minutehand.need_column(relation, column): nothing, or MH404.  A null column is no need.
create or replace function minutehand.need_column(p_relation regclass, p_column text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if p_column is not null and not exists (
      select from pg_catalog.pg_attribute
      where attrelid = p_relation and attname = p_column and attnum > 0 and not attisdropped) then
    raise exception 'table % has no column %', p_relation, p_column
      using errcode = 'MH404', hint = 'Name another with --id, --tenant or --exclude.';
  end if;
end
$$;

-- minutehand.tenant_column(relation, asked) -> the column that names a row's tenant, or null for a single tenant.
create or replace function minutehand.tenant_column(p_relation regclass, p_asked text) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_columns text[] := array(
    select attname::text from pg_catalog.pg_attribute where attrelid = p_relation and attnum > 0 and not attisdropped);
  v_empty boolean := true;
begin
  if p_asked is not null then
    return nullif(p_asked, 'none');
  end if;
  if 'organization_id' = any (v_columns) then
    -- "Filled": the newest rows have it.  An app often adds the column long before it writes it.
    execute format('select not exists (select from (select * from %1$s limit 1000) t where organization_id is not null) '
                   'and exists (select from %1$s)', p_relation) into v_empty;
    if not v_empty or not 'user_id' = any (v_columns) then
      return 'organization_id';
    end if;
  end if;
  if 'user_id' = any (v_columns) then
    return 'user_id';
  end if;
  raise exception 'table % has neither organization_id nor user_id', p_relation
    using errcode = 'MH400',
          hint = 'Say whose its rows are: --tenant COLUMN, or --tenant none if the app has a single tenant.';
end
$$;

-- minutehand.singular(name) -> text: jobs -> job, properties -> property, addresses -> address, job_statuses -> job_status.
create or replace function minutehand.singular(p_name text) returns text language sql immutable as $$
  select case
    when p_name ~ 'ies$' then regexp_replace(p_name, 'ies$', 'y')
    when p_name ~ '(s|x|z|ch|sh)es$' then regexp_replace(p_name, 'es$', '')
    when p_name ~ '[^s]s$' then regexp_replace(p_name, 's$', '')
    else p_name
  end
$$;
