-- What an execution is about, read fresh: the row, its old values, linked rows, and whether it may go on.

-- One statement, whose parts are computed once each; the plan is kept, since planning it costs more than ten rows do.
create or replace function minutehand.read_contexts(p_items jsonb, p_now timestamptz) returns jsonb
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
