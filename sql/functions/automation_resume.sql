-- automation_resume(p_scope, p_target, p_actor, p_now, p_planned) -> {"scope", "target", "name", "existed", "reason", "held", "still_paused":
--   [scope, …], "planned": how many}
-- Ends a pause (automation_pause).  Those of the same target that begin later stay, and are counted as `planned`; with p_planned
-- they are given up, and counted.  `held`: how many pending executions it covered, counted to 10,000; they are due as before.
-- `still_paused`: the scopes of other pauses that still cover it.  A workflow that was deleted is named by its id.
-- p_actor: {"via", "name"} of the person, or null.
-- Locks: the pause's row.  Errors: MH400, MH404 and MH409, as automation_pause.  Called by: store.resume.
create or replace function public.automation_resume(
  p_scope text, p_target text default null, p_actor jsonb default null, p_now timestamptz default null,
  p_planned boolean default false
)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_target jsonb;
  v_reason text;
  v_existed boolean;
  v_planned integer;
begin
  if p_scope = 'workflow' and exists (
      select from public.automation_control c
      where c.scope = 'workflow' and c.target = lower(p_target)
        and not exists (select from public.automation_workflows w where w.id::text = c.target)) then
    v_target := jsonb_build_object('target', lower(p_target), 'name', 'the deleted workflow ' || coalesce(
      '"' || minutehand.workflow_name(minutehand.to_uuid(p_target)) || '"', lower(p_target)));
  else
    v_target := minutehand.pause_target(p_scope, p_target);
  end if;
  delete from public.automation_control
  where scope = p_scope and target = v_target ->> 'target'
  returning reason into v_reason;
  v_existed := found;
  if p_planned then
    delete from minutehand.planned_pauses where scope = p_scope and target = v_target ->> 'target';
    get diagnostics v_planned = row_count;
  else
    v_planned := (
      select count(*) from minutehand.planned_pauses where scope = p_scope and target = v_target ->> 'target');
  end if;
  if v_existed then
    perform minutehand.note_resumed(p_scope, v_target ->> 'target', coalesce(p_now, now()));
  end if;
  if v_existed or p_planned and v_planned > 0 then
    perform minutehand.audit_pause('resume', p_scope, v_target ->> 'target', p_actor, v_reason, null, coalesce(p_now, now()));
  end if;
  return v_target || jsonb_build_object(
    'scope', p_scope, 'existed', v_existed, 'reason', v_reason, 'planned', v_planned,
    'held', minutehand.count_pending(p_scope, v_target ->> 'target'),
    'still_paused', (
      select coalesce(jsonb_agg(distinct scope), '[]')
      from public.automation_control c
      where c.scope = 'all' or p_scope = 'all' or c.scope = 'tenant' and p_scope = 'workflow' and c.target = (
        select minutehand.tenant_of(w)
        from public.automation_workflows w where w.id::text = v_target ->> 'target')));
end
$$;
comment on function public.automation_resume is 'minutehand: ends a pause';
