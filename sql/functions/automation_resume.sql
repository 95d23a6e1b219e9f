-- automation_resume(p_scope, p_target, p_actor, p_now) -> {"scope", "target", "name", "existed", "reason", "held", "still_paused":
--   [scope, …]}
-- Ends a pause (automation_pause).  `held`: how many pending executions it covered, counted to 10,000; they are due as before.
-- `still_paused`: the scopes of other pauses that still cover it.  A workflow that was deleted is named by its id.
-- p_actor: {"via", "name"} of the person, or null.
-- Locks: the pause's row.  Errors: MH400, MH404 and MH409, as automation_pause.  Called by: store.resume.
create or replace function public.automation_resume(
  p_scope text, p_target text default null, p_actor jsonb default null, p_now timestamptz default null
)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_target jsonb;
  v_reason text;
  v_existed boolean;
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
  if v_existed and p_scope = 'workflow' then  -- the loop breaker counts from here
    delete from minutehand.breaker_resets where resumed_at < coalesce(p_now, now()) - interval '1 day';
    insert into minutehand.breaker_resets (workflow_id, resumed_at) values (v_target ->> 'target', coalesce(p_now, now()))
    on conflict (workflow_id) do update set resumed_at = excluded.resumed_at;
  end if;
  if v_existed then
    perform minutehand.audit(
      'resume', concat_ws(' ', p_scope, nullif(v_target ->> 'target', '')), p_actor, jsonb_build_object('reason', v_reason),
      coalesce(p_now, now()));
  end if;
  return v_target || jsonb_build_object(
    'scope', p_scope, 'existed', v_existed, 'reason', v_reason,
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
