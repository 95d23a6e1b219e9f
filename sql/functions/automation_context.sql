-- automation_context(p_items, p_now) -> [{"id", "held", "stop"?: {"ended", "code", "reason"}, "type", "status", "row",
--   "old", "links": {"client": {…}}}]; `status` is the name of the row's status column
-- What templates see, read fresh, and the last look before a step (R15): p_items is [{"id", "token"}] of claimed
-- executions.  `held` is false where the lease is lost.  `stop` says why the execution must not go on: workflow off
-- (skipped), row gone (skipped), paused (released: held, not skipped), another tenant's row (failed).
-- A linked row is reached by a foreign key within the table's own schema (client_id -> client), or by the trigger's
-- `links`; one that belongs to another tenant is not shown.
-- Locks: none.  Errors: none.  Called by: executors of the app's own; automation_advance answers the same.
create or replace function public.automation_context(p_items jsonb, p_now timestamptz default null)
returns jsonb language sql stable security definer set search_path = '' as $$
  select minutehand.context(p_items, coalesce(p_now, now()))
$$;
comment on function public.automation_context is 'minutehand: the rows an execution is about, read fresh';

-- One statement, whose parts are computed once each; the plan is kept, since planning it costs more than ten rows do.
create or replace function minutehand.context(p_items jsonb, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' set plan_cache_mode = force_generic_plan set random_page_cost = 1.1 as $$
declare
  v_result jsonb;
begin
  with asked as materialized (
    select i.id, i.token, l as log, l.event_id, l.workflow_id, l.entity_id,
           minutehand.table_of(l.trigger_data::jsonb) as label
    from jsonb_to_recordset(p_items) as i (id uuid, token uuid)
    left join public.automation_execution_logs l on l.id = i.id
  ), tables as materialized (
    select w.relation, w.config, minutehand.label(w.schema_name, w.table_name) as label
    from minutehand.watched w
  ), found as materialized (
    select t.label, r.key, r.found, r.links
    from (select label, array_agg(distinct entity_id) as ids from asked where entity_id is not null group by label) a
    join tables t on t.label = a.label
    cross join lateral minutehand.read_rows(t.relation, t.config, a.ids) r
  )
  select jsonb_agg(jsonb_build_object(
    'id', a.id,
    'held', coalesce((a.log).lease_token = a.token and (a.log).lease_expires_at is not null, false),
    'stop', minutehand.stop_of(a.log, w, e.operation, f.found, t.config),
    'type', t.config -> 'type',
    'status', coalesce(t.config ->> 'status', 'status'),
    'row', coalesce(f.found, case when e.operation = 'DELETE' then e.old end),
    'links', f.links,
    'old', case when e.operation = 'UPDATE' then e.new || e.old else e.old end))
  into v_result
  from asked a
  left join public.automation_workflows w on w.id = a.workflow_id
  left join tables t on t.label = a.label
  -- Whoever may insert executions may name any event: it is read where it is about the same row, of the workflow's tenant.
  left join public.automation_events e
    on e.id = a.event_id and e.table_name = a.label and e.entity_id is not distinct from a.entity_id
   and (t.config is not null and t.config ->> 'tenant' is null or minutehand.same_tenant(
     e.organization_id, e.user_id, w.organization_id::text, w.user_id::text))
  left join found f on f.label = a.label and f.key = a.entity_id;
  return coalesce(v_result, '[]');
end
$$;

-- minutehand.stop_of(log, workflow, operation, row, config) -> jsonb: why the execution must not go on, or null.
create or replace function minutehand.stop_of(
  p_log public.automation_execution_logs, p_workflow public.automation_workflows, p_operation text, p_row jsonb,
  p_config jsonb
) returns jsonb language plpgsql stable set search_path = '' as $$
begin
  if p_workflow.id is null or not minutehand.is_on(p_workflow) then
    return jsonb_build_object('ended', 'skipped', 'code', 'workflow_off', 'reason', 'the workflow was switched off');
  elsif exists (select from public.automation_control) and minutehand.is_paused(
      p_log.organization_id::text, p_log.user_id::text, p_log.workflow_id) then
    return jsonb_build_object('ended', 'released', 'code', 'paused', 'reason', 'paused');
  elsif (p_config is null or p_config ->> 'tenant' is not null)
        and minutehand.tenant(p_workflow.organization_id::text, p_workflow.user_id::text) <> ''
        and not minutehand.same_tenant(
          p_log.organization_id::text, p_log.user_id::text,
          p_workflow.organization_id::text, p_workflow.user_id::text) then
    return jsonb_build_object(
      'ended', 'failed', 'code', 'other_tenant', 'reason', 'the execution names another tenant than its workflow');
  elsif p_config is null or p_log.entity_id is null or p_operation = 'DELETE' then
    return null;
  elsif p_row is null then
    return jsonb_build_object(
      'ended', 'skipped', 'code', 'row_gone', 'reason', format('%s %s is gone', p_config ->> 'type', p_log.entity_id));
  elsif p_config ->> 'tenant' is not null and not minutehand.same_tenant(
      minutehand.organization_of(p_row, p_config), p_row ->> coalesce(p_config ->> 'user', 'user_id'),
      p_workflow.organization_id::text, p_workflow.user_id::text) then
    return jsonb_build_object(
      'ended', 'failed', 'code', 'other_tenant',
      'reason', format('%s %s belongs to another tenant than the workflow', p_config ->> 'type', p_log.entity_id));
  end if;
  return null;
end
$$;

-- minutehand.table_of(trigger_data) -> text: the watched table a payload is about: by name, else by a key like job_id.
create or replace function minutehand.table_of(p_data jsonb) returns text
language plpgsql stable set search_path = '' as $$
begin
  if p_data ? 'table_name' then
    return p_data ->> 'table_name';
  end if;
  return (
    select minutehand.label(schema_name, table_name)
    from minutehand.watched
    where p_data ? ((config ->> 'type') || '_id') or p_data ? ((config ->> 'type') || 'Id')
    order by 1
    limit 1);
end
$$;

-- minutehand.read_rows(relation, config, keys) -> (key, found, links): the rows of a watched table, each with the rows that
-- it refers to, `{"client": {…}}`; one query, however many.  A linked row that says it is another tenant's is left out.
-- The keys are cast to the column's type, so that its index serves; one that is none of that type finds nothing, and
-- costs its neighbours nothing but the index.
create or replace function minutehand.read_rows(p_relation oid, p_config jsonb, p_keys text[])
returns table (key text, found jsonb, links jsonb)
language plpgsql stable set search_path = '' as $$
declare
  v_id text := p_config ->> 'id';
  v_tenant text := p_config ->> 'tenant';
  v_excluded text[] := array(select jsonb_array_elements_text(coalesce(p_config -> 'exclude', '[]')));
  v_link record;
  v_linked text := '''{}''::jsonb';
  v_joins text := '';
  v_query text;
begin
  for v_link in select l.*, row_number() over () as nr from minutehand.links(p_relation, p_config -> 'links') l loop
    v_joins := v_joins || format(
      ' left join lateral (select to_jsonb(x) as found from %s x where %s limit 1) l%s on true',
      v_link.target::regclass,
      case when v_link.same_type then format('x.%I = t.%I', v_link.target_column, v_link.link_column)
        else format('x.%I::text = t.%I::text', v_link.target_column, v_link.link_column) end,
      v_link.nr);
    v_linked := v_linked || format(
      ' || case when l%1$s.found is null or l%1$s.found ->> %2$L <> to_jsonb(t) ->> %2$L then ''{}''::jsonb '
      'else jsonb_build_object(%3$L, l%1$s.found) end', v_link.nr, v_tenant, v_link.name);
  end loop;
  v_query := format(
    'select t.%I::text, to_jsonb(t) - $2, %s from %s t%s where ', v_id, v_linked, p_relation::regclass, v_joins);
  begin
    return query execute v_query || format('t.%I = any ($1::%s[])', v_id, minutehand.type_of(p_relation, v_id))
      using p_keys, v_excluded;
  exception when data_exception then
    return query execute v_query || format('t.%I::text = any ($1)', v_id) using p_keys, v_excluded;
  end;
end
$$;

-- minutehand.type_of(relation, column) -> text: the column's type, as a cast names it.
create or replace function minutehand.type_of(p_relation oid, p_column text) returns text
language sql stable as $$
  select format_type(atttypid, null)
  from pg_catalog.pg_attribute
  where attrelid = p_relation and attname = p_column and not attisdropped
$$;

-- minutehand.links(relation, configured) -> (name, link_column, target, target_column, same_type)
-- Foreign keys of one column within the table's own schema, so that no template reaches auth.users; and what the trigger
-- names where the app has no constraint: {"client_id": "clients"} or {"client_id": "clients.ref"}.
create or replace function minutehand.links(p_relation oid, p_configured jsonb)
returns table (name text, link_column text, target oid, target_column text, same_type boolean)
language sql stable set search_path = '' as $$
  with schema_of as (
    select relnamespace from pg_catalog.pg_class where oid = p_relation
  ), configured as (
    select key as link_column, split_part(value, '.', 1) as table_name,
           coalesce(nullif(split_part(value, '.', 2), ''), 'id') as target_column
    from jsonb_each_text(case when jsonb_typeof(p_configured) = 'object' then p_configured else '{}' end)
  )
  select regexp_replace(c.link_column, '_id$', ''), c.link_column, t.oid, c.target_column, a.atttypid = own.atttypid
  from configured c
  join pg_catalog.pg_class t on t.relname = c.table_name and t.relnamespace = (select relnamespace from schema_of)
  join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attname = c.target_column and not a.attisdropped
  join pg_catalog.pg_attribute own on own.attrelid = p_relation and own.attname = c.link_column and not own.attisdropped
  union
  select regexp_replace(a.attname, '_id$', ''), a.attname, k.confrelid, f.attname, true
  from pg_catalog.pg_constraint k
  join pg_catalog.pg_class t on t.oid = k.confrelid and t.relnamespace = (select relnamespace from schema_of)
  join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
  join pg_catalog.pg_attribute f on f.attrelid = k.confrelid and f.attnum = k.confkey[1]
  where k.conrelid = p_relation and k.contype = 'f' and cardinality(k.conkey) = 1
    and a.attname not in (select c.link_column from configured c)
$$;
