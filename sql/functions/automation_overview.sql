-- automation_overview(p_tenant, p_from, p_seconds, p_now) -> {"now", "installation": as minutehand.installation, "figures": as
--   automation_metrics, or of the tenant as minutehand.tenant_figures, "incidents": the first five that are open, "ticks": [{"at": minute, "first_at", "due", "ran"}] of the
--   last 60 minutes, oldest first, "behind_since": timestamptz | null, "throughput": {"arrived": n, "ended": n} of the last 15 minutes,
--   "groups": the first five of automation_failures of 24 hours, "bars": minutehand.bars from p_from, "workflows": [{as
--   minutehand.workflow_facts, "definition": as minutehand.steps_for_lint, "counts": {status: n}, "hours": [n of each of the
--   last 24, oldest first], "failed_hours", "p50", "p95" (seconds from due to the end), "last_run", "last_status"}] of the 21
--   that ran last, "looked_at", "complete"}
-- All that the dashboard's first page shows, in one question.  What is of a day is taken from its newest 20,000 executions:
-- `complete` says whether that is all of it.  `behind_since`: since when more was due at each look than a tick runs.
-- Locks: none.  Errors: MH400 more than 1,000 bars.  Called by: store.overview.
create or replace function public.automation_overview(
  p_tenant text default null, p_from timestamptz default null, p_seconds integer default 60, p_now timestamptz default null
) returns jsonb language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_since constant timestamptz := v_now - interval '24 hours';
begin
  return minutehand.day_figures(p_tenant, v_now) || jsonb_build_object(
    'now', v_now, 'installation', minutehand.installation(v_now),
    'figures', case when p_tenant is null then public.automation_metrics(false, v_now)
      else minutehand.tenant_figures(p_tenant, v_now) end,
    'incidents', case when p_tenant is null then public.automation_incidents(false, 5) else '[]' end,
    'behind_since', case when p_tenant is null then minutehand.behind_since(v_now) end,
    'groups', public.automation_failures(
      jsonb_strip_nulls(jsonb_build_object('since', v_since, 'tenant', p_tenant)), 5, v_now) -> 'groups',
    'bars', case when p_from is null then '[]' else minutehand.bars(p_from, v_now + interval '1 second', p_seconds, p_tenant) end);
end
$$;
comment on function public.automation_overview is 'minutehand: all that the dashboard''s first page shows';

