-- automation_upcoming(p_from, p_until, p_tenant, p_limit, p_now, p_workflow) -> {"now", "from", "until", "total", "items": [{"kind": "execution",
--   "at", "workflow_id", "workflow", "entity_id", "execution_id", "tenant", "code", "reason", "paused"}], "more": bool, "schedules": [{"workflow_id", "workflow", "tenant", "at", "form",
--   "zone", "paused"}], "dates": [{"workflow_id", "workflow", "tenant", "at", "table", "entity_id", "offset", "paused"}], "more_dates": bool,
--   "workflow": the name of p_workflow | null}
-- What will run within [p_from, p_until), by time, at most p_limit: executions that wait, for what (`code`, `reason`), and whether a
-- pause would hold them as it is now (`paused`: why).  `total` counts them to 10,000.  `schedules`: those that fire next in the
-- period, at most 200; executor/upcoming.py has all their firings.  `dates`: rows whose date starts a workflow in the period, as they are
-- now, by time, at most p_limit.  p_from, p_until: moments as
-- minutehand.read_moment reads them, in the tenant's zone; by default now and 1 day from now.
-- p_workflow: only of this one, by id or name; of the first 50,000 executions that wait.
-- enable_seqscan, jit: as in automation_tick.
-- Locks: none.  Errors: MH400 no such moment, or an end before the beginning; MH404, MH409 the workflow.  Called by: store.upcoming.
create or replace function public.automation_upcoming(
  p_from text default null, p_until text default '1 day', p_tenant text default null, p_limit integer default 100,
  p_now timestamptz default null, p_workflow text default null
) returns jsonb language plpgsql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_zone constant text := minutehand.tenant_zone(coalesce(p_tenant, ''));
  v_from constant timestamptz := coalesce(minutehand.read_moment(p_from, v_now, v_zone), v_now);
  v_until constant timestamptz := coalesce(minutehand.read_moment(p_until, v_now, v_zone), v_now + interval '1 day');
  v_limit constant integer := least(greatest(coalesce(p_limit, 100), 1), 1000);
  v_workflow constant uuid := case when p_workflow is not null then (minutehand.find_workflow(p_workflow)).id end;
  v_waiting public.automation_execution_logs[];
  v_dates jsonb;
  v_more_dates boolean;
begin
  if v_until <= v_from then
    raise exception 'the end, %, is not after the beginning', minutehand.utc_text(v_until) using errcode = 'MH400',
      hint = 'Write an end after the beginning.';
  end if;
  v_waiting := array(select l from minutehand.waiting_between(v_from, v_until, p_tenant, v_workflow, v_limit + 1) l);
  with found as materialized (
    select * from minutehand.upcoming_dates(v_from, v_until, v_limit, p_tenant, v_workflow)
  ), known as (  -- a list that was cut says nothing of what is behind its last row
    select min(c.last_at) as until
    from (select max(at) as last_at from found where total is null group by workflow_id, offset_text) c
  )
  select coalesce(jsonb_agg(d.item order by d.nr) filter (where d.nr <= v_limit), '[]'),
         (select until is not null from known) or coalesce(max(d.nr), 0) > v_limit
  into v_dates, v_more_dates
  from (
    select row_number() over (order by f.at, f.entity_id, f.workflow_id) as nr, jsonb_build_object(
      'workflow_id', f.workflow_id, 'workflow', f.workflow, 'tenant', nullif(minutehand.tenant_of(w), ''), 'at', f.at,
      'table', f.table_name, 'entity_id', f.entity_id, 'offset', f.offset_text,
      'paused', minutehand.pause_reason(minutehand.tenant_of(w), w.id)) as item
    from found f
    cross join known k
    join public.automation_workflows w on w.id = f.workflow_id
    where f.at <= coalesce(k.until, 'infinity')) d;
  return jsonb_build_object(
    'workflow', minutehand.workflow_name(v_workflow), 'dates', v_dates, 'more_dates', v_more_dates,
    'now', v_now, 'from', v_from, 'until', v_until,
    'total', (select count(*) from minutehand.waiting_between(v_from, v_until, p_tenant, v_workflow, 10000)),
    'more', cardinality(v_waiting) > v_limit,
    'schedules', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'workflow_id', f.workflow_id, 'workflow', f.workflow, 'tenant', nullif(minutehand.tenant_of(w), ''), 'at', f.at,
        'form', f.form, 'zone', f.zone, 'paused', minutehand.pause_reason(minutehand.tenant_of(w), w.id))
        order by f.at, f.workflow), '[]')
      from minutehand.next_firings(v_from, v_until, case when p_tenant is null and v_workflow is null then 200 else 10000 end) f
      join public.automation_workflows w on w.id = f.workflow_id
      where (p_tenant is null or minutehand.tenant_of(w) = p_tenant) and (v_workflow is null or w.id = v_workflow)),
    'items', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'kind', 'execution', 'at', minutehand.due_at(l), 'workflow_id', l.workflow_id,
        'workflow', coalesce(w.name, minutehand.last_name(l)), 'entity_id', l.entity_id, 'execution_id', l.id,
        'tenant', nullif(minutehand.tenant_of(l), ''), 'code', l.code, 'reason', l.reason,
        'paused', minutehand.pause_reason(minutehand.tenant_of(l), l.workflow_id)) order by minutehand.due_at(l), l.id), '[]')
      from unnest(v_waiting[:v_limit]) l
      left join public.automation_workflows w on w.id = l.workflow_id and minutehand.is_of_workflow(l, w)));
end
$$;
comment on function public.automation_upcoming is 'minutehand: what will run in a period';

-- minutehand.waiting_between(from, until, tenant, workflow, limit) -> executions that are due within [from, until), by time: of all
-- tenants, or of one; of one workflow: among the first 50,000.
create or replace function minutehand.waiting_between(
  p_from timestamptz, p_until timestamptz, p_tenant text, p_workflow uuid, p_limit integer
) returns setof public.automation_execution_logs language plpgsql stable set search_path = '' as $$
begin
  if p_workflow is not null then
    return query
      select w.*
      from minutehand.waiting_between(p_from, p_until, p_tenant, null, 50000) w
      where w.workflow_id = p_workflow
      limit p_limit;
  elsif p_tenant is null then
    return query
      select *
      from public.automation_execution_logs l
      where l.status = 'pending' and minutehand.is_of_all(l) and minutehand.due_of_all(l) >= p_from
        and minutehand.due_of_all(l) < p_until
      order by minutehand.due_of_all(l), l.id
      limit p_limit;
  else
    return query
      select *
      from public.automation_execution_logs l
      where l.status = 'pending' and minutehand.tenant_of(l) = p_tenant and minutehand.due_at(l) >= p_from
        and minutehand.due_at(l) < p_until
      order by minutehand.due_at(l), l.id
      limit p_limit;
  end if;
end
$$;
