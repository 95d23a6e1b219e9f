-- automation_workflow_delete(p_workflow, p_dry_run, p_actor, p_now) -> {"id", "name", "dry_run", "pending": n, "running": n, "cancelled": n,
--   "is_more", "kept": n, "pause_removed", "also": [{"table", "constraint", "action": "cascade" | "set null" | "set default"}]}
-- Deletes one workflow, by name or id, and cancels its executions that have not ended, at most 1,000 of them in the call (`is_more`
-- says that there are others: without their workflow they would end as skipped: workflow_off when they are due).  `kept`: executions
-- that have ended, counted to 10,000; they and the versions stay.  `also`: foreign keys of the app by which other rows change with it.
-- p_actor: {"via", "name"} of the person, or null.
-- Locks: the workflow's row, then as automation_cancel.  Errors: MH404 no such workflow; MH409 several of that name, another table
-- refers to it, or its history would go with it.  Called by: store.delete_workflow.
create or replace function public.automation_workflow_delete(
  p_workflow text, p_dry_run boolean default false, p_actor jsonb default null, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_workflow public.automation_workflows := minutehand.find_workflow(p_workflow);
  v_answer jsonb := minutehand.deletion_facts(v_workflow);
  v_open jsonb := '[]';
  v_constraint text;
  v_table text;
  v_is_paused boolean;
begin
  perform minutehand.refuse_lost_history(v_workflow, v_answer);
  if not p_dry_run then
    perform from public.automation_workflows w where w.id = v_workflow.id for update;
    v_open := minutehand.open_executions(v_workflow.id, 1001);
    begin
      delete from public.automation_workflows w where w.id = v_workflow.id;
    exception when integrity_constraint_violation then
      get stacked diagnostics v_constraint = constraint_name, v_table = table_name;
      raise exception 'workflow "%" cannot be deleted: rows of % refer to it (%)', left(v_workflow.name, 100), v_table, v_constraint
        using errcode = 'MH409', hint = 'Delete those in the app first, or switch it off: minutehand workflows disable.';
    end;
    delete from minutehand.planned_pauses where scope = 'workflow' and target = v_workflow.id::text;
    delete from public.automation_control where scope = 'workflow' and target = v_workflow.id::text;
    v_is_paused := found;
    delete from minutehand.verdicts where workflow_id = v_workflow.id;
    perform minutehand.audit(
      'workflow_delete', v_workflow.id::text, p_actor,
      jsonb_build_object('name', v_workflow.name, 'version', v_workflow.version), v_now);
    v_answer := v_answer || jsonb_build_object('cancelled', (
      select count(*)
      from jsonb_array_elements(public.automation_cancel(
        (select coalesce(jsonb_agg(id), '[]') from (select id from jsonb_array_elements(v_open) as id limit 1000) o),
        format('workflow "%s" was deleted', left(v_workflow.name, 100)), p_actor, v_now)) as answer
      where answer ->> 'answer' = 'cancelled'));
  end if;
  return v_answer || jsonb_build_object(
    'id', v_workflow.id, 'name', v_workflow.name, 'dry_run', p_dry_run, 'is_more', jsonb_array_length(v_open) > 1000,
    'pause_removed', coalesce(v_is_paused, exists (
      select from public.automation_control where scope = 'workflow' and target = v_workflow.id::text)));
end
$$;
comment on function public.automation_workflow_delete is 'minutehand: deletes a workflow; its history stays';

-- minutehand.open_executions(workflow's id, limit) -> [id]: its executions that have not ended.
create or replace function minutehand.open_executions(p_workflow uuid, p_limit integer) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(id), '[]')
  from (
    select id from public.automation_execution_logs l
    where l.workflow_id = p_workflow and (l.status = 'pending' or l.lease_expires_at is not null)
    order by l.id limit p_limit) o
$$;

-- minutehand.deletion_facts(workflow) -> what automation_workflow_delete says of executions and foreign keys.
create or replace function minutehand.deletion_facts(p_workflow public.automation_workflows) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'pending', minutehand.count_pending('workflow', p_workflow.id::text), 'cancelled', 0,
    'running', (
      select count(*) from public.automation_execution_logs l
      where l.workflow_id = p_workflow.id and l.status in ('processing', 'running')),
    'kept', (
      select count(*)
      from (
        select from public.automation_execution_logs l
        where l.workflow_id = p_workflow.id and l.status not in ('pending', 'processing', 'running') limit 10000) ended),
    'also', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'table', conrelid::regclass::text, 'constraint', conname, 'action', case confdeltype
          when 'c' then 'cascade' when 'n' then 'set null' else 'set default' end) order by conrelid::regclass::text, conname), '[]')
      from pg_catalog.pg_constraint
      where contype = 'f' and confrelid = 'public.automation_workflows'::regclass and confdeltype in ('c', 'n', 'd')
        and conparentid = 0))
$$;

-- minutehand.refuse_lost_history(workflow, its deletion_facts): raises MH409 where a foreign key of the app's would delete or change its
-- executions with it.
create or replace function minutehand.refuse_lost_history(p_workflow public.automation_workflows, p_facts jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_constraint text := (
    select key ->> 'constraint' from jsonb_array_elements(p_facts -> 'also') as key
    where (key ->> 'table')::regclass = 'public.automation_execution_logs'::regclass limit 1);
begin
  if v_constraint is not null and exists (
      select from public.automation_execution_logs l where l.workflow_id = p_workflow.id) then
    raise exception 'workflow "%" has executions, and the foreign key % of automation_execution_logs would delete or change them with it',
      left(p_workflow.name, 100), v_constraint
      using errcode = 'MH409', hint = 'Switch it off instead: minutehand workflows disable.  Or drop the foreign key.';
  end if;
end
$$;
