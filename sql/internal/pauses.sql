-- Pauses: what is paused, and how many executions wait because of it.

-- minutehand.pause_target(scope, target) -> {"target", "name"}: what a pause is about, as its row stores it, and as text.
-- Errors: MH400, MH404, MH409.
create or replace function minutehand.pause_target(p_scope text, p_target text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_workflow public.automation_workflows;
begin
  if p_scope = 'all' then
    return '{"target": "", "name": "everything"}';
  elsif p_scope not in ('tenant', 'workflow') or p_scope is null then
    raise exception 'unknown scope %', p_scope using errcode = 'MH400', hint = 'Use all, tenant or workflow.';
  elsif coalesce(p_target, '') = '' then
    raise exception 'the pause names no %', p_scope using errcode = 'MH400', hint = 'Pass its id.';
  elsif p_scope = 'tenant' then
    return jsonb_build_object('target', p_target, 'name', 'tenant ' || p_target);
  end if;
  v_workflow := minutehand.find_workflow(p_target);
  return jsonb_build_object('target', v_workflow.id::text, 'name', format('workflow "%s"', v_workflow.name));
end
$$;

-- minutehand.count_pending(scope, target) -> how many executions are pending there, counted to 10,000.
create or replace function minutehand.count_pending(p_scope text, p_target text) returns integer
language sql stable set search_path = '' as $$
  select count(*)::integer
  from (
    select
    from public.automation_execution_logs l
    where l.status = 'pending' and case p_scope
      when 'all' then true
      when 'tenant' then minutehand.tenant_of(l) = p_target
      else l.workflow_id::text = p_target end
    limit 10000
  ) pending
$$;
