-- automation_trigger_add(p_table, p_id, p_type, p_status, p_tenant, p_exclude, p_links, p_writable, p_global, p_user, p_soft_delete) ->
--   the table's entry as in automation_triggers
-- Watches a table: makes the trigger, or replaces it when its settings differ.  Defaults: the type is the table's name in
-- the singular; the tenant is organization_id (organizationId) where that column exists and is filled, else p_user, which is
-- user_id (userId); p_tenant = 'none' says that the app has a single one.
-- p_links: as minutehand.configured_links reads them; each must be readable now.
-- p_soft_delete: the column that the app sets instead of deleting a row (minutehand.soft_deleted_event).
-- p_global names linked tables that belong to no tenant and are shown to each.
-- Errors: MH404 no such table or column; MH400 no tenant column, a view, a partition, a table of ours, a key that is not unique; 42501 our owner may not watch it; 55P03 the
-- table is in use: the lock is waited for 3 s at most, since all writers of the table queue up behind whoever waits.
-- Locks: SHARE ROW EXCLUSIVE on the table for an instant, none when nothing changes.  Called by: store.add_trigger.
create or replace function public.automation_trigger_add(
  p_table text, p_id text default 'id', p_type text default null, p_status text default 'status',
  p_tenant text default null, p_exclude jsonb default '[]', p_links jsonb default '{}', p_writable boolean default false,
  p_global jsonb default '[]', p_user text default null, p_soft_delete text default null
) returns jsonb language plpgsql security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  v_relation regclass := minutehand.find_table(p_table);
  v_class pg_catalog.pg_class := (select c from pg_catalog.pg_class c where c.oid = v_relation);
  v_schema text := (select nspname from pg_catalog.pg_namespace where oid = v_class.relnamespace);
  v_label text := minutehand.table_name(v_schema, v_class.relname);
  v_user text := coalesce(p_user, minutehand.default_column(v_relation, '{user_id,userId}'));
  v_tenant text := minutehand.tenant_column(v_relation, p_tenant, v_user);
  v_config jsonb;
  v_needs text[];
begin
  if v_label like 'automation\_%' or v_label = 'communication_logs' or v_schema = 'minutehand' then
    raise exception '% is one of Minutehand''s own tables', v_label
      using errcode = 'MH400', hint = 'Watch a table of the app.';
  end if;
  if v_class.relispartition then
    raise exception 'table % is a partition of %', v_label, minutehand.table_label(pg_partition_root(v_relation))
      using errcode = 'MH400', hint = format('Watch the whole table: minutehand trigger add %s.',
        minutehand.table_label(pg_partition_root(v_relation)));
  end if;
  perform minutehand.need_to_watch(v_relation, p_writable);
  perform minutehand.need_column(v_relation, column_name)
  from (
    select v_tenant union select nullif(p_status, 'status') union select p_user union select p_soft_delete
  ) as needed (column_name);
  perform minutehand.check_key(v_relation, p_id, v_tenant);
  v_config := jsonb_build_object(
    'id', p_id, 'type', coalesce(p_type, minutehand.singular(minutehand.fold_case(v_class.relname))), 'status', p_status,
    'tenant', v_tenant, 'user', v_user, 'exclude', p_exclude, 'links', p_links, 'writable', p_writable)
    || case when p_soft_delete is null then '{}' else jsonb_build_object('soft_delete', p_soft_delete) end;
  perform minutehand.check_links(v_relation, v_config);
  perform minutehand.check_excluded(v_relation, v_config);
  if p_global <> '[]' then
    v_config := v_config || jsonb_build_object('global_tables', minutehand.global_tables(v_relation, v_config, p_global));
  end if;
  if v_class.relkind = 'p' then
    v_config := v_config || jsonb_build_object('table', v_label);
  end if;
  v_config := v_config || minutehand.virtual_columns(v_relation);

  v_needs := array_remove(array[
    p_id, v_tenant, case when minutehand.has_column(v_relation, p_status) then p_status end, p_soft_delete], null);
  if not exists (
      select from minutehand.watched
      where relation = v_relation and config = v_config and needs @> v_needs and enabled and trigger = '!minutehand_capture')
     or not minutehand.are_moves_noted(v_relation) then
    perform minutehand.remove_triggers(v_relation, '{minutehand_capture}');
    -- A replaced trigger is enabled again.
    execute format(
      'create or replace trigger "!minutehand_capture" after insert or update or delete on %s for each row '
      'execute function public.automation_capture(%L, %L)', v_relation, v_config::text, v_needs::text);
    if v_class.relkind = 'p' then
      perform minutehand.note_moves(v_relation, v_config);
    end if;
    perform minutehand.forget_verdicts();
  end if;
  perform minutehand.decide_signing();
  return v_config || jsonb_build_object('table', v_label, 'enabled', true);