-- minutehand.day_figures(tenant, now) -> what automation_overview takes from a day's newest executions, in one pass.
create or replace function minutehand.day_figures(p_tenant text, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_cap constant integer := 20000;
begin
  return (
    with recent as materialized (
      select workflow_id, case status when 'running' then 'processing' else status end as status, created_at,
             coalesce(claimed_at, started_at) as began,
             greatest(created_at, scheduled_at) as due, completed_at,
             greatest(0, 24 - ceil(extract(epoch from p_now - minutehand.bounded_time(created_at)) / 3600)::integer) as hour
      from public.automation_execution_logs l
      where created_at > p_now - interval '24 hours' and created_at <= p_now
        and (p_tenant is null or minutehand.tenant_of(l) = p_tenant)
      order by created_at desc, id desc
      limit v_cap
    ), ran as (
      select date_trunc('minute', began) as minute, count(*) as n
      from recent where began > p_now - interval '62 minutes' group by 1
    ), hours as (
      select workflow_id, hour, count(*) as n, count(*) filter (where status = 'failed') as failed
      from recent group by 1, 2
    ), figures as (
      select workflow_id, max(created_at) as last_run,
             (array_agg(status order by created_at desc))[1] as last_status,
             percentile_cont(array[0.5, 0.95]) within group (order by extract(epoch from minutehand.bounded_time(completed_at) - minutehand.bounded_time(due)))
               filter (where status = 'completed') as took
      from recent group by workflow_id
    ), counts as (
      select workflow_id, jsonb_object_agg(status, n) as counts
      from (select workflow_id, status, count(*) as n from recent group by 1, 2) c group by workflow_id
    ), listed as (
      select w as workflow, w.id, w.name
      from public.automation_workflows w
      left join figures f on f.workflow_id = w.id
      where p_tenant is null or p_tenant = minutehand.tenant_of(w)
      order by f.last_run desc nulls last, w.name
      limit 21
    ), context as materialized (
      select minutehand.workflow_context(array(select distinct (workflow).trigger_type::text from listed)) as value
    )
    select jsonb_build_object(
      'ticks', (
        select jsonb_agg(jsonb_build_object(
          'at', m.minute, 'first_at', b.first_at, 'due', case when p_tenant is null then b.due end, 'ran', coalesce(r.n, 0))
          order by m.minute)
        from generate_series(
          date_trunc('minute', p_now) - interval '59 minutes', date_trunc('minute', p_now), interval '1 minute') as m (minute)
        left join minutehand.tick_log b on b.minute = m.minute
        left join ran r on r.minute = m.minute),
      'workflows', (
        select coalesce(jsonb_agg(minutehand.workflow_facts(w.workflow, context.value) || jsonb_build_object(
          'definition', minutehand.verdict_of(w.workflow, context.value) -> 'steps',
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
        from listed w
        cross join context
        left join figures f on f.workflow_id = w.id
        left join counts c on c.workflow_id = w.id),
      'throughput', (
        select jsonb_build_object(
          'arrived', count(*) filter (where created_at > p_now - interval '15 minutes'),
          'ended', count(*) filter (where completed_at > p_now - interval '15 minutes'))
        from recent),
      'looked_at', (select count(*) from recent), 'complete', (select count(*) < v_cap from recent)));
end
$$;

-- minutehand.behind_since(now) -> the first of the looks, without one between them, at which more was due than a tick runs;
-- null when the last look found less, or when nobody looked for a quarter of an hour.
create or replace function minutehand.behind_since(p_now timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
  select min(b.first_at)
  from (select (minutehand.tick_pace(p_now) ->> 'per_tick')::integer as per_tick) pace
  join minutehand.tick_log b on b.due > pace.per_tick
  where b.minute > coalesce(
      (select max(caught_up.minute) from minutehand.tick_log caught_up where coalesce(caught_up.due, 0) <= pace.per_tick),
      '-infinity')
    and exists (select from minutehand.tick_log last where last.minute > p_now - interval '15 minutes')
$$;

-- minutehand.tenant_figures(tenant, now) -> {"pending", "due", "processing", "oldest_due_seconds", "last_hour": {status: n},
--   "uncertain", "paused", "planned_pauses"}: of automation_metrics what is one tenant's to see.  Counts stop at 10,000.
create or replace function minutehand.tenant_figures(p_tenant text, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' set enable_seqscan = off set jit = off as $$
begin
  return jsonb_build_object(
    'pending', (select count(*) from (
      select from public.automation_execution_logs l
      where l.status = 'pending' and minutehand.tenant_of(l) = p_tenant limit 10000) x),
    'due', (select count(*) from (
      select from public.automation_execution_logs l
      where l.status = 'pending' and minutehand.tenant_of(l) = p_tenant and minutehand.due_at(l) <= p_now
      limit 10000) x),
    'oldest_due_seconds', (
      select round(extract(epoch from p_now - least(p_now, min(minutehand.due_at(l)))))
      from public.automation_execution_logs l
      where l.status = 'pending' and minutehand.tenant_of(l) = p_tenant
        and minutehand.due_at(l) between p_now - interval '87600 hours' and p_now),
    'processing', (
      select count(*) from public.automation_execution_logs l
      where lease_token is not null and lease_expires_at is not null and status = 'processing'
        and minutehand.tenant_of(l) = p_tenant),
    'last_hour', (
      select coalesce(jsonb_object_agg(status, n), '{}')
      from (
        select case l.status when 'running' then 'processing' else l.status end as status, count(*) as n
        from public.automation_execution_logs l
        where l.created_at > p_now - interval '1 hour' and minutehand.tenant_of(l) = p_tenant
        group by 1) s),
    'uncertain', (
      select count(*) from public.automation_execution_logs l
      where status = 'failed' and code = 'uncertain_send' and created_at > p_now - interval '30 days'
        and minutehand.tenant_of(l) = p_tenant),
    'paused', (
      select coalesce(jsonb_agg(to_jsonb(c) || jsonb_build_object('name', minutehand.pause_name(c))), '[]')
      from public.automation_control c
      left join public.automation_workflows w on c.scope = 'workflow' and w.id::text = c.target
      where c.scope = 'all' or c.scope = 'tenant' and c.target = p_tenant
        or c.scope = 'workflow' and minutehand.tenant_of(w) = p_tenant),
    'planned_pauses', minutehand.pauses_to_come(p_tenant),
    'workers', '[]'::jsonb);
end
$$;
