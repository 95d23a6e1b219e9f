-- automation_pause(p_scope, p_target, p_reason, p_actor, p_now) -> {"scope", "target", "name", "reason", "existed", "held"}
-- Holds everything ('all'), one tenant ('tenant', its id) or one workflow ('workflow', its id or name): what is pending stays
-- so, and what runs stops before its next step or send.  `held`: how many pending executions that holds now, counted to
-- 10,000.  Pausing what is paused already keeps its first reason, unless a new one is given.
-- Locks: the pause's row.  Errors: MH400 (no such scope, no target), MH404 and MH409 (the workflow).  Called by: store.pause.
create or replace function public.automation_pause(
  p_scope text, p_target text default null, p_reason text default null, p_actor jsonb default null,
  p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_subject constant jsonb := minutehand.pause_target(p_scope, p_target);
  v_reason text;
  v_existed boolean;
begin
  insert into public.automation_control as c (scope, target, reason, paused_at)
  values (p_scope, v_subject ->> 'target', nullif(p_reason, ''), coalesce(p_now, now()))
  on conflict (scope, target) do update set reason = coalesce(excluded.reason, c.reason)
  -- Only a row that an INSERT … ON CONFLICT has updated carries the number of its transaction as its end.
  returning c.reason, c.xmax <> 0 into v_reason, v_existed;
  perform minutehand.audit(
    'pause', concat_ws(' ', p_scope, nullif(v_subject ->> 'target', '')), p_actor, jsonb_build_object('reason', v_reason),
    coalesce(p_now, now()));
  return v_subject || jsonb_build_object(
    'scope', p_scope, 'reason', v_reason, 'existed', v_existed,
    'held', minutehand.count_pending(p_scope, v_subject ->> 'target'));
end
$$;
comment on function public.automation_pause is 'minutehand: holds everything, a tenant or a workflow';
