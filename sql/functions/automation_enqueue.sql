-- automation_enqueue(p_workflow, p_row, p_payload, p_at, p_key, p_dry_run, p_now) ->
--   {"id", "workflow_id", "workflow", "status", "due", "existed": bool, "dry_run": bool}
-- Starts a workflow by hand or from code: p_workflow is its id or its name, p_row the id of the row it is about, p_payload
-- what templates see as `trigger.payload`.  With p_key it happens once, however often it is asked (`existed`).
-- Errors: MH404 no such workflow, MH409 several of that name, MH400 neither row nor payload.
-- Locks: none but the rows it inserts.  Called by: store.enqueue.
create or replace function public.automation_enqueue(
  p_workflow text, p_row text default null, p_payload jsonb default null, p_at timestamptz default null,
  p_key text default null, p_dry_run boolean default false, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_workflow public.automation_workflows;
  v_event bigint;
  v_id uuid;
  v_existed boolean := false;
  v_table text;
begin
  v_workflow := minutehand.find_workflow(p_workflow);
  if p_row is null and p_payload is null then
    raise exception 'nothing to run workflow "%" on', v_workflow.name
      using errcode = 'MH400', hint = 'Name a row (--row ID) or give a payload (--payload @file).';
  end if;
  v_table := minutehand.table_of_type(v_workflow.trigger_type);
  if p_row is not null and v_table is null then
    raise exception 'no watched table goes with the type "%" of workflow "%"', v_workflow.trigger_type, v_workflow.name
      using errcode = 'MH404', hint = 'Watch the table first: minutehand trigger add TABLE.';
  end if;
  if p_row is not null and not coalesce(minutehand.read_rows(v_table, array[p_row]) -> 'rows', '{}') ? p_row then
    raise exception 'there is no row % in %', p_row, v_table using errcode = 'MH404';
  end if;

  if not p_dry_run then
    insert into public.automation_events (
      occurred_at, table_name, operation, types, entity_id, user_id, organization_id, new, dedupe_key, matched_at)
    values (
      v_now, coalesce(v_table, ''), 'ENQUEUE', '{manual}', p_row, v_workflow.user_id, v_workflow.organization_id,
      p_payload, case when p_key is not null then format('enqueue:%s:%s', v_workflow.id, p_key) end, v_now)
    on conflict (dedupe_key) where dedupe_key is not null do nothing
    returning id into v_event;
    v_existed := v_event is null;
    if v_existed then
      select l.id into v_id
      from public.automation_events e
      join public.automation_execution_logs l on l.event_id = e.id
      where e.dedupe_key = format('enqueue:%s:%s', v_workflow.id, p_key);
    else
      insert into public.automation_execution_logs (
        workflow_id, workflow_version, trigger_type, status, trigger_data, created_at, scheduled_at, event_id, entity_id,
        user_id, organization_id, attempt, lost_leases, chain_depth)
      values (
        v_workflow.id, v_workflow.version, 'manual', 'pending',
        jsonb_strip_nulls(jsonb_build_object('table_name', v_table, 'operation', 'ENQUEUE', 'record_id', p_row))
          || case when p_payload is null then '{}' else jsonb_build_object('payload', p_payload) end,
        v_now, p_at, v_event, p_row, v_workflow.user_id, v_workflow.organization_id, 0, 0, 0)
      returning id into v_id;
      perform minutehand.hint();
    end if;
  end if;
  return jsonb_build_object(
    'id', v_id, 'workflow_id', v_workflow.id, 'workflow', v_workflow.name, 'status', 'pending',
    'due', greatest(coalesce(p_at, v_now), v_now), 'existed', v_existed, 'dry_run', p_dry_run);
end
$$;
comment on function public.automation_enqueue is 'minutehand: starts a workflow by hand';

-- minutehand.find_workflow(id or name) -> its row.  Errors: MH404, MH409.
create or replace function minutehand.find_workflow(p_workflow text) returns public.automation_workflows
language plpgsql stable set search_path = '' as $$
declare
  v_workflow public.automation_workflows;
  v_count integer;
begin
  select count(*) into v_count
  from public.automation_workflows w where w.id::text = lower(p_workflow) or w.name = p_workflow;
  if v_count = 0 then
    raise exception 'there is no workflow "%"', p_workflow
      using errcode = 'MH404', hint = 'See them with: minutehand status';
  elsif v_count > 1 then
    raise exception 'there are % workflows named "%"', v_count, p_workflow
      using errcode = 'MH409', hint = 'Name the one you mean by its id.';
  end if;
  select w.* into v_workflow
  from public.automation_workflows w where w.id::text = lower(p_workflow) or w.name = p_workflow;
  return v_workflow;
end
$$;

-- minutehand.table_of_type(trigger type) -> the watched table whose type it starts with: job_completed -> jobs; or the
-- only watched table there is.
create or replace function minutehand.table_of_type(p_type text) returns text
language sql stable set search_path = '' as $$
  select coalesce(
    (
      select minutehand.label(schema_name, table_name)
      from minutehand.watched
      where starts_with(p_type, (config ->> 'type') || '_')
      order by length(config ->> 'type') desc
      limit 1
    ),
    (select min(minutehand.label(schema_name, table_name)) from minutehand.watched having count(*) = 1))
$$;
