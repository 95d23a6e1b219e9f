-- automation_context(p_items, p_now) -> [{"id", "held", "stop"?: {"ended", "code", "reason"}, "type", "row", "old",
--   "links": {"client": {…}}}]
-- What templates see, read fresh, and the last look before a step (R15): p_items is [{"id", "token"}] of claimed
-- executions.  `held` is false where the lease is lost.  `stop` says why the execution must not go on: workflow off
-- (skipped), row gone (skipped), paused (released: held, not skipped), another tenant's row (failed).
-- A linked row is reached by a foreign key within the table's own schema (client_id -> client), or by the trigger's
-- `links`; one that belongs to another tenant is not shown.
-- Locks: none.  Errors: none.  Called by: store.context; automation_record_step answers the same for the next step.
create or replace function public.automation_context(p_items jsonb, p_now timestamptz default null)
returns jsonb language sql stable security definer set search_path = '' as $$
  select minutehand.context(p_items, coalesce(p_now, now()))
$$;
comment on function public.automation_context is 'minutehand: the rows an execution is about, read fresh';

create or replace function minutehand.context(p_items jsonb, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_rows jsonb := '{}';
  v_table record;
  v_result jsonb;
begin
  for v_table in
    select minutehand.table_of(l.trigger_data::jsonb) as label, array_agg(distinct l.entity_id) as ids
    from jsonb_to_recordset(p_items) as i (id uuid)
    join public.automation_execution_logs l on l.id = i.id
    where l.entity_id is not null
    group by 1
  loop
    if v_table.label is not null then
      v_rows := v_rows || jsonb_build_object(v_table.label, minutehand.read_rows(v_table.label, v_table.ids));
    end if;
  end loop;

  select jsonb_agg(jsonb_build_object(
    'id', i.id,
    'held', coalesce(l.lease_token = i.token and l.lease_expires_at is not null, false),
    'stop', minutehand.stop_of(l, w, e.operation, found.entry, v_rows -> t.label),
    'type', v_rows -> t.label ->> 'type',
    'row', coalesce(found.entry -> 'row', case when e.operation = 'DELETE' then e.old end),
    'links', coalesce(found.entry -> 'links', '{}'),
    'old', case when e.operation = 'UPDATE' then e.new || e.old else e.old end))
  into v_result
  from jsonb_to_recordset(p_items) as i (id uuid, token uuid)
  left join public.automation_execution_logs l on l.id = i.id
  left join public.automation_workflows w on w.id = l.workflow_id
  left join public.automation_events e on e.id = l.event_id
  cross join lateral (select minutehand.table_of(l.trigger_data::jsonb) as label) t
  cross join lateral (select v_rows -> t.label -> 'rows' -> l.entity_id as entry) found;
  return coalesce(v_result, '[]');
end
$$;

-- minutehand.stop_of(log, workflow, operation, entry, table) -> jsonb: why the execution must not go on, or null.
create or replace function minutehand.stop_of(
  p_log public.automation_execution_logs, p_workflow public.automation_workflows, p_operation text, p_entry jsonb,
  p_table jsonb
) returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_row jsonb := p_entry -> 'row';
begin
  if p_workflow.id is null or not minutehand.is_on(p_workflow) then
    return jsonb_build_object('ended', 'skipped', 'code', 'workflow_off', 'reason', 'the workflow was switched off');
  elsif exists (select from public.automation_control) and minutehand.is_paused(
      p_log.organization_id::text, p_log.user_id::text, p_log.workflow_id) then
    return jsonb_build_object('ended', 'released', 'code', 'paused', 'reason', 'paused');
  elsif p_table is null or p_operation = 'DELETE' then
    return null;
  elsif v_row is null then
    return jsonb_build_object(
      'ended', 'skipped', 'code', 'row_gone', 'reason', format('%s %s is gone', p_table ->> 'type', p_log.entity_id));
  elsif p_table ->> 'tenant' is not null and not minutehand.same_tenant(
      v_row ->> (p_table ->> 'tenant'), v_row ->> (p_table ->> 'user'),
      p_workflow.organization_id::text, p_workflow.user_id::text) then
    return jsonb_build_object(
      'ended', 'failed', 'code', 'other_tenant',
      'reason', format('%s %s belongs to another tenant than the workflow', p_table ->> 'type', p_log.entity_id));
  end if;
  return null;
end
$$;

-- minutehand.table_of(trigger_data) -> text: the watched table a payload is about: by name, else by a key like job_id.
create or replace function minutehand.table_of(p_data jsonb) returns text
language sql stable set search_path = '' as $$
  select coalesce(
    p_data ->> 'table_name',
    (
      select minutehand.label(schema_name, table_name)
      from minutehand.watched
      where p_data ? ((config ->> 'type') || '_id') or p_data ? ((config ->> 'type') || 'Id')
      order by 1
      limit 1
    ))
$$;

-- minutehand.read_rows(label, ids) -> {"type", "tenant", "user", "rows": {"<id>": {"row": {…}, "links": {…}}}}, or null
-- when the table is not watched.  One query for the rows and one for each link, however many rows.
create or replace function minutehand.read_rows(p_label text, p_ids text[]) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_watched record;
  v_link record;
  v_rows jsonb;
  v_linked jsonb;
begin
  select * into v_watched from minutehand.watched where minutehand.label(schema_name, table_name) = p_label limit 1;
  if not found then
    return null;
  end if;
  v_rows := minutehand.rows_by_key(
    v_watched.relation, v_watched.config ->> 'id', p_ids,
    array(select jsonb_array_elements_text(coalesce(v_watched.config -> 'exclude', '[]'))));
  v_rows := coalesce(
    (select jsonb_object_agg(key, jsonb_build_object('row', value, 'links', '{}'::jsonb)) from jsonb_each(v_rows)), '{}');

  for v_link in select * from minutehand.links(v_watched.relation, v_watched.config -> 'links') loop
    v_linked := minutehand.rows_by_key(
      v_link.target, v_link.target_column,
      array(select distinct value -> 'row' ->> v_link.link_column from jsonb_each(v_rows)), '{}');
    if v_linked <> '{}' then
      v_rows := (
        select jsonb_object_agg(r.key, case
          when l.found is null or minutehand.is_walled_off(l.found, r.value -> 'row', v_watched.config) then r.value
          else jsonb_set(r.value, array['links', v_link.name], l.found)
        end)
        from jsonb_each(v_rows) r
        cross join lateral (select v_linked -> (r.value -> 'row' ->> v_link.link_column) as found) l);
    end if;
  end loop;
  return jsonb_build_object(
    'type', v_watched.config ->> 'type', 'tenant', v_watched.config ->> 'tenant',
    'user', coalesce(v_watched.config ->> 'user', 'user_id'), 'rows', v_rows);
end
$$;

-- minutehand.is_walled_off(linked row, row, config) -> boolean: does the linked row say it is another tenant's?
create or replace function minutehand.is_walled_off(p_linked jsonb, p_row jsonb, p_config jsonb) returns boolean
language sql immutable as $$
  select p_config ->> 'tenant' is not null
     and p_linked ->> (p_config ->> 'tenant') is not null
     and p_linked ->> (p_config ->> 'tenant') is distinct from p_row ->> (p_config ->> 'tenant')
$$;

-- minutehand.links(relation, configured) -> (name, link_column, target, target_column)
-- Foreign keys of one column within the table's own schema, so that no template reaches auth.users; and what the trigger
-- names where the app has no constraint: {"client_id": "clients"} or {"client_id": "clients.ref"}.
create or replace function minutehand.links(p_relation oid, p_configured jsonb)
returns table (name text, link_column text, target oid, target_column text)
language sql stable set search_path = '' as $$
  with schema_of as (
    select relnamespace from pg_catalog.pg_class where oid = p_relation
  ), configured as (
    select key as link_column, split_part(value, '.', 1) as table_name,
           coalesce(nullif(split_part(value, '.', 2), ''), 'id') as target_column
    from jsonb_each_text(case when jsonb_typeof(p_configured) = 'object' then p_configured else '{}' end)
  )
  select regexp_replace(c.link_column, '_id$', ''), c.link_column, t.oid, c.target_column
  from configured c
  join pg_catalog.pg_class t on t.relname = c.table_name and t.relnamespace = (select relnamespace from schema_of)
  join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attname = c.target_column and not a.attisdropped
  union
  select regexp_replace(a.attname, '_id$', ''), a.attname, k.confrelid, f.attname
  from pg_catalog.pg_constraint k
  join pg_catalog.pg_class t on t.oid = k.confrelid and t.relnamespace = (select relnamespace from schema_of)
  join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
  join pg_catalog.pg_attribute f on f.attrelid = k.confrelid and f.attnum = k.confkey[1]
  where k.conrelid = p_relation and k.contype = 'f' and cardinality(k.conkey) = 1
    and a.attname not in (select c.link_column from configured c)
$$;

-- minutehand.rows_by_key(relation, column, keys, exclude) -> {"<key>": row}.  The keys are cast to the column's type, so that its
-- index serves; a key that is none of that type finds nothing, and costs its neighbours nothing but the index.
create or replace function minutehand.rows_by_key(p_relation oid, p_column text, p_keys text[], p_exclude text[])
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_type text := (
    select format_type(atttypid, null)
    from pg_catalog.pg_attribute where attrelid = p_relation and attname = p_column and not attisdropped);
  v_rows jsonb;
begin
  if v_type is null then
    return '{}';
  end if;
  begin
    execute format(
      'select jsonb_object_agg(t.%1$I::text, to_jsonb(t) - $2) from %2$s t where t.%1$I = any ($1::%3$s[])',
      p_column, p_relation::regclass, v_type)
    into v_rows using p_keys, p_exclude;
  exception when data_exception then
    execute format(
      'select jsonb_object_agg(t.%1$I::text, to_jsonb(t) - $2) from %2$s t where t.%1$I::text = any ($1)',
      p_column, p_relation::regclass)
    into v_rows using p_keys, p_exclude;
  end;
  return coalesce(v_rows, '{}');
end
$$;
