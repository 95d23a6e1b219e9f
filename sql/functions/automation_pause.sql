-- automation_pause(p_scope, p_target, p_reason, p_actor, p_now) -> {"scope", "target", "name", "reason", "existed", "held"}
-- Pauses everything ('all'), one tenant ('tenant', its id) or one workflow ('workflow', its id or name): pending executions stay
-- pending, and running ones stop before their next step or send.  `held`: how many pending executions it covers now, counted
-- to 10,000.  A pause that exists keeps its reason, unless a new one is given.  p_actor: {"via", "name"} of the person, or null.
-- Locks: the pause's row.  Errors: MH400 (no such scope, no target), MH404 and MH409 (the workflow).  Called by: store.pause.
create or replace function public.automation_pause(
  p_scope text, p_target text default null, p_reason text default null, p_actor jsonb default null,
  p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_target constant jsonb := minutehand.pause_target(p_scope, p_target);
  v_reason text;
  v_existed boolean;
begin
  insert into public.automation_control as c (scope, target, reason, paused_at)
  values (p_scope, v_target ->> 'target', nullif(p_reason, ''), coalesce(p_now, now()))
  on conflict (scope, target) do update set reason = coalesce(excluded.reason, c.reason)
  -- Only a row that INSERT … ON CONFLICT has updated has an xmax.
  returning c.reason, c.xmax <> 0 into v_reason, v_existed;
  perform minutehand.audit(
    'pause', concat_ws(' ', p_scope, nullif(v_target ->> 'target', '')), p_actor, jsonb_build_object('reason', v_reason),
    coalesce(p_now, now()));
  return v_target || jsonb_build_object(
    'scope', p_scope, 'reason', v_reason, 'existed', v_existed,
    'held', minutehand.count_pending(p_scope, v_target ->> 'target'));
end
$$;
comment on function public.automation_pause is 'minutehand: pauses everything, a tenant or a workflow';
