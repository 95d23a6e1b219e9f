-- automation_pause(p_scope, p_target, p_reason, p_actor, p_now, p_from, p_until) -> {"scope", "target", "name", "reason", "existed",
--   "held", "starts_at", "ends_at"}
-- Pauses everything ('all'), one tenant ('tenant', its id) or one workflow ('workflow', its id or name): pending executions stay
-- pending, and running ones stop before their next step or send.  `held`: how many pending executions it covers now, counted
-- to 10,000.  A pause that exists keeps its reason and its end, unless new ones are given.  p_actor: {"via", "name"} of the person, or null.
-- p_from, p_until: moments as minutehand.read_moment reads them, in the zone of the tenant: it begins then (`starts_at`, else
-- null: now) and ends by itself (`ends_at`, else null: when a person resumes).
-- Locks: the pause's row.  Errors: MH400 (no such scope, no target, no such moment, an end that has passed or before the
-- beginning), MH404 and MH409 (the workflow).  Called by: store.pause.
create or replace function public.automation_pause(
  p_scope text, p_target text default null, p_reason text default null, p_actor jsonb default null,
  p_now timestamptz default null, p_from text default null, p_until text default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_target constant jsonb := minutehand.pause_target(p_scope, p_target);
  v_zone constant text := minutehand.tenant_zone(case p_scope
    when 'tenant' then p_target
    when 'workflow' then (
      select minutehand.tenant_of(w) from public.automation_workflows w where w.id::text = v_target ->> 'target')
    else '' end);
  v_from constant timestamptz := minutehand.read_moment(p_from, v_now, v_zone);
  v_until constant timestamptz := minutehand.read_moment(p_until, v_now, v_zone);
  v_reason text := nullif(p_reason, '');
  v_ends_at timestamptz := v_until;
  v_existed boolean := false;
begin
  if v_until <= greatest(v_from, v_now) then
    raise exception 'the pause would end at %, before it begins', minutehand.utc_text(v_until) using errcode = 'MH400',
      hint = 'Write an end after its beginning, and after now.';
  elsif v_from > v_now then
    insert into minutehand.planned_pauses (scope, target, reason, starts_at, ends_at, actor)
    values (p_scope, v_target ->> 'target', v_reason, v_from, v_until, p_actor);
    perform minutehand.audit('pause_plan', concat_ws(' ', p_scope, nullif(v_target ->> 'target', '')), p_actor,
      jsonb_build_object('reason', v_reason, 'starts_at', v_from, 'ends_at', v_until), v_now);
  else
    insert into public.automation_control as c (scope, target, reason, paused_at, ends_at)
    values (p_scope, v_target ->> 'target', v_reason, v_now, v_until)
    on conflict (scope, target) do update
      set reason = coalesce(excluded.reason, c.reason), ends_at = coalesce(excluded.ends_at, c.ends_at)
    -- Only a row that INSERT … ON CONFLICT has updated has an xmax.
    returning c.reason, c.ends_at, c.xmax <> 0 into v_reason, v_ends_at, v_existed;
    perform minutehand.audit_pause('pause', p_scope, v_target ->> 'target', p_actor, v_reason, v_ends_at, v_now);
  end if;
  return v_target || jsonb_build_object(
    'scope', p_scope, 'reason', v_reason, 'existed', v_existed,
    'held', minutehand.count_pending(p_scope, v_target ->> 'target'),
    'starts_at', case when v_from > v_now then v_from end, 'ends_at', v_ends_at);
end
$$;
comment on function public.automation_pause is 'minutehand: pauses everything, a tenant or a workflow';
