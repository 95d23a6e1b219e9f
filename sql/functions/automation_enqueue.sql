-- automation_enqueue(p_workflow, p_row, p_payload, p_at, p_key, p_dry_run, p_actor, p_now) ->
--   {"id", "workflow_id", "workflow", "status", "due", "existed": bool, "dry_run": bool}
-- Starts a workflow by hand or from code.  p_workflow is its id or name, p_row the id of the row that it is about, p_payload what
-- templates see as `trigger.payload`.  With p_key it happens once, however often it is called (`existed`).
-- No rate limit applies, because a person asked for it.  p_actor: {"via", "name"} of the person, or null.
-- Errors: MH404 no such workflow, row or watched table, MH409 several workflows of that name, MH400 neither row nor payload, a
-- row of another tenant, or a workflow without steps.  Locks: only the rows that it inserts.  Called by: store.enqueue.
create or replace function public.automation_enqueue(
  p_workflow text, p_row text default null, p_payload jsonb default null, p_at timestamptz default null,
  p_key text default null, p_dry_run boolean default false, p_actor jsonb default null,
  p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_workflow constant public.automation_workflows := minutehand.find_workflow(p_workflow);
  v_table constant text := minutehand.table_of_workflow(v_workflow);
  v_key constant text := case when p_key is not null then format('enqueue:%s:%s', v_workflow.id, p_key) end;
  v_log public.automation_execution_logs;
  v_event bigint;
  v_problem constant text := minutehand.steps_problem(minutehand.row_of(v_workflow));
  v_existed boolean := false;
begin
  if p_row is null and p_payload is null then
    raise exception 'nothing to run workflow "%" on', v_workflow.name
      using errcode = 'MH400', hint = 'Name a row (--row ID) or give a payload (--payload @file).';
  elsif p_row is not null then
    p_row := minutehand.checked_row_id(v_workflow, v_table, p_row);
  end if;
  if v_problem is not null then
    raise exception 'workflow "%" has nothing to run: %', v_workflow.name, v_problem
      using errcode = 'MH400', hint = 'Write its steps, then try again.';
  end if;
  if not p_dry_run then
    insert into public.automation_events (
      occurred_at, table_name, operation, types, entity_id, user_id, organization_id, new, dedupe_key, matched_at)
    values (
      v_now, coalesce(v_table, ''), 'ENQUEUE', '{manual}', p_row, v_workflow.user_id, v_workflow.organization_id,
      p_payload, v_key, v_now)
    on conflict (dedupe_key) where dedupe_key is not null do nothing
    returning id into v_event;
  end if;
  if v_event is not null then
    v_log.user_id := v_workflow.user_id;
    v_log.organization_id := v_workflow.organization_id;
    insert into public.automation_execution_logs (
      workflow_id, workflow_version, trigger_type, status, trigger_data, created_at, scheduled_at, event_id, entity_id,
      user_id, organization_id, entity_order, attempt, lost_leases, chain_depth)
    values (
      v_workflow.id, coalesce(v_workflow.version, 1), 'manual', 'pending',
      jsonb_strip_nulls(jsonb_build_object('table_name', v_table, 'operation', 'ENQUEUE', 'record_id', p_row))
        || case when p_payload is null then '{}' else jsonb_build_object('payload', p_payload) end,
      v_now, p_at, v_event, p_row, v_log.user_id, v_log.organization_id,
      case when p_row is not null then minutehand.order_of(minutehand.as_object(v_workflow.settings::text)) end, 0, 0, 0)
    returning * into v_log;
    perform minutehand.notify();
    perform minutehand.audit(
      'enqueue', v_log.id::text, p_actor, jsonb_build_object('workflow', v_workflow.name, 'row', p_row, 'key', p_key), v_now);
  elsif v_key is not null then
    select l.* into v_log
    from public.automation_events e
    left join public.automation_execution_logs l on l.event_id = e.id and l.replay_of is null
    where e.dedupe_key = v_key;
    v_existed := found;
  end if;
  return jsonb_build_object(
    'id', v_log.id, 'workflow_id', v_workflow.id, 'workflow', v_workflow.name,
    'status', case when v_existed then v_log.status else 'pending' end,
    'due', case when v_existed then minutehand.due_at(v_log) else greatest(p_at, v_now) end,
    'existed', v_existed, 'dry_run', p_dry_run);
end
$$;
comment on function public.automation_enqueue is 'minutehand: starts a workflow by hand';
