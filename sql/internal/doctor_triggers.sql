-- What doctor reads of the app's own triggers, constraints, columns and other processors.
-- Sources of functions and commands of jobs are read here and never leave the database, because people paste keys into them.

-- minutehand.app_functions() -> (oid, name, writes, calls): the app's functions that insert executions themselves, or make HTTP
-- calls; also functions that call one of these.
create or replace function minutehand.app_functions()
returns table (oid oid, name text, writes boolean, calls boolean) language sql stable set search_path = '' as $$
  with source as (
    select p.oid, p.proname::text as name,
           p.prosrc collate "C" ~* 'insert\s+into[^;]*automation_execution_logs' as writes,
           p.prosrc collate "C" ~* '\mnet\.http_|\mhttp_(post|get|request)\M' as calls, p.prosrc as text
    from pg_catalog.pg_proc p
    join pg_catalog.pg_language l on l.oid = p.prolang and l.lanname in ('sql', 'plpgsql')
    where p.pronamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
      and p.oid not in (select o.oid from minutehand.own_functions() o)
  ), direct as (
    select s.name, s.writes, s.calls from source s where s.writes or s.calls
  )
  select s.oid, s.name, s.writes or coalesce(bool_or(d.writes), false), s.calls or coalesce(bool_or(d.calls), false)
  from source s
  left join direct d on d.name <> s.name and s.text ~ ('\m' || regexp_replace(d.name, '\W', '.', 'g') || '\s*\(')
  group by s.oid, s.name, s.writes, s.calls
  having s.writes or s.calls or bool_or(d.writes) or bool_or(d.calls)
$$;

-- minutehand.facts_triggers(now) -> {"watched": [{"table", "type", "enabled", "unwatched": as minutehand.watch_problem}], "twins": [{"table", "trigger"}],
--   "uncovered": as minutehand.uncovered_tables, "outdated": as minutehand.outdated_triggers, "heartbeats": as minutehand.heartbeats,
--   "closed_links": as minutehand.closed_links, "others": [{"table", "trigger", "function", "writes", "calls"}],
--   "deferrable": [{"table", "constraint", "kind", "definition"}]}.  A twin is our own trigger function under another name;
--   others are the app's: those that write executions, and on watched tables and on the queue also those that call out.
create or replace function minutehand.facts_triggers(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with placed as (
    select t.tgrelid::regclass::text as table, t.tgname::text as trigger, t.tgfoid, t.tgrelid,
           t.tgenabled in ('O', 'A') as enabled
    from pg_catalog.pg_trigger t
    where not t.tgisinternal and t.tgparentid = 0
  )
  select jsonb_build_object(
    'watched', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'table', w.relation::regclass::text, 'type', w.config ->> 'type', 'enabled', w.enabled, 'trigger', w.trigger,
        'id', w.config ->> 'id', 'unwatched', minutehand.watch_problem(w),
        -- A column that is gone is reported by the check `tables`.
        'unique', minutehand.is_key(w.relation, w.config ->> 'id', w.config ->> 'tenant')
          or not minutehand.has_column(w.relation, w.config ->> 'id')) order by w.table_name), '[]')
      from minutehand.watched w
      join placed p on p.tgrelid = w.relation and p.trigger = w.trigger),
    'closed_links', minutehand.closed_links(),
    'twins', (
      select coalesce(jsonb_agg(jsonb_build_object('table', p.table, 'trigger', p.trigger) order by 1), '[]')
      from placed p
      where p.tgfoid = minutehand.own_function('public.automation_capture()') and p.enabled
        and not exists (select from minutehand.watched w where w.relation = p.tgrelid and w.trigger = p.trigger)),
    'uncovered', minutehand.uncovered_tables(),
    'outdated', minutehand.outdated_triggers(),
    'heartbeats', minutehand.heartbeats(),
    'others', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'table', p.table, 'trigger', p.trigger, 'function', f.name, 'writes', f.writes, 'calls', f.calls)
        order by p.table, p.trigger), '[]')
      from placed p
      join minutehand.app_functions() f on f.oid = p.tgfoid
      where p.enabled and (
        f.writes
        or p.tgrelid in (select relation from minutehand.watched)
        or p.tgrelid = to_regclass('public.automation_execution_logs'))),
    'deferrable', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'table', t.name, 'constraint', c.conname, 'kind', c.contype,
        'definition', case when c.contype <> 't' then pg_get_constraintdef(c.oid) end) order by t.name, c.conname), '[]')
      from minutehand.own_tables() t
      join pg_catalog.pg_constraint c on c.conrelid = t.relation
      where c.condeferrable))
$$;

