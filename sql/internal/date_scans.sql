-- Scans of date columns: which rows have reached a moment before or after their date (dates.sql), and starting what they start.
-- Each offset of a workflow has a row in minutehand.date_scans: the moments up to `scanned_to` are decided.  A scan reads, through an
-- index, the rows whose moment lies between there and now, 500 at a time; so it reads each row about once, whatever the table holds,
-- and a row whose date moves is found at its new moment.  The dedupe key names workflow, row, date and offset.

-- minutehand.date_source(form, trigger type) -> (relation, config, name, column_name, column_type, key_type, problem): the watched table and its
-- date column.  problem: why it cannot be scanned.
create or replace function minutehand.date_source(
  p_form jsonb, p_type text, out relation oid, out config jsonb, out name text, out column_name text, out column_type text,
  out key_type text, out problem text
) language plpgsql stable set search_path = '' as $$
declare
  v_names text[];
begin
  column_name := p_form ->> 'column';
  if p_form ->> 'table' is not null then
    v_names := array[minutehand.watched_name(p_form ->> 'table')];
  else
    v_names := array(
      select w.name from minutehand.watched w
      where minutehand.has_column(w.relation, column_name)
      order by p_type = 'invoice_overdue' and w.config ->> 'type' = 'invoice' desc, w.name limit 20);
    if cardinality(v_names) > 1 and not (p_type = 'invoice_overdue' and exists (
        select from minutehand.watched w where w.name = v_names[1] and w.config ->> 'type' = 'invoice')) then
      problem := format('several watched tables have a column %s (%s): write "table"', column_name, array_to_string(v_names, ', '));
      return;
    end if;
  end if;
  select w.relation, w.config, w.name into relation, config, name from minutehand.watched w where w.name = v_names[1];
  if relation is null then
    problem := case when p_form ->> 'table' is null then format('no watched table has a column %s: write "table" and "column"', column_name)
      else format('table %s is not watched; watch it with: minutehand trigger add %1$s', left(p_form ->> 'table', 60)) end;
    return;
  end if;
  select max(format_type(a.atttypid, null)) filter (where a.attname = column_name), max(format_type(a.atttypid, a.atttypmod)) filter (where a.attname = config ->> 'id')
  into column_type, key_type
  from pg_catalog.pg_attribute a
  where a.attrelid = relation and a.attname in (column_name, config ->> 'id') and a.attnum > 0 and not a.attisdropped;
  problem := case
    when column_type is null then format('table %s has no column %s', name, column_name)
    when column_type not in ('date', 'timestamp without time zone', 'timestamp with time zone')
      then format('column %s of %s is %s: a date trigger reads a date, a timestamp or a timestamptz', column_name, name, column_type)
    when not minutehand.has_date_index(relation, column_name, config ->> 'id')
      then format('table %s has no index to find its dates by: create index concurrently on %s (%I, %I)',
                  name, regexp_replace(relation::regclass::text, '^public\.', ''), column_name, config ->> 'id') end;
end
$$;

-- minutehand.has_date_index(relation, column, key) -> boolean: is there an index that begins with this column and the key?
create or replace function minutehand.has_date_index(p_relation oid, p_column text, p_key text) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    join pg_catalog.pg_am m on m.oid = c.relam
    where i.indrelid = p_relation and i.indisvalid and i.indpred is null and m.amname = 'btree' and i.indnkeyatts >= 2
      and i.indoption[0] = i.indoption[1]
      and i.indkey[0] = (select attnum from pg_catalog.pg_attribute where attrelid = p_relation and attname = p_column and not attisdropped)
      and i.indkey[1] = (select attnum from pg_catalog.pg_attribute where attrelid = p_relation and attname = p_key and not attisdropped))
$$;

