-- automation_metrics(p_facts, p_now) -> {"now", "schema_version", "pending", "due", "processing", "oldest_due_seconds",
--   "dead_rows", "events": {"recorded", "unmatched", "set_aside", "no_tenant", "quiet", "lost",
--   "last_set_aside", "last_no_tenant": {"table", "row", "error"} | null},
--   "workflows": [{id, name, trigger_type, version, on}], "tables": [...], "workers": [...], "paused": [...], "planned_pauses": minutehand.pauses_to_come,
--   "floods": [as minutehand.open_floods], "identity": minutehand.identity_words,
--   and as minutehand.recent_figures}
-- The figures that `status` prints and `/metrics` serves.  Counts stop at 10,000 each, and without an index they read the newest
-- 20,000 executions, so that neither a long history nor a long queue costs anything.
-- `workers`: the last of each mode and host, the newest first.  With p_facts the workflows are as
-- minutehand.all_workflow_facts, and "installation" is as minutehand.installation.
-- enable_seqscan, jit: as in automation_tick.
-- Locks: none.  Errors: none.  Called by: store.metrics.
create or replace function public.automation_metrics(p_facts boolean default false, p_now timestamptz default null)
returns jsonb language plpgsql stable security definer set search_path = ''
set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_cap constant integer := 10000;
begin
  return jsonb_build_object(
    'now', v_now,
    'schema_version', (public.automation_schema_version() ->> 'version')::integer,
    'pending', (select count(*) from (
      select from public.automation_execution_logs where status = 'pending' limit v_cap) x),
    'due', minutehand.count_due(v_cap, v_now),
    'pace', minutehand.tick_pace(v_now),
    'oldest_due_seconds', (
      select round(extract(epoch from v_now - greatest(due, v_now - interval '87600 hours')))
      from minutehand.first_due((select p from minutehand.pauses p)) as due
      where due <= v_now),
    'processing', (select count(*) from (
      select from public.automation_execution_logs
      where status = 'processing' and lease_expires_at is not null limit v_cap) x),
    'dead_rows', pg_catalog.pg_stat_get_dead_tuples('public.automation_execution_logs'::regclass),
    'events', jsonb_build_object(
      'recorded', coalesce(pg_catalog.pg_sequence_last_value(
        pg_catalog.pg_get_serial_sequence('public.automation_events', 'id')::regclass), 0),
      'unmatched', (select count(*) from (
        select from public.automation_events where matched_at is null and match_attempts < 5 limit v_cap) x),
      'set_aside', (select count(*) from (
        select from public.automation_events where matched_at is null and match_attempts >= 5 limit v_cap) x),
      'no_tenant', (select count(*) from (
        select error from public.automation_events order by id desc limit v_cap) x where error like 'no tenant%'),
      'last_set_aside', (
        select jsonb_build_object('table', table_name, 'row', left(entity_id, 80), 'error', left(error, 300))
        from public.automation_events where matched_at is null and match_attempts >= 5 order by id desc limit 1),
      'last_no_tenant', (
        select jsonb_build_object('table', table_name, 'row', left(entity_id, 80), 'error', left(error, 300))
        from (select id, table_name, entity_id, error from public.automation_events order by id desc limit v_cap) x
        where error like 'no tenant%' order by id desc limit 1),
      'quiet', (select count(*) from (
        select error from public.automation_events order by id desc limit v_cap) x where error like 'imported quietly%'),
      'lost', (select case when is_called then last_value else 0 end from minutehand.lost_events)),
    'workflows', case when p_facts then minutehand.all_workflow_facts() else (
      select coalesce(jsonb_agg(jsonb_build_object(
        'id', (w).id, 'name', (w).name, 'trigger_type', (w).trigger_type, 'version', (w).version, 'on', minutehand.is_on(w))
        order by (w).name, (w).id), '[]')
      from (select w from public.automation_workflows w order by w.name, w.id limit 1000) listed) end,
    'missing', minutehand.missing_from_schema(),
    'hidden', minutehand.hidden_tables(),
    'tables', public.automation_triggers(),
    'workers', (
      select coalesce(jsonb_agg(to_jsonb(w) order by w.heartbeat_at desc), '[]')
      from (
        select * from (
          select distinct on (mode, host) * from public.automation_workers order by mode, host, heartbeat_at desc) last
        order by heartbeat_at desc limit 100) w),
    'floods', (
      select coalesce(jsonb_agg(to_jsonb(f) order by f.count desc, f.workflow_id, f.kind), '[]')
      from (select * from minutehand.open_floods(v_now) order by count desc limit 20) f),
    'identity', minutehand.identity_words(v_now),
    'paused', (
      select coalesce(jsonb_agg(to_jsonb(c) || jsonb_build_object('name', minutehand.pause_name(c))), '[]')
      from public.automation_control c),
    'planned_pauses', minutehand.pauses_to_come())
    || minutehand.recent_figures(v_now)
    || case when p_facts then jsonb_build_object('installation', minutehand.installation(v_now)) else '{}' end;