end
$$;
comment on function public.automation_trigger_add is 'minutehand: watches a table; for the owner';

-- minutehand.global_tables(relation, config, names) -> their names as linked rows have them.  Errors: MH404 for one that the
-- table does not refer to.
create or replace function minutehand.global_tables(p_relation regclass, p_config jsonb, p_names jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_names text[] := array(
    select regexp_replace(replace(name, '"', ''), '^public\.', '') from jsonb_array_elements_text(p_names) as name);
  v_unknown text;
begin
  select name into v_unknown
  from unnest(v_names) as name
  where name not in (select words ->> 'table' from minutehand.linked_tables(p_relation, p_config));
  if v_unknown is not null then
    raise exception 'table % does not refer to a table %', p_relation, v_unknown
      using errcode = 'MH404', hint = 'Link it first: --link COLUMN=TABLE.';
  end if;
  return to_jsonb(v_names);
end
$$;

-- minutehand.check_links(relation, config): nothing, or MH404 where one of the links that the trigger names cannot be read.
create or replace function minutehand.check_links(p_relation regclass, p_config jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_link record;
begin
  for v_link in select * from minutehand.configured_links(p_relation, p_config) loop
    if not minutehand.has_column(p_relation, v_link.link_column) then
      raise exception 'table % has no column %', p_relation, v_link.link_column
        using errcode = 'MH404', hint = 'Write --link COLUMN=TABLE, or --link NAME=COLUMN:TABLE.';
    elsif v_link.name in ('old', 'trigger', 'workflow', 'now', p_config ->> 'type') then
      raise exception 'a link cannot be called %: templates have that name for something else', v_link.name
        using errcode = 'MH400', hint = 'Give it another name: --link NAME=COLUMN:TABLE.';
    elsif v_link.target is not null and minutehand.missing_columns(v_link.target, array[v_link.target_column]) <> '{}' then
      raise exception '% has no column %, to which % would refer', v_link.label, v_link.target_column, v_link.link_column
        using errcode = 'MH404', hint = format('Name the column: --link %s=%s.COLUMN.', v_link.link_column, v_link.label);
    end if;
  end loop;
  for v_link in
    select l.problem ->> 'reason' as reason, l.words ->> 'columns' as columns
    from minutehand.linked_tables(p_relation, p_config) l
    where l.problem is not null and (l.words -> 'columns') ?| array(
      select c.link_column from minutehand.configured_links(p_relation, p_config) c)
  loop
    raise exception '%', v_link.reason
      using errcode = 'MH404', hint = 'Write --link COLUMN=TABLE, with the table''s schema unless it is that of the watched table.';
  end loop;
end
$$;

-- minutehand.check_excluded(relation, config): nothing, or MH404 where an excluded name is neither a column nor, as "link.column",
-- one of a linked table.
create or replace function minutehand.check_excluded(p_relation regclass, p_config jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_name text;
  v_target oid;
begin
  for v_name in select jsonb_array_elements_text(p_config -> 'exclude') loop
    if position('.' in v_name) = 0 or minutehand.has_column(p_relation, v_name) then
      perform minutehand.need_column(p_relation, v_name);
    else
      select l.target into v_target
      from minutehand.linked_tables(p_relation, p_config) l
      where l.name = split_part(v_name, '.', 1);
      if v_target is null then
        raise exception 'table % has no link %', p_relation, split_part(v_name, '.', 1)
          using errcode = 'MH404', hint = 'A link is named after its column: client_id and clientId give client.';
      end if;
      perform minutehand.need_column(v_target, substr(v_name, position('.' in v_name) + 1));
    end if;
  end loop;
end
$$;

-- minutehand.check_key(relation, column, tenant column): nothing, or MH400 where the column does not tell rows apart.
create or replace function minutehand.check_key(p_relation regclass, p_column text, p_tenant text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if position(',' in p_column) > 0 then
    raise exception 'a table is watched by one column, not by %', p_column
      using errcode = 'MH400', hint = 'Name a column that is unique by itself with --id.';
  end if;
  perform minutehand.need_column(p_relation, p_column);
  if not minutehand.is_key(p_relation, p_column, p_tenant) then
    raise exception 'column % of table % is not unique: several rows may have the same value', p_column, p_relation
      using errcode = 'MH400',
            hint = 'Name a column with a primary key or a unique index of its own with --id, or create that index.';
  end if;
end
$$;

-- minutehand.need_column(relation, column): nothing, or MH404.  A null column is no need.
create or replace function minutehand.need_column(p_relation regclass, p_column text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if p_column is not null and not minutehand.has_column(p_relation, p_column) then
    raise exception 'table % has no column %', p_relation, p_column
      using errcode = 'MH404', hint = 'Name another with --id, --tenant, --user, --soft-delete or --exclude.';
  end if;
end
$$;

-- minutehand.tenant_column(relation, asked, user column) -> the column that names a row's tenant, or null for a single tenant.
create or replace function minutehand.tenant_column(p_relation regclass, p_asked text, p_user text) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_organization constant text := minutehand.default_column(p_relation, '{organization_id,organizationId}');
  v_has_user constant boolean := minutehand.has_column(p_relation, p_user);
  v_filled boolean;
  v_similar text;
begin
  if p_asked is not null then
    return nullif(p_asked, 'none');
  end if;
  if minutehand.has_column(p_relation, v_organization) then
    -- "Filled": some row has it, or there is none yet.  An app often adds the column long before it writes it.
    execute format('select exists (select from %1$s where %2$I is not null) or not exists (select from %1$s)',
                   p_relation, v_organization) into v_filled;
    if v_filled or not v_has_user then
      return v_organization;
    end if;
  end if;
  if v_has_user then
    return p_user;
  end if;
  select min(name) into v_similar
  from unnest('{org_id,organisation_id,organizationId,orgId,workspace_id,workspaceId,team_id,teamId,account_id,accountId,tenant_id,tenantId,company_id,companyId}'::text[])
    as name
  where minutehand.has_column(p_relation, name);
  raise exception 'table % has neither organization_id nor user_id', p_relation
    using errcode = 'MH400',
          hint = format('Say whose its rows are: --tenant %s (an organisation), --user COLUMN (a user), '
            'or --tenant none if the app has a single tenant.', coalesce(v_similar, 'COLUMN'));
end
$$;

-- minutehand.singular(name) -> text: jobs -> job, properties -> property, addresses -> address, job_statuses -> job_status,
-- expenses -> expense, warehouses -> warehouse; what it gets wrong, --type says.
create or replace function minutehand.singular(p_name text) returns text language sql immutable as $$
  select case
    when p_name ~ '[^aeiou]ies$' then regexp_replace(p_name, 'ies$', 'y')
    when p_name ~ '(ss|x|ch|sh|[^aeo]us)es$' then regexp_replace(p_name, 'es$', '')
    when p_name ~ '[^usi]s$' then regexp_replace(p_name, 's$', '')
    else p_name
  end
$$;
