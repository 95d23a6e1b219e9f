-- automation_workflow_switch(p_workflows, p_on, p_dry_run, p_actor, p_now) -> [{"answer": "enabled" | "disabled" | "unchanged",
--   "changed": {switch: its new value}, "pending": n, "dry_run", as minutehand.workflow_facts}], in the order of p_workflows
-- Turns workflows on or off by the switches of the app's own row (minutehand.switch_patch): on sets each switch that is off.  The save
-- makes a version, as any other does.  All of them or, after an error, none.  p_workflows: [name or id].  p_actor: {"via", "name"} of
-- the person, or null.  pending: its pending executions, counted to 10,000; they end as skipped: workflow_off while it is off.
-- Locks: the workflows' rows, in the order of p_workflows.  Errors: MH404 no such workflow; MH409 several of that name, or the
-- database refuses or undoes the change; MH400 its row cannot be read.  Called by: store.switch_workflows.
create or replace function public.automation_workflow_switch(
  p_workflows jsonb, p_on boolean, p_dry_run boolean default false, p_actor jsonb default null, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_name text;
  v_old public.automation_workflows;
  v_patch jsonb;
  v_answers jsonb := '[]';
begin
  for v_name in select value from jsonb_array_elements_text(p_workflows) loop
    v_old := minutehand.find_workflow(v_name);
    if not p_dry_run then
      select w.* into v_old from public.automation_workflows w where w.id = v_old.id for update;
    end if;
    v_patch := minutehand.switch_patch(v_old, p_on);
    v_answers := v_answers || jsonb_build_array(jsonb_build_object(
      'answer', case when v_patch = '{}' then 'unchanged' when p_on then 'enabled' else 'disabled' end, 'changed', v_patch,
      'dry_run', p_dry_run, 'pending', minutehand.count_pending('workflow', v_old.id::text))
      || minutehand.workflow_facts(
        case when p_dry_run or v_patch = '{}' then v_old else minutehand.set_switches(v_old, v_patch, p_on, p_actor, v_now) end,
        minutehand.workflow_context(array[v_old.trigger_type::text])));
  end loop;
  return v_answers;
end
$$;
comment on function public.automation_workflow_switch is 'minutehand: turns workflows on or off';

-- minutehand.set_switches(workflow, patch, on, actor, now) -> the row as saved.  Errors: MH409 where the app's table does not take the
-- change, or undoes it.
create or replace function minutehand.set_switches(
  p_workflow public.automation_workflows, p_patch jsonb, p_on boolean, p_actor jsonb, p_now timestamptz
) returns public.automation_workflows language plpgsql set search_path = '' as $$
declare
  v_saved public.automation_workflows;
  v_what constant text := format('workflow "%s" cannot be switched %s', left(p_workflow.name, 100), case when p_on then 'on' else 'off' end);
begin
  begin
    v_saved := minutehand.write_workflow(p_workflow, p_patch, array(select jsonb_object_keys(p_patch)), p_now);
  exception when integrity_constraint_violation or data_exception or raise_exception then
    raise exception '%: the database refuses %: %', v_what, p_patch, sqlerrm
      using errcode = 'MH409', hint = 'Switch it in the app; or hold it: minutehand workflows pause.';
  end;
  if v_saved.id is null or minutehand.is_on(v_saved) <> p_on then
    raise exception '%: %', v_what, case
      when p_on then format('the database computes or sets back a switch: %s', minutehand.workflow_switches(
        minutehand.row_of(case when v_saved.id is null then p_workflow else v_saved end)))
      else 'a trigger of the app undoes it' end
      using errcode = 'MH409', hint = 'Switch it in the app; or hold it: minutehand workflows pause.';
  end if;
  perform minutehand.audit(
    case when p_on then 'workflow_enable' else 'workflow_disable' end, v_saved.id::text, p_actor,
    jsonb_build_object('name', v_saved.name, 'version', v_saved.version, 'changed', p_patch), p_now);
  return v_saved;
end
$$;
