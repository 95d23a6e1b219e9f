-- automation_dry_run(p_workflow, p_row, p_payload, p_now) -> {"workflow": {"id", "version", "name", "definition"},
--   "trigger_data", "entity_id", "type", "row", "old", "links", "since": when the change occurred | null,
--   "conditions": result tree | null, "status": status column, "stops": [{"code", "reason"}], "writable": [table]}
-- What a run of this workflow would see now.  With p_row it uses the row's newest change of the workflow's trigger type, among
-- the newest 5,000 changes of all tables; without such a change it treats the row as an INSERT, whose `old` is null.  With
-- p_payload alone it does as automation_enqueue.  `stops`: every reason that would keep it from starting or running.
-- Locks: none; writes nothing.  Errors: as automation_enqueue.  Called by: store.dry_run.
create or replace function public.automation_dry_run(
  p_workflow text, p_row text default null, p_payload jsonb default null, p_now timestamptz default null
) returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_workflow constant public.automation_workflows := minutehand.find_workflow(p_workflow);
  v_table constant text := minutehand.table_of_type(v_workflow.trigger_type);
  v_watched minutehand.watched;
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
  select * into v_watched from minutehand.watched w where w.name = v_table;
  v_status := minutehand.status_column(v_watched.config);
  select null::text as key, null::jsonb as found, null::jsonb as links, null::jsonb as hidden into v_row;
  if p_row is not null then
    p_row := minutehand.checked_row_id(v_workflow, v_table, p_row);
    select r.key, r.found, r.links, r.hidden into v_row
    from minutehand.read_app_rows(v_watched.relation, v_watched.config, array[p_row]) r;
    select e.* into v_event
    from (select * from public.automation_events order by id desc limit 5000) e
    where e.entity_id = p_row and e.table_name = v_table and v_workflow.trigger_type = any (e.types)
    order by e.id desc limit 1;
    v_old := minutehand.row_before(v_event);
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
      'definition', minutehand.row_of(v_workflow)),
    'trigger_data', v_trigger, 'entity_id', p_row, 'type', v_watched.config -> 'type', 'row', v_row.found, 'old', v_old,
    'links', v_row.links, 'hidden', v_row.hidden, 'since', v_event.occurred_at, 'conditions', v_conditions, 'status', v_status,
    'stops', minutehand.dry_run_stops(
      v_workflow, p_row, v_event.operation, v_row.found, v_watched.config, v_trigger ->> 'new_status', v_conditions, v_now),
    'writable', (
      select coalesce(jsonb_agg(w.name), '[]') from minutehand.watched w where (w.config ->> 'writable')::boolean));
end
$$;
comment on function public.automation_dry_run is 'minutehand: what a run of a workflow would see, for a dry run';

-- minutehand.dry_run_stops(workflow, row's id, operation, row, config, new status, result tree, now) -> [{"code", "reason"}]:
-- every reason that would keep a change of this row from starting the workflow now, or the execution from running.
create or replace function minutehand.dry_run_stops(
  p_workflow public.automation_workflows, p_entity_id text, p_operation text, p_row jsonb, p_config jsonb,
  p_new_status text, p_conditions jsonb, p_now timestamptz
) returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_problem constant text := minutehand.workflow_problem(p_workflow);
  v_pauses constant minutehand.pauses := (select p from minutehand.pauses p);
  v_log public.automation_execution_logs;
  v_limit record;
begin
  v_log.workflow_id := p_workflow.id;
  v_log.entity_id := p_entity_id;
  v_log.organization_id := p_workflow.organization_id::text;
  v_log.user_id := p_workflow.user_id::text;
  select * into v_limit from minutehand.rate_limited_until(p_workflow, p_entity_id, p_new_status, p_now);
  return (
    select coalesce(jsonb_agg(jsonb_build_object('code', s.code, 'reason', s.reason) order by s.nr), '[]')
    from (
      select m.nr, m.code, m.reason
      from minutehand.may_run(v_log, p_workflow, p_operation, p_row, p_config, v_pauses) m
      union all
      select t.nr, t.code, t.reason
      from (values
        (11, v_problem is not null, 'bad_workflow', v_problem),
        (12, p_conditions -> 'held' = 'false', 'conditions', 'the row does not meet its conditions'),
        (13, v_limit.until is not null, 'rate_limited', v_limit.reason)
      ) as t (nr, applies, code, reason)
      where t.applies
    ) s);
end
$$;