-- minutehand.facts_columns(now) -> {"unfilled": [{"table", "column"}]}: columns that must not be null, have no default and are not
-- ours, so that our inserts fail (R3).
create or replace function minutehand.facts_columns(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with filled (name, columns) as (values
    ('automation_execution_logs', array[
      'workflow_id', 'workflow_version', 'trigger_type', 'status', 'trigger_data', 'created_at', 'event_id', 'entity_id',
      'user_id', 'organization_id', 'attempt', 'lost_leases', 'chain_depth']),
    ('communication_logs', array[
      'created_at', 'status', 'idempotency_key', 'execution_id', 'step', 'channel', 'recipient', 'lease_token', 'user_id',
      'organization_id', 'type', 'direction', 'from_address', 'to_address']))
  select jsonb_build_object('unfilled', coalesce(
    jsonb_agg(jsonb_build_object('table', f.name, 'column', a.attname) order by f.name, a.attnum), '[]'))
  from filled f
  join pg_catalog.pg_attribute a on a.attrelid = to_regclass('public.' || f.name)
  where a.attnum > 0 and not a.attisdropped and a.attnotnull and not a.atthasdef
    and a.attidentity = '' and a.attgenerated = '' and a.attname <> all (f.columns)
$$;

-- minutehand.cron_jobs() -> [{"id", "name", "schedule"}]: active jobs of pg_cron that concern automations, not counting their calls
-- of our own functions, such as those of `minutehand units pg_cron`; null without a pg_cron
-- that we may read.
create or replace function minutehand.cron_jobs() returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_jobs jsonb;
begin
  if minutehand.readable('cron.job') is null then
    return null;
  end if;
  execute $q$
    with touching as materialized (
      select '\m' || regexp_replace(p.proname, '\W', '.', 'g') || '\s*\(' as call
      from pg_catalog.pg_proc p
      where p.prosrc ~ 'automation_(execution_logs|workflows)' and p.oid not in (select o.oid from minutehand.own_functions() o)
    ), ours as materialized (
      select '(?<!\.\s*)\m(public\s*\.\s*)?(' || string_agg(distinct p.proname, '|') || ')\s*\(' as calls
      from pg_catalog.pg_proc p
      where p.pronamespace = 'public'::regnamespace and p.oid in (select o.oid from minutehand.own_functions() o)
    )
    select coalesce(jsonb_agg(
      jsonb_build_object('id', j.jobid, 'name', j.jobname, 'schedule', j.schedule) order by j.jobid), '[]')
    from (
      select jobid, jobname, schedule, regexp_replace(command, ours.calls, '(', 'gi') as command
      from cron.job, ours where active order by jobid limit 1000) j
    where j.command collate "C" ~* 'automation' or exists (select from touching t where j.command ~ t.call)
  $q$ into v_jobs;
  return v_jobs;
exception when insufficient_privilege then
  return null;
end
$$;

-- minutehand.facts_processors(now) -> {"foreign": count, "foreign_seconds": since the newest began, "cron": as
--   minutehand.cron_jobs, "newest": {"mode", "host", "version", "heartbeat_at", "seconds"}}.  Foreign: processing without a
-- token of ours, among the newest 20,000 executions.
create or replace function minutehand.facts_processors(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'foreign', count(*) filter (where is_foreign),
    'foreign_seconds', round(extract(epoch from p_now - max(minutehand.bounded_time(began)) filter (where is_foreign))),
    'cron', minutehand.cron_jobs(),
    'newest', (
      select jsonb_build_object(
        'mode', w.mode, 'host', w.host, 'version', w.version, 'heartbeat_at', w.heartbeat_at,
        'seconds', round(extract(epoch from p_now - w.heartbeat_at)))
      from public.automation_workers w order by w.heartbeat_at desc limit 1),
    'problems', (
      select coalesce(jsonb_agg(distinct jsonb_build_object(
        'mode', w.mode, 'host', w.host, 'what', p.key, 'reason', p.value)), '[]')
      from (
        select distinct on (mode, host) * from public.automation_workers order by mode, host, heartbeat_at desc) w
      cross join lateral jsonb_each_text(w.problems) as p))
  from (
    select status in ('processing', 'running') and lease_token is null as is_foreign,
           coalesce(started_at, created_at) as began
    from public.automation_execution_logs
    order by created_at desc, id desc
    limit 20000
  ) recent
$$;

-- minutehand.facts_direct(now) -> {"status": as automation_direct_status, "net_worker": whether pg_net's process runs (null
--   where pg_net is no extension), "cron": whether there is pg_cron}
create or replace function minutehand.facts_direct(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'status', public.automation_direct_status(),
    'net_worker', (
      select exists (select from pg_catalog.pg_stat_activity where backend_type ilike '%pg_net%')
      from pg_catalog.pg_extension where extname = 'pg_net'),
    'cron', to_regclass('cron.job') is not null)
$$;