end
$$;
comment on function public.automation_metrics is 'minutehand: the figures of status and /metrics';

-- minutehand.recent_figures(now) -> {"last_hour": {status: n}, "ended_last_hour": {status: n},
--   "by_workflow": [{"id", "name", "ended_last_hour": {status: n}}], "waited_seconds", "took_seconds": {"50", "95", "99"} |
--   null, "foreign_processing", "uncertain", "changed": what differs when any of them did, and does not with time alone}
-- Of the newest 20,000 executions, in one pass; the last two, which have indexes of their own, of all.  `last_hour`: those
-- made within it, by how they stand.  `ended_last_hour`: those that ended within it; by_workflow: the same of the fifty that
-- had most, and last, without an id, of all the rest. Percentiles are of those that were due at once and needed no second
-- turn: from made to begun, and from begun to ended. enable_bitmapscan is off: without statistics it would read and sort them
-- all.
create or replace function minutehand.recent_figures(p_now timestamptz) returns jsonb
language sql stable set search_path = '' set enable_bitmapscan = off as $$
  with recent as materialized (
    select case status when 'running' then 'processing' else status end as status, workflow_id, created_at, claimed_at,
           completed_at, attempt,
           created_at > p_now - interval '1 hour' as is_of_hour,
           completed_at > p_now - interval '1 hour' and completed_at <= p_now as has_ended,
           case when scheduled_at is null then extract(epoch from minutehand.bounded_time(started_at) - minutehand.bounded_time(created_at)) end as waited,
           case when scheduled_at is null then extract(epoch from minutehand.bounded_time(completed_at) - minutehand.bounded_time(started_at)) end as took
    from public.automation_execution_logs
    where created_at <= p_now + interval '1 minute'  -- whoever writes a later time does not displace the newest ones
    order by created_at desc, id desc
    limit 20000
  ), counted as (
    select workflow_id, status, count(*) as n from recent where has_ended group by workflow_id, status
  ), placed as (
    select workflow_id,
           least(51, case when workflow_id is null then 51 else row_number() over (
             order by workflow_id is null, sum(n) desc, workflow_id) end) as place
    from counted
    group by workflow_id
  ), listed as (
    select place, case when place <= 50 then workflow_id end as workflow_id, jsonb_object_agg(status, n) as statuses
    from (
      select p.place, (array_agg(c.workflow_id))[1] as workflow_id, c.status, sum(c.n) as n
      from counted c
      join placed p on p.workflow_id is not distinct from c.workflow_id
      group by p.place, c.status
    ) summed
    group by 1, 2
  )
  select jsonb_build_object(
    'changed', (
      select jsonb_build_object(
        'made', max(created_at), 'claimed', max(claimed_at), 'ended', max(completed_at), 'attempts', sum(attempt),
        'statuses', (select jsonb_object_agg(status, n) from (select status, count(*) as n from recent group by 1) s))
      from recent),
    'last_hour', (
      select coalesce(jsonb_object_agg(status, n), '{}')
      from (select status, count(*) as n from recent where is_of_hour group by status) s),
    'ended_last_hour', (
      select coalesce(jsonb_object_agg(status, n), '{}')
      from (select status, sum(n) as n from counted group by status) s),
    'by_workflow', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'id', l.workflow_id, 'name', coalesce(minutehand.workflow_name(l.workflow_id), l.workflow_id::text, 'other'), 'ended_last_hour', l.statuses)
        order by l.place), '[]')
      from listed l),
    'waited_seconds', (select minutehand.percentiles(array_agg(waited::float8)) from recent where has_ended and waited >= 0),
    'took_seconds', (select minutehand.percentiles(array_agg(took::float8)) from recent where has_ended and took >= 0),
    'foreign_processing', (select count(*) from (
      select from public.automation_execution_logs
      where status in ('processing', 'running') and lease_expires_at is null limit 10000) x),
    'uncertain', minutehand.count_uncertain(p_now))
$$;

-- minutehand.count_uncertain(now) -> how many executions of 30 days have an unconfirmed send, counted to 10,000.
create or replace function minutehand.count_uncertain(p_now timestamptz) returns bigint
language sql stable set search_path = '' as $$
  select count(*)
  from (
    select from public.automation_execution_logs
    where status = 'failed' and code = 'uncertain_send' and created_at > p_now - interval '30 days' limit 10000) x
$$;

-- minutehand.percentiles(values) -> {"50", "95", "99"}; null where there are none.
create or replace function minutehand.percentiles(p_values float8[]) returns jsonb
language sql immutable set search_path = '' as $$
  select case when count(value) > 0 then jsonb_build_object(
    '50', round(percentile_cont(0.5) within group (order by value)::numeric, 3),
    '95', round(percentile_cont(0.95) within group (order by value)::numeric, 3),
    '99', round(percentile_cont(0.99) within group (order by value)::numeric, 3)) end
  from unnest(p_values) as value
$$;
