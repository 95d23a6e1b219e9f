-- automation_pause(p_scope, p_target, p_reason, p_now) -> {"scope", "target", "name", "reason", "existed", "held"}
-- Holds everything ('all'), one tenant ('tenant', its id) or one workflow ('workflow', its id or name): what is pending stays
-- so, and what runs stops before its next step or send.  `held`: how many pending executions that holds now, counted to
-- 10,000.  Pausing what is paused already keeps its first reason, unless a new one is given.
-- Locks: the pause's row.  Errors: MH400 (no such scope, no target), MH404 and MH409 (the workflow).  Called by: store.pause.
create or replace function public.automation_pause(
  p_scope text, p_target text default null, p_reason text default null, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_subject constant jsonb := minutehand.pause_subject(p_scope, p_target);
  v_reason text;
  v_existed boolean;
begin
  insert into public.automation_control as c (scope, target, reason, paused_at)
  values (p_scope, v_subject ->> 'target', nullif(p_reason, ''), coalesce(p_now, now()))
  on conflict (scope, target) do update set reason = coalesce(excluded.reason, c.reason)
  -- Only a row that an INSERT … ON CONFLICT has updated carries the number of its transaction as its end.
  returning c.reason, c.xmax <> 0 into v_reason, v_existed;
  return v_subject || jsonb_build_object(
    'scope', p_scope, 'reason', v_reason, 'existed', v_existed,
    'held', minutehand.pending_of(p_scope, v_subject ->> 'target'));
end
$$;
comment on function public.automation_pause is 'minutehand: holds everything, a tenant or a workflow';

-- minutehand.pause_subject(scope, target) -> {"target", "name"}: what a pause is about, as its row keeps it, and as people say
-- it.  Errors: MH400, MH404, MH409.
create or replace function minutehand.pause_subject(p_scope text, p_target text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_workflow public.automation_workflows;
begin
  if p_scope = 'all' then
    return '{"target": "", "name": "everything"}';
  elsif p_scope not in ('tenant', 'workflow') or p_scope is null then
    raise exception 'unknown scope %', p_scope using errcode = 'MH400', hint = 'Say all, tenant or workflow.';
  elsif coalesce(p_target, '') = '' then
    raise exception 'which % is meant?', p_scope using errcode = 'MH400', hint = 'Give its id.';
  elsif p_scope = 'tenant' then
    return jsonb_build_object('target', p_target, 'name', 'tenant ' || p_target);
  end if;
  v_workflow := minutehand.find_workflow(p_target);
  return jsonb_build_object('target', v_workflow.id::text, 'name', format('workflow "%s"', v_workflow.name));
end
$$;

-- minutehand.pending_of(scope, target) -> how many executions are pending there, counted to 10,000.
create or replace function minutehand.pending_of(p_scope text, p_target text) returns integer
language sql stable set search_path = '' as $$
  select count(*)::integer
  from (
    select
    from public.automation_execution_logs
    where status = 'pending' and case p_scope
      when 'all' then true
      when 'tenant' then coalesce(organization_id::text, user_id::text, '') = p_target
      else workflow_id::text = p_target end
    limit 10000
  ) pending
$$;
