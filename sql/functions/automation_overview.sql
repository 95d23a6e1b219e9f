-- automation_overview(p_tenant, p_now) -> {"now", "beats": [{"at": minute, "first_at": timestamptz | null, "ran": n}] of the last 60
--   minutes, oldest first, "workflows": [{"id", "name", "on", "problem", "paused", "counts": {status: n}, "hours": [n of each
--   of the last 24, oldest first], "failed_hours": […], "p50", "p95" (seconds from due to the end), "last_run", "last_status"}],
--   "busy": {"arrived": n, "ended": n, "since": timestamptz | null} of the last 15 minutes, "looked_at", "complete"}
-- What the dashboard's first page shows beside automation_metrics.  Taken from the newest 20,000 executions of a day:
-- `complete` says whether that is all of it.
-- Locks: none.  Errors: none.  Called by: store.overview.
create or replace function public.automation_overview(p_tenant text default null, p_now timestamptz default null)
returns jsonb language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_cap constant integer := 20000;
  v_answer jsonb;
begin
  with recent as materialized (
    select workflow_id, case status when 'running' then 'processing' else status end as status, created_at,
           coalesce(scheduled_at, created_at) as due, started_at, completed_at,
           greatest(0, 24 - ceil(extract(epoch from v_now - created_at) / 3600)::integer) as hour
    from public.automation_execution_logs l
    where created_at > v_now - interval '24 hours' and created_at <= v_now
      and (p_tenant is null or minutehand.tenant_of(l) = p_tenant)
    order by created_at desc, id desc
    limit v_cap
  ), ran as (
    select date_trunc('minute', started_at) as minute, count(*) as n
    from recent where started_at > v_now - interval '62 minutes' group by 1
  ), hours as (
    select workflow_id, hour, count(*) as n, count(*) filter (where status = 'failed') as failed
    from recent group by 1, 2
  ), figures as (
    select workflow_id, max(created_at) as last_run,
           (array_agg(status order by created_at desc))[1] as last_status,
           percentile_cont(array[0.5, 0.95]) within group (order by extract(epoch from completed_at - created_at))
             filter (where status = 'completed') as took
    from recent group by workflow_id
  ), counts as (
    select workflow_id, jsonb_object_agg(status, n) as counts
    from (select workflow_id, status, count(*) as n from recent group by 1, 2) c group by workflow_id
  ), shown as (
    select w.*
    from public.automation_workflows w
    left join figures f on f.workflow_id = w.id
    where p_tenant is null or p_tenant = coalesce(w.organization_id::text, w.user_id::text, '')
    order by f.last_run desc nulls last, w.name
    limit 100
  )
  select jsonb_build_object(
    'now', v_now,
    'beats', (
      select jsonb_agg(jsonb_build_object('at', m.minute, 'first_at', b.first_at, 'ran', coalesce(r.n, 0)) order by m.minute)
      from generate_series(
        date_trunc('minute', v_now) - interval '59 minutes', date_trunc('minute', v_now), interval '1 minute') as m (minute)
      left join minutehand.beats b on b.minute = m.minute
      left join ran r on r.minute = m.minute),
    'workflows', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'id', w.id, 'name', w.name, 'on', minutehand.is_on(w), 'problem', minutehand.workflow_problem(w),
        'paused', minutehand.is_paused(w.organization_id::text, w.user_id::text, w.id),
        'counts', coalesce(c.counts, '{}'), 'p50', round(f.took[1]::numeric, 2), 'p95', round(f.took[2]::numeric, 2),
        'last_run', f.last_run, 'last_status', f.last_status,
        'hours', (
          select jsonb_agg(coalesce(h.n, 0) order by i.hour)
          from generate_series(0, 23) as i (hour)
          left join hours h on h.workflow_id = w.id and h.hour = i.hour),
        'failed_hours', (
          select jsonb_agg(coalesce(h.failed, 0) order by i.hour)
          from generate_series(0, 23) as i (hour)
          left join hours h on h.workflow_id = w.id and h.hour = i.hour))
        order by f.last_run desc nulls last, w.name), '[]')
      from shown w
      left join figures f on f.workflow_id = w.id
      left join counts c on c.workflow_id = w.id),
    'busy', (
      select jsonb_build_object(
        'arrived', count(*) filter (where created_at > v_now - interval '15 minutes'),
        'ended', count(*) filter (where completed_at > v_now - interval '15 minutes'))
      from recent),
    'looked_at', (select count(*) from recent), 'complete', (select count(*) < v_cap from recent))
  into v_answer;
  return v_answer;
end
$$;
comment on function public.automation_overview is 'minutehand: what the dashboard''s first page shows';