-- minutehand.is_by_day(form, column's type) -> boolean: is the moment a time of day, on a day counted from the date's?
create or replace function minutehand.is_by_day(p_form jsonb, p_column_type text) returns boolean
language sql immutable as $$
  select p_form ->> 'at' is not null or p_column_type = 'date'
$$;

-- minutehand.date_instant(value, column's type, zone) -> timestamptz: the date as an instant.  value: in UTC where the column has a zone; a
-- day is its beginning.
create or replace function minutehand.date_instant(p_value timestamp, p_column_type text, p_zone text) returns timestamptz
language sql stable as $$
  select case p_column_type when 'timestamp with time zone' then p_value at time zone 'UTC' else (minutehand.instants_of(p_value, p_zone)).first end
$$;

-- minutehand.moment_of(value, column's type, form, offset, zone) -> timestamptz: when this offset of this date comes.  Days and months go
-- by the calendar of the zone, hours and minutes by elapsed time.  A day without `at` means 09:00.
create or replace function minutehand.moment_of(
  p_value timestamp, p_column_type text, p_form jsonb, p_offset jsonb, p_zone text
) returns timestamptz language plpgsql stable as $$
declare
  v_instant constant timestamptz := minutehand.date_instant(p_value, p_column_type, p_zone);
  v_local constant timestamp := case p_column_type when 'timestamp with time zone' then v_instant at time zone p_zone else p_value end;
  v_days constant interval := make_interval(months => (p_offset ->> 'months')::integer, days => (p_offset ->> 'days')::integer);
  v_seconds constant interval := make_interval(secs => (p_offset ->> 'seconds')::integer);
begin
  if minutehand.is_by_day(p_form, p_column_type) and v_seconds = interval '0' then
    return (minutehand.instants_of((v_local::date + v_days)::date + coalesce(p_form ->> 'at', '09:00')::time, p_zone)).first;
  elsif v_days <> interval '0' then
    return (minutehand.instants_of(v_local + v_days, p_zone)).first + v_seconds;
  end if;
  return v_instant + v_seconds;
end
$$;

-- minutehand.dates_between(from, to, column's type, form, offset, zone) -> (low, high): values whose moment may lie in (from, to], as the column
-- writes them (UTC); exact but for months and the clocks' changes.  low is null where there are none.
create or replace function minutehand.dates_between(
  p_from timestamptz, p_to timestamptz, p_column_type text, p_form jsonb, p_offset jsonb, p_zone text, out low timestamp, out high timestamp
) language plpgsql stable as $$
declare
  v_days constant interval := make_interval(months => (p_offset ->> 'months')::integer, days => (p_offset ->> 'days')::integer);
  v_seconds constant interval := make_interval(secs => (p_offset ->> 'seconds')::integer);
  v_pad constant interval := case when (p_offset ->> 'months')::integer <> 0 then interval '4 days' else interval '0' end;
  v_at constant time := coalesce(p_form ->> 'at', '09:00')::time;
  v_first date := (p_from at time zone p_zone)::date;
  v_last date := (p_to at time zone p_zone)::date;
begin
  if minutehand.is_by_day(p_form, p_column_type) and v_seconds = interval '0' then
    v_first := v_first + ((minutehand.instants_of(v_first + v_at, p_zone)).first <= p_from)::integer;
    v_last := v_last - ((minutehand.instants_of(v_last + v_at, p_zone)).first > p_to)::integer;
    if v_first > v_last then
      return;
    end if;
    low := (v_first - v_days)::date - v_pad;
    high := (v_last - v_days)::date + v_pad + case when p_column_type = 'date' then interval '0' else interval '1 day' end;
  elsif p_column_type = 'timestamp with time zone' and v_days = interval '0' then
    low := (p_from - v_seconds) at time zone 'UTC';
    high := (p_to - v_seconds) at time zone 'UTC';
    return;
  else
    low := (p_from - v_seconds) at time zone p_zone - v_days - v_pad - interval '1 hour';
    high := (p_to - v_seconds) at time zone p_zone - v_days + v_pad + interval '1 hour';
    if p_column_type = 'date' then  -- hours after a day
      low := low::date;
    end if;
  end if;
  if p_column_type = 'timestamp with time zone' then
    low := (low at time zone p_zone) at time zone 'UTC' - interval '1 hour';
    high := (high at time zone p_zone) at time zone 'UTC' + interval '1 hour';
  end if;
end
$$;

-- minutehand.is_date_due(now) -> boolean: is there a scan to do?
create or replace function minutehand.is_date_due(p_now timestamptz) returns boolean
language sql stable set search_path = '' set enable_seqscan = off set jit = off as $$
  select exists (select from minutehand.date_scans where look_at <= p_now) or exists (
    select
    from public.automation_workflows w
    left join minutehand.schedules s on s.workflow_id = w.id
    where w.trigger_type = any (minutehand.date_types()) and (s.workflow_id is null or s.version <> coalesce(w.version, 1))
      and minutehand.time_kind(minutehand.row_of(w)) = 'date')
$$;

-- minutehand.scan_dates(deadline, now) -> (started, more): notes what was saved, then goes on with the scans that are due, a piece of 500 rows of
-- each in turn, until the deadline.
create or replace function minutehand.scan_dates(
  p_deadline timestamptz, p_now timestamptz, out started integer, out more boolean
) language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_workflow public.automation_workflows;
  v_scan minutehand.date_scans;
begin
  started := 0;
  more := false;
  for v_workflow in
    select w.*
    from public.automation_workflows w
    left join minutehand.schedules s on s.workflow_id = w.id
    where w.trigger_type = any (minutehand.date_types()) and (s.workflow_id is null or s.version <> coalesce(w.version, 1))
      and minutehand.time_kind(minutehand.row_of(w)) = 'date'
    order by w.id limit 200
  loop
    perform minutehand.note_dates(v_workflow, p_now);
  end loop;
  loop
    more := exists (select from minutehand.date_scans where look_at <= p_now);
    exit when not more or clock_timestamp() > p_deadline;
    select * into v_scan
    from minutehand.date_scans d where d.look_at <= p_now
    order by d.look_at, d.workflow_id, d.offset_text limit 1 for update skip locked;
    exit when not found;
    begin
      started := started + minutehand.scan_piece(v_scan, p_now);
    exception when others then
      if minutehand.is_away(sqlstate) then
        raise;
      end if;
      perform minutehand.end_scan(v_scan, left(sqlerrm, 500), least(v_scan.attempts, 8) + 1, p_now);
    end;
  end loop;
end
$$;

-- minutehand.end_scan(scan, problem, attempts, now): when to look again; what cannot be scanned waits longer each time.
create or replace function minutehand.end_scan(p_scan minutehand.date_scans, p_problem text, p_attempts integer, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  update minutehand.date_scans
  set problem = p_problem, attempts = p_attempts,
      look_at = p_now + case when p_problem is null then interval '1 minute' else minutehand.backoff(p_attempts) end
  where workflow_id = p_scan.workflow_id and offset_text = p_scan.offset_text
$$;

-- minutehand.note_dates(workflow, now): brings its scans up to its saved version.  A new offset begins with `starting`, else when it was saved;
-- one that stood goes on, but not over a time when the workflow was off.  So no backlog goes out.
create or replace function minutehand.note_dates(p_workflow public.automation_workflows, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_form constant jsonb := minutehand.date_form(minutehand.row_of(p_workflow));
  v_version constant integer := coalesce(p_workflow.version, 1);
  v_since constant timestamptz := minutehand.first_instant(p_workflow, p_now);
  v_state minutehand.schedules;
  v_begins timestamptz;
  v_was_on timestamptz;
begin
  insert into minutehand.schedules (workflow_id, version, decided_to) values (p_workflow.id, 0, v_since) on conflict do nothing;
  select * into v_state from minutehand.schedules s where s.workflow_id = p_workflow.id for update skip locked;
  if not found or v_state.version = v_version then
    return;
  end if;
  if v_form ? 'problem' then
    delete from minutehand.date_scans where workflow_id = p_workflow.id;
  else
    v_begins := coalesce(
      (minutehand.instants_of(minutehand.to_date(v_form ->> 'starting')::timestamp, minutehand.time_zone_of(v_form, p_workflow))).first,
      case when v_state.version = 0 then v_state.decided_to else v_since end);
    if v_state.form - '{offsets,conditions,late}'::text[] <> v_form - '{offsets,conditions,late}'::text[] then
      delete from minutehand.date_scans where workflow_id = p_workflow.id;
    end if;
    delete from minutehand.date_scans d
    where d.workflow_id = p_workflow.id and d.offset_text not in (select o ->> 'text' from jsonb_array_elements(v_form -> 'offsets') as o);
    v_was_on := minutehand.on_since(p_workflow.id, v_state.version, v_version);
    update minutehand.date_scans d
    set scanned_to = greatest(d.scanned_to, v_was_on), begins = greatest(d.begins, v_was_on), until = null, after_value = null, after_key = null,
        look_at = p_now
    where d.workflow_id = p_workflow.id;
    insert into minutehand.date_scans (workflow_id, offset_text, begins, scanned_to, look_at)
    select p_workflow.id, o ->> 'text', v_begins, v_begins, p_now from jsonb_array_elements(v_form -> 'offsets') as o
    on conflict do nothing;
  end if;
  update minutehand.schedules set version = v_version, form = v_form, problem = v_form ->> 'problem', look_at = null where workflow_id = p_workflow.id;
end
$$;

-- minutehand.on_since(workflow, after version, up to version) -> timestamptz: when a later version switched it on again, or null.
create or replace function minutehand.on_since(p_workflow_id uuid, p_after integer, p_to integer) returns timestamptz
language sql stable set search_path = '' as $$
  select max(v.saved_at)
  from (
    select v.version, v.saved_at, minutehand.is_row_on(v.definition) as is_on,
           lag(minutehand.is_row_on(v.definition)) over (order by v.version) as was_on
    from public.automation_workflow_versions v
    where v.workflow_id = p_workflow_id and v.version between p_after and p_to
  ) v
  where v.is_on and v.was_on is false
$$;

-- minutehand.scan_piece(scan, now) -> how many executions its next piece started.  Its row is locked.
create or replace function minutehand.scan_piece(p_scan minutehand.date_scans, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
  c_limit constant integer := 500;
  v_workflow public.automation_workflows;
  v_row jsonb;
  v_form jsonb;
  v_offset jsonb;
  v_source record;
  v_zone text;
  v_from timestamptz;
  v_until constant timestamptz := coalesce(p_scan.until, p_now);
  v_range record;
  v_piece record;
  v_started integer := 0;
begin
  select * into v_workflow from public.automation_workflows w where w.id = p_scan.workflow_id;
  v_row := minutehand.row_of(v_workflow);
  v_form := case when minutehand.time_kind(v_row) = 'date' then minutehand.date_form(v_row) end;
  v_offset := jsonb_path_query_first(v_form, '$.offsets[*] ? (@.text == $text)', jsonb_build_object('text', p_scan.offset_text));
  if v_offset is null then
    delete from minutehand.date_scans where workflow_id = p_scan.workflow_id and offset_text = p_scan.offset_text;
    return 0;
  elsif not minutehand.can_start(v_row) or minutehand.is_paused(
      minutehand.tenant_of(v_workflow), v_workflow.id, (select p from minutehand.pauses p)) then
    perform minutehand.end_scan(p_scan, null, 0, p_now);
    return 0;
  end if;
  v_source := minutehand.date_source(v_form, v_workflow.trigger_type);
  v_zone := minutehand.time_zone_of(v_form, v_workflow);
  if v_source.problem is not null or not minutehand.is_zone(v_zone) then
    perform minutehand.end_scan(p_scan, coalesce(v_source.problem, format('timezone: there is no zone "%s"', left(v_zone, 60))),
      least(p_scan.attempts, 8) + 1, p_now);
    return 0;
  end if;
  -- A little again of what was scanned: a transaction may have committed since.
  v_from := greatest(p_scan.begins, p_scan.scanned_to - minutehand.grace());
  v_range := minutehand.dates_between(v_from, v_until, v_source.column_type, v_form, v_offset, v_zone);
  if v_range.low is not null then
    v_piece := minutehand.date_keys(
      v_source.relation, v_source.config, v_source.column_name, v_source.column_type, v_source.key_type, v_workflow, v_range.low, v_range.high,
      p_scan.after_value, p_scan.after_key, c_limit);
    v_started := minutehand.start_dates(
      v_workflow, v_form, v_offset, v_zone, to_jsonb(v_source), v_piece.keys, v_piece.vals, v_from, v_until, p_now);
  end if;
  if v_range.low is null or v_piece.last_key is null then
    update minutehand.date_scans
    set scanned_to = greatest(scanned_to, v_until), until = null, after_value = null, after_key = null, problem = null, attempts = 0,
        look_at = p_now + interval '1 minute'
    where workflow_id = p_scan.workflow_id and offset_text = p_scan.offset_text;
  else  -- look_at moves a little: other scans have their turn
    update minutehand.date_scans
    set until = v_until, after_value = v_piece.last_value, after_key = v_piece.last_key, problem = null, attempts = 0,
        look_at = least(p_now, look_at + interval '1 second')
    where workflow_id = p_scan.workflow_id and offset_text = p_scan.offset_text;
  end if;
  return v_started;
end
$$;

-- minutehand.date_keys(relation, config, column, its type, the key's, workflow, low, high, after value, after key, limit) -> (keys, vals, last_value,
-- last_key): of the next so many rows in this range, in the order of the index, keys and dates of those of the workflow's tenant;
-- last_key is null at the end.
create or replace function minutehand.date_keys(
  p_relation oid, p_config jsonb, p_column text, p_column_type text, p_key_type text, p_workflow public.automation_workflows, p_low timestamp,
  p_high timestamp, p_after_value text, p_after_key text, p_limit integer,
  out keys text[], out vals timestamp[], out last_value text, out last_key text
) language plpgsql stable set search_path = '' set timezone = 'UTC' set datestyle = 'ISO, YMD'
set enable_seqscan = off set jit = off set lock_timeout = '250ms' as $$
declare
  v_id constant text := p_config ->> 'id';
  v_tenant constant text := p_config ->> 'tenant';
  v_user constant text := coalesce(p_config ->> 'user', 'user_id');
  v_count integer;
begin
  perform set_config('lock_timeout', minutehand.lock_wait(), true);
  execute format(
    'select coalesce(array_agg(k order by nr) filter (where %1$s), ''{}''), coalesce(array_agg(v order by nr) filter (where %1$s), ''{}''), '
    'max(nr), (array_agg(t order by nr desc))[1], (array_agg(k order by nr desc))[1] '
    'from (select s.*, row_number() over () as nr from ('
    'select %2$I::text as k, %3$I::timestamp as v, %3$I::text as t, %4$s as org, %5$s as usr from %6$s '
    'where %3$I >= $1::%7$s and %3$I <= $2::%7$s and %8$s order by %3$I, %2$I limit %9$s) s) n',
    case when v_tenant is null then 'true' else 'org = $5 or org is null and usr = $6' end, v_id, p_column,
    case when v_tenant is null or v_tenant = v_user then 'null::text' else format('%I::text', v_tenant) end,
    case when v_tenant is null or not minutehand.has_column(p_relation, v_user) then 'null::text' else format('%I::text', v_user) end,
    p_relation::regclass, p_column_type,
    case when p_after_key is null then 'true' else format('(%I, %I) > ($3::%s, $4::%s)', p_column, v_id, p_column_type, p_key_type) end, p_limit)
  into keys, vals, v_count, last_value, last_key
  using p_low, p_high, p_after_value, p_after_key, p_workflow.organization_id::text, p_workflow.user_id::text;
  if coalesce(v_count, 0) < p_limit then
    last_key := null;
  end if;
end
$$;

-- minutehand.date_text(offset, column) -> text: `24 hours before schedule_start`.
create or replace function minutehand.date_text(p_offset text, p_column text) returns text
language sql immutable as $$
  select p_offset || ' ' || p_column
$$;

-- minutehand.start_dates(workflow, form, offset, zone, source, keys, values, from, until, now) -> how many executions these rows started.
create or replace function minutehand.start_dates(
  p_workflow public.automation_workflows, p_form jsonb, p_offset jsonb, p_zone text, p_source jsonb, p_keys text[], p_values timestamp[],
  p_from timestamptz, p_until timestamptz, p_now timestamptz
) returns integer language plpgsql set search_path = '' as $$
declare
  v_config constant jsonb := p_source -> 'config';
  v_status constant text := minutehand.status_column(v_config);
  v_conditions constant jsonb := p_form -> 'conditions';
  v_column constant text := p_source ->> 'column_name';
  v_due jsonb;
  v_row record;
  v_moment timestamptz;
  v_skipped jsonb;
  v_started integer := 0;
begin
  select jsonb_object_agg(c.key, c.moment) into v_due
  from (
    select k as key, minutehand.moment_of(v, p_source ->> 'column_type', p_form, p_offset, p_zone) as moment,
           minutehand.dates_key(p_workflow.id, p_source ->> 'name', k, v, p_offset) as dedupe_key
    from unnest(p_keys, p_values) as u (k, v)
  ) c
  where c.moment > p_from and c.moment <= p_until
    and not exists (select from public.automation_events e where e.dedupe_key = c.dedupe_key);
  for v_row in
    select r.key, r.found, u.v as value
    from minutehand.read_app_rows((p_source ->> 'relation')::oid, v_config, array(select jsonb_object_keys(v_due))) r
    join unnest(p_keys, p_values) as u (k, v) on u.k = r.key
    where r.found is not null
  loop
    v_moment := (v_due ->> v_row.key)::timestamptz;
    continue when not minutehand.is_row_of_workflow(v_row.found, v_config, p_workflow)
      or coalesce(minutehand.is_set_on(v_row.found, v_config ->> 'soft_delete'), false)
      or minutehand.dated_since(p_source ->> 'name', v_row.key, v_column, v_moment)
      or not minutehand.conditions_met(v_conditions, v_row.found, null, v_status);
    v_skipped := minutehand.late_date(
      p_form, p_offset, v_moment, minutehand.date_instant(v_row.value, p_source ->> 'column_type', p_zone)
        + case p_source ->> 'column_type' when 'date' then interval '1 day' else interval '0' end, p_now);
    v_started := v_started + minutehand.start_timed(
      p_workflow, p_source ->> 'name', v_row.key, v_row.found, 'DATE',
      jsonb_build_object('date', jsonb_build_object(
        'column', v_column, 'value', v_row.found -> v_column, 'offset', p_offset -> 'text', 'moment', v_moment)),
      minutehand.dates_key(p_workflow.id, p_source ->> 'name', v_row.key, v_row.value, p_offset), v_skipped, p_now)::integer;
  end loop;
  return v_started;
end
$$;

-- minutehand.dates_key(workflow, table, key, value, offset) -> text: the dedupe key: once for each row, date and offset.
create or replace function minutehand.dates_key(p_workflow_id uuid, p_table text, p_key text, p_value timestamp, p_offset jsonb) returns text
language sql stable as $$
  select format('date:%s:%s:%s:%s:%s', p_workflow_id, p_table, to_char(p_value, 'YYYY-MM-DD"T"HH24:MI:SS.US'), p_offset ->> 'text', p_key)
$$;

-- minutehand.dated_since(table, key, column, moment) -> boolean: did the row get this date after the moment?  What is booked three hours ahead
-- is not reminded a day before.
create or replace function minutehand.dated_since(p_table text, p_key text, p_column text, p_moment timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select coalesce((
    select e.occurred_at > p_moment
    from (
      select * from public.automation_events
      where entity_id = p_key and table_name = p_table order by id desc limit 200) e
    where e.operation = 'INSERT' or e.operation = 'UPDATE' and e.old ? p_column
    order by e.id desc limit 1), false)
$$;

-- minutehand.late_date(form, offset, moment, the date's end, now) -> {"code", "reason"}, or null where it starts: what becomes of a moment that
-- is found late, after downtime.  By default what comes before a date is dropped once that is past, and what comes after it starts.
create or replace function minutehand.late_date(
  p_form jsonb, p_offset jsonb, p_moment timestamptz, p_end timestamptz, p_now timestamptz
) returns jsonb language sql stable set search_path = '' as $$
  select case when p_now - p_moment > minutehand.grace() then case coalesce(p_form ->> 'late', case when p_offset ->> 'text' like '% before' and p_now >= p_end then 'past' end)
    when 'drop' then jsonb_build_object('code', 'late', 'reason', format(
      'its moment was %s, and no processor looked before %s (late: drop)', minutehand.utc_text(p_moment), minutehand.utc_text(p_now)))
    when 'past' then jsonb_build_object('code', 'late', 'reason', format(
      'its moment was %s, no processor looked before %s, and the date has passed', minutehand.utc_text(p_moment), minutehand.utc_text(p_now)))
    when 'hold' then jsonb_build_object('code', 'stale', 'reason', format(
      'its moment was %s, and no processor looked before %s (late: hold); release it to run it now', minutehand.utc_text(p_moment), minutehand.utc_text(p_now)))
    end end
$$;

-- minutehand.date_stop(log, workflow, row, config) -> {"code", "reason"}, or null: why an execution that a date started must not begin: its date is another
-- one by now, which has a moment of its own; or its conditions are not met any more.  Asked before its first step alone: its own steps may
-- change the row.
create or replace function minutehand.date_stop(
  p_log public.automation_execution_logs, p_workflow public.automation_workflows, p_row jsonb, p_config jsonb
) returns jsonb language plpgsql stable as $$
declare
  v_date jsonb;
  v_form jsonb;
begin
  if coalesce(minutehand.readable_json(p_log.actions_executed::text), '[]') not in ('[]', 'null', '{}') then
    return null;
  end if;
  v_date := minutehand.readable_json(p_log.trigger_data::text) -> 'date';
  if jsonb_typeof(v_date) is distinct from 'object' or not p_row ? (v_date ->> 'column') then
    return null;
  elsif not minutehand.values_equal(p_row -> (v_date ->> 'column'), v_date -> 'value', false) then
    return jsonb_build_object('code', 'date_moved', 'reason', format('%s is %s now; it was %s', v_date ->> 'column',
      minutehand.short_value(p_row -> (v_date ->> 'column')), minutehand.short_value(v_date -> 'value')));
  end if;
  v_form := case when minutehand.time_kind(minutehand.row_of(p_workflow)) = 'date' then minutehand.date_form(minutehand.row_of(p_workflow)) end;
  if v_form ? 'offsets' and not minutehand.conditions_met(v_form -> 'conditions', p_row, null, minutehand.status_column(p_config)) then
    return jsonb_build_object('code', 'condition_false', 'reason', 'its conditions are not met any more');
  end if;
  return null;
end
$$;

-- minutehand.upcoming_dates(from, to, limit, tenant, workflow) -> (workflow_id, workflow, table_name, offset_text, entity_id, at, total): rows whose moment falls within
-- [from, to), found by the index; of each workflow and offset at most `limit` rows are read, and listed where they are of its tenant and
-- its conditions are met as they are now; total is null beyond the limit.
create or replace function minutehand.upcoming_dates(
  p_from timestamptz, p_to timestamptz, p_limit integer, p_tenant text default null, p_workflow uuid default null)
returns table (workflow_id uuid, workflow text, table_name text, offset_text text, entity_id text, at timestamptz, total integer)
language plpgsql stable set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_workflow public.automation_workflows;
  v_offset jsonb;
  v_form jsonb;
  v_source record;
  v_zone text;
  v_range record;
  v_piece record;
begin
  for v_workflow in
    select w.* from public.automation_workflows w
    where w.trigger_type = any (minutehand.date_types()) and minutehand.can_start(minutehand.row_of(w))
      and minutehand.time_kind(minutehand.row_of(w)) = 'date'
      and (p_tenant is null or minutehand.tenant_of(w) = p_tenant) and (p_workflow is null or w.id = p_workflow)
    order by w.name, w.id limit 200
  loop
    v_form := minutehand.date_form(minutehand.row_of(v_workflow));
    v_source := minutehand.date_source(v_form, v_workflow.trigger_type);
    v_zone := minutehand.time_zone_of(v_form, v_workflow);
    continue when v_source.problem is not null or not minutehand.is_zone(v_zone);
    for v_offset in select jsonb_array_elements(v_form -> 'offsets') loop
      v_range := minutehand.dates_between(p_from, p_to, v_source.column_type, v_form, v_offset, v_zone);
      continue when v_range.low is null;
      v_piece := minutehand.date_keys(
        v_source.relation, v_source.config, v_source.column_name, v_source.column_type, v_source.key_type, v_workflow, v_range.low, v_range.high,
        null, null, p_limit);
      return query
        select v_workflow.id, v_workflow.name::text, v_source.name, v_offset ->> 'text', m.key, m.moment,
               case when v_piece.last_key is null then count(*) over ()::integer end
        from (
          select r.key, r.found, minutehand.moment_of(u.v, v_source.column_type, v_form, v_offset, v_zone) as moment
          from minutehand.read_app_rows(v_source.relation, v_source.config, v_piece.keys) r
          join unnest(v_piece.keys, v_piece.vals) as u (k, v) on u.k = r.key
          where r.found is not null
        ) m
        where m.moment >= p_from and m.moment < p_to and minutehand.is_row_of_workflow(m.found, v_source.config, v_workflow)
          and not coalesce(minutehand.is_set_on(m.found, v_source.config ->> 'soft_delete'), false)
          and minutehand.conditions_met(v_form -> 'conditions', m.found, null, minutehand.status_column(v_source.config))
        order by m.moment, m.key;
    end loop;
  end loop;
end
$$;
