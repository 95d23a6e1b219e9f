-- automation_workflow_show(p_workflow, p_tenant) -> {as minutehand.workflow_facts, "definition": the row | null,
--   "versions": [{"version", "saved_at"}], "executions": {status: count}, "last": as executions are listed | null}
-- One workflow, named by id or name: how it stands, why it cannot fire, its newest 20 versions, and what became of its
-- executions among the newest 20,000 of all.
-- Locks: none.  Errors: MH404 no such workflow, MH409 several of that name.  Called by: store.workflow.
create or replace function public.automation_workflow_show(p_workflow text, p_tenant text default null)
returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_workflow constant public.automation_workflows := minutehand.find_workflow(p_workflow, p_tenant);
begin
  return minutehand.workflow_facts(
    v_workflow, minutehand.workflow_context(array[v_workflow.trigger_type::text])) || jsonb_build_object(
    'definition', minutehand.row_of(v_workflow),
    'versions', (
      select coalesce(jsonb_agg(jsonb_build_object('version', v.version, 'saved_at', v.saved_at)), '[]')
      from (
        select version, saved_at
        from public.automation_workflow_versions
        where workflow_id = v_workflow.id order by version desc limit 20) v),
    'executions', (
      select coalesce(jsonb_object_agg(status, n), '{}')
      from (
        select case status when 'running' then 'processing' else status end as status, count(*) as n
        from minutehand.newest_executions() l
        where l.workflow_id = v_workflow.id and minutehand.is_of_workflow(l, v_workflow) group by 1) s),
    'last', (
      select minutehand.execution_json(l, v_workflow.name)
      from minutehand.newest_executions() l
      where l.workflow_id = v_workflow.id and minutehand.is_of_workflow(l, v_workflow) order by l.created_at desc, l.id desc limit 1));
end
$$;
comment on function public.automation_workflow_show is 'minutehand: one workflow, its versions and its executions';
