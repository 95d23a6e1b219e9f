-- automation_dry_run(p_workflow, p_row, p_payload, p_now) -> {"workflow": {"id", "version", "name", "definition"},
--   "trigger_data", "entity_id", "type", "row", "old", "links", "since": when the change that it plays occurred | null,
--   "conditions": result tree | null, "status": status column, "stops": [{"code", "reason"}], "writable": [table]}
-- What a run of this workflow would see now, for a dry run.  With p_row it plays the row's newest change of the workflow's
-- trigger type, of the newest 5,000 changes of all: with its old values; without such a change, an INSERT as it were, whose
-- `old` is null.  With p_payload alone it plays an enqueue.  `stops`: all that would keep it from starting or going on.
-- Locks: none; writes nothing.  Errors: as automation_enqueue.  Called by: store.dry_run.
create or replace function public.automation_dry_run(
  p_workflow text, p_row text default null, p_payload jsonb default null, p_now timestamptz default null
) returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_workflow constant public.automation_workflows := minutehand.find_workflow(p_workflow);
  v_table constant text := minutehand.table_of_type(v_workflow.trigger_type);
  v_watched record;
  v_row record;
  v_event public.automation_events;
  v_old jsonb;
  v_status text;
  v_trigger jsonb;
  v_conditions jsonb;
begin
  if p_row is null and p_payload is null then
    raise exception 'nothing to run workflow "%" on', v_workflow.name
      using errcode = 'MH400', hint = 'Name a row (--row ID) or give a payload (--payload @file).';
  end if;
  select w.relation, w.config into v_watched
  from minutehand.watched w where minutehand.label(w.schema_name, w.table_name) = v_table;
  v_status := coalesce(v_watched.config ->> 'status', 'status');
  select null::text as key, null::jsonb as found, null::jsonb as links into v_row;
  if p_row is not null then
    p_row := minutehand.checked_row_id(v_workflow, v_table, p_row);
    select r.key, r.found, r.links into v_row
    from minutehand.read_rows(v_watched.relation, v_watched.config, array[p_row]) r;
    select e.* into v_event
    from (select * from public.automation_events order by id desc limit 5000) e
    where e.entity_id = p_row and e.table_name = v_table and v_workflow.trigger_type = any (e.types)
    order by e.id desc limit 1;
    v_old := case v_event.operation when 'UPDATE' then v_event.new || v_event.old else v_event.old end;
    v_conditions := minutehand.evaluate_conditions(
      minutehand.conditions_of(minutehand.row_of(v_workflow), v_status), v_row.found, v_old, v_status);
  end if;
  v_trigger := jsonb_strip_nulls(jsonb_build_object(
    'table_name', v_table, 'operation', coalesce(v_event.operation, 'ENQUEUE'), 'record_id', p_row,
    'old_status', v_old ->> v_status, 'new_status', case when v_event.id is not null then v_row.found ->> v_status end))
    || case when p_payload is null then '{}' else jsonb_build_object('payload', p_payload) end;
  return jsonb_build_object(
    'workflow', jsonb_build_object(
      'id', v_workflow.id, 'version', coalesce(v_workflow.version, 1), 'name', v_workflow.name,
      'definition', to_jsonb(v_workflow)),
    'trigger_data', v_trigger, 'entity_id', p_row, 'type', v_watched.config -> 'type', 'row', v_row.found, 'old', v_old,
    'links', v_row.links, 'since', v_event.occurred_at, 'conditions', v_conditions, 'status', v_status,
    'stops', minutehand.dry_run_stops(v_workflow, p_row, v_trigger ->> 'new_status', v_conditions, v_now),
    'writable', (
      select coalesce(jsonb_agg(minutehand.label(w.schema_name, w.table_name)), '[]')
      from minutehand.watched w where (w.config ->> 'writable')::boolean));
end
$$;
comment on function public.automation_dry_run is 'minutehand: what a run of a workflow would see, for a dry run';

-- minutehand.dry_run_stops(workflow, row's id, new status, result tree, now) -> [{"code", "reason"}]: all that would keep a change
-- of this row from starting the workflow now.
create or replace function minutehand.dry_run_stops(
  p_workflow public.automation_workflows, p_entity_id text, p_new_status text, p_conditions jsonb, p_now timestamptz
) returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_problem constant text := minutehand.workflow_problem(p_workflow);
  v_limit record;
begin
  select * into v_limit from minutehand.rate_limited_until(
    p_workflow.id, p_workflow.settings::jsonb, p_entity_id, p_new_status, p_now);
  return (
    select coalesce(jsonb_agg(to_jsonb(s) - 'stops'), '[]')
    from (values
      (not minutehand.is_on(p_workflow), 'workflow_off', 'the workflow is switched off'),
      (v_problem is not null, 'bad_workflow', v_problem),
      (minutehand.is_paused(p_workflow.organization_id::text, p_workflow.user_id::text, p_workflow.id), 'paused', 'it is held until resumed'),
      (p_conditions -> 'held' = 'false', 'conditions', 'its conditions do not hold for this row'),
      (v_limit.until is not null, 'rate_limited', v_limit.reason)
    ) as s (stops, code, reason)
    where stops);
end
$$;
