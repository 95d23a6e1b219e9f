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

-- minutehand.turn_pauses(now): ends the pauses whose end has come, and begins the planned ones whose beginning has.  Each claim and
-- each tick does it, and mostly finds nothing to do.  A pause without an end that a person began ends by a person.
-- Locks: the rows of these pauses, skip locked.
create or replace function minutehand.turn_pauses(p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_planned minutehand.planned_pauses;
  v_ended record;
begin
  if not exists (select from minutehand.planned_pauses where starts_at <= p_now)
     and not exists (select from public.automation_control where ends_at <= p_now) then
    return;
  end if;
  for v_planned in
    select * from minutehand.planned_pauses where starts_at <= p_now order by starts_at, id for update skip locked
  loop
    delete from minutehand.planned_pauses where id = v_planned.id;
    if v_planned.ends_at is null or v_planned.ends_at > p_now then
      insert into public.automation_control as c (scope, target, reason, paused_at, ends_at)
      values (v_planned.scope, v_planned.target, v_planned.reason, v_planned.starts_at, v_planned.ends_at)
      on conflict (scope, target) do update
        set ends_at = case when c.ends_at is not null and excluded.ends_at is not null then greatest(c.ends_at, excluded.ends_at) end;
      perform minutehand.audit_pause('pause', v_planned.scope, v_planned.target, v_planned.actor, v_planned.reason, v_planned.ends_at, p_now);
    end if;
  end loop;
  for v_ended in
    delete from public.automation_control
    where (scope, target) in (
      select scope, target from public.automation_control where ends_at <= p_now for update skip locked)
    returning scope, target
  loop
    perform minutehand.note_resumed(v_ended.scope, v_ended.target, p_now);
  end loop;
end
$$;

-- minutehand.note_resumed(scope, target, now): the loop breaker counts the starts of a workflow from here.
create or replace function minutehand.note_resumed(p_scope text, p_target text, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  if p_scope = 'workflow' then
    delete from minutehand.breaker_resets where resumed_at < p_now - interval '1 day';
    insert into minutehand.breaker_resets (workflow_id, resumed_at) values (p_target, p_now)
    on conflict (workflow_id) do update set resumed_at = excluded.resumed_at;
  end if;
end
$$;

-- minutehand.audit_pause(action, scope, target, actor, reason, end, now): writes down a pause or its end.
create or replace function minutehand.audit_pause(
  p_action text, p_scope text, p_target text, p_actor jsonb, p_reason text, p_ends_at timestamptz, p_now timestamptz
) returns void language sql volatile set search_path = '' as $$
  select minutehand.audit(p_action, concat_ws(' ', p_scope, nullif(p_target, '')), p_actor,
    jsonb_build_object('reason', p_reason) || case when p_ends_at is null then '{}' else jsonb_build_object('ends_at', p_ends_at) end, p_now)
$$;

-- minutehand.read_moment(text, now, zone) -> timestamptz: a moment as a person writes it: `2026-12-24 18:00` in the zone,
-- `2026-12-24T18:00:00+01:00`, or `3 days`, from now on.  Null: null.  Errors: MH400.
create or replace function minutehand.read_moment(p_text text, p_now timestamptz, p_zone text) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
  if p_text ~ '^\d{4}-\d\d-\d\d' then
    return case when p_text ~* '\d\d:\d\d.*(z|utc|[+-]\d\d(:?\d\d)?)$' then p_text::timestamptz
      else p_text::timestamp at time zone p_zone end;
  elsif p_text is not null and p_text !~ '^\s*\d' then
    raise exception using errcode = '22007';
  end if;
  return p_now + p_text::interval;
exception when others then
  raise exception '% is not a moment', left(p_text, 60) using errcode = 'MH400',
    hint = 'Write 2026-12-24 18:00, 2026-12-24T18:00:00+01:00 or 3 days.';
end
$$;

-- minutehand.pauses_to_come(tenant) -> [{"scope", "target", "name", "reason", "starts_at", "ends_at"}]: the pauses to come, at most
-- 100; of a tenant: those that concern it.
create or replace function minutehand.pauses_to_come(p_tenant text default null) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'scope', p.scope, 'target', p.target, 'name', minutehand.pause_name(jsonb_populate_record(
      null::public.automation_control, jsonb_build_object('scope', p.scope, 'target', p.target))),
    'reason', p.reason, 'starts_at', p.starts_at, 'ends_at', p.ends_at) order by p.starts_at, p.id), '[]')
  from (
    select p.*
    from minutehand.planned_pauses p
    left join public.automation_workflows w on p.scope = 'workflow' and w.id::text = p.target
    where p_tenant is null or p.scope = 'all' or p.scope = 'tenant' and p.target = p_tenant
      or p.scope = 'workflow' and minutehand.tenant_of(w) = p_tenant
    order by p.starts_at limit 100) p
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
