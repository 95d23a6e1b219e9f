-- automation_workflow_versions(p_workflow, p_tenant) -> [{"version", "saved_at", "definition"}], the newest 20, newest first
-- What was saved of one workflow, named by id or name, over time.
-- Locks: none.  Errors: MH404 no such workflow, MH409 several of that name.  Called by: store.workflow_versions.
create or replace function public.automation_workflow_versions(p_workflow text, p_tenant text default null)
returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_workflow constant public.automation_workflows := minutehand.find_workflow(p_workflow, p_tenant);
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'version', v.version, 'saved_at', v.saved_at, 'definition', v.definition) order by v.version desc), '[]')
    from (
      select * from public.automation_workflow_versions
      where workflow_id = v_workflow.id
        and (definition ->> 'organization_id', definition ->> 'user_id')
          is not distinct from (v_workflow.organization_id::text, v_workflow.user_id::text)
      order by version desc limit 20) v);
end
$$;
comment on function public.automation_workflow_versions is 'minutehand: what was saved of a workflow over time';
