-- May an execution run now, and may a send leave now?

-- minutehand.is_paused(organization, user, workflow) -> boolean: held by anyone's pause?
create or replace function minutehand.is_paused(p_organization_id text, p_user_id text, p_workflow_id uuid)
returns boolean language sql stable set search_path = '' as $$
  select exists (
    select from public.automation_control
    where scope = 'all'
       or (scope = 'tenant' and target = coalesce(p_organization_id, p_user_id, ''))
       or (scope = 'workflow' and target = p_workflow_id::text))
$$;

-- minutehand.stop_of(log, workflow, operation, row, config) -> jsonb: why the execution must not go on, or null.
create or replace function minutehand.stop_of(
  p_log public.automation_execution_logs, p_workflow public.automation_workflows, p_operation text, p_row jsonb,
  p_config jsonb
) returns jsonb language plpgsql stable set search_path = '' as $$
begin
  if p_workflow.id is null or not minutehand.is_on(p_workflow) then
    return jsonb_build_object('ended', 'skipped', 'code', 'workflow_off', 'reason', 'the workflow was switched off');
  elsif exists (select from public.automation_control) and minutehand.is_paused(
      p_log.organization_id::text, p_log.user_id::text, p_log.workflow_id) then
    return jsonb_build_object('ended', 'released', 'code', 'paused', 'reason', 'paused');
  elsif (p_config is null or p_config ->> 'tenant' is not null)
        and minutehand.tenant(p_workflow.organization_id::text, p_workflow.user_id::text) <> ''
        and not minutehand.same_tenant(
          p_log.organization_id::text, p_log.user_id::text,
          p_workflow.organization_id::text, p_workflow.user_id::text) then
    return jsonb_build_object(
      'ended', 'failed', 'code', 'other_tenant', 'reason', 'the execution names another tenant than its workflow');
  elsif p_config is null or p_log.entity_id is null or p_operation = 'DELETE' then
    return null;
  elsif p_row is null then
    return jsonb_build_object(
      'ended', 'skipped', 'code', 'row_gone', 'reason', format('%s %s is gone', p_config ->> 'type', p_log.entity_id));
  elsif p_config ->> 'tenant' is not null and not minutehand.same_tenant(
      minutehand.organization_of(p_row, p_config), p_row ->> coalesce(p_config ->> 'user', 'user_id'),
      p_workflow.organization_id::text, p_workflow.user_id::text) then
    return jsonb_build_object(
      'ended', 'failed', 'code', 'other_tenant',
      'reason', format('%s %s belongs to another tenant than the workflow', p_config ->> 'type', p_log.entity_id));
  end if;
  return null;
end
$$;
