-- Schedules: what a workflow with the trigger type `schedule` says about when it starts, in one normal form.  executor/schedules.py
-- computes the instants of a form; which of them start something is decided in schedule_firings.sql.
-- Normal form: {"crons": ["0 9 * * 1"] | "seconds": 900, "step": {"unit": "day" | "week" | "month" | "year", "n": 2} | null, "zone": text | null,
--   "starting": date | null, "catch_up": "none" | "last" | "all", "for_each": {"table", "conditions"} | null}
-- `step`: of the days that the crons name only those of each n-th day, week, month or year, counted from `starting`, else from
-- 1970-01-05, a Monday.  zone null: the workflow's (minutehand.time_zone_of).

-- minutehand.schedule_types() -> the trigger types that are read as a schedule.
create or replace function minutehand.schedule_types() returns text[]
language sql immutable as $$
  select '{schedule,scheduled_time,schedule_time}'::text[]
$$;

-- minutehand.time_kind(workflow's row) -> 'schedule' or 'date', or null for a workflow that changes start.  A status may be called
-- overdue: invoice_overdue is a date trigger only where its config names a time.
create or replace function minutehand.time_kind(p_row jsonb) returns text
language plpgsql immutable as $$
begin
  return case
    when p_row ->> 'trigger_type' = any (minutehand.schedule_types()) then 'schedule'
    when p_row ->> 'trigger_type' = any (minutehand.date_types())
      and (p_row ->> 'trigger_type' <> 'invoice_overdue' or minutehand.says_offset(p_row)) then 'date' end;
end
$$;

-- minutehand.time_config(workflow's row) -> jsonb: its trigger_config over that of the trigger step of a flow, as builders save it.
create or replace function minutehand.time_config(p_row jsonb) returns jsonb
language plpgsql immutable as $$
declare
  v_step jsonb := (select minutehand.step_config(step) from minutehand.trigger_steps(p_row) as step limit 1);
begin
  return coalesce(v_step, '{}') || case jsonb_typeof(p_row -> 'trigger_config')
    when 'object' then p_row -> 'trigger_config' else '{}' end;
end
$$;

-- minutehand.time_parts(workflow's row) -> (conditions, problem), as minutehand.trigger_parts: of a workflow that a time starts.
create or replace function minutehand.time_parts(p_row jsonb, out conditions jsonb, out problem text) returns setof record
language plpgsql immutable as $$
declare
  v_kind constant text := minutehand.time_kind(p_row);
  v_form constant jsonb := case v_kind when 'date' then minutehand.date_form(p_row) else minutehand.schedule_form(p_row) end;
begin
  problem := v_form ->> 'problem';
  conditions := case when problem is null then nullif(
    case v_kind when 'date' then v_form -> 'conditions' else v_form #> '{for_each,conditions}' end, 'null') end;
  if problem is not null or conditions is not null then
    return next;
  end if;
end
$$;

-- minutehand.schedule_form(workflow's row) -> its normal form, or {"problem": text}.
create or replace function minutehand.schedule_form(p_row jsonb) returns jsonb
language plpgsql immutable as $$
declare
  v_type constant text := p_row ->> 'trigger_type';
  v_key text;
  v_value jsonb;
  v_said jsonb := '{}';
  v_name text;
begin
  if jsonb_typeof(p_row -> 'trigger_config') not in ('object', 'null') then
    return jsonb_build_object('problem', format('trigger_config is %s: write {"cron": "0 9 * * 1"} or {"every": "1 day", "at": "09:00"}',
      minutehand.type_name(p_row -> 'trigger_config')));
  elsif not minutehand.says_nothing(p_row -> 'trigger_conditions') or not minutehand.says_nothing(p_row -> 'conditions') then
    return jsonb_build_object('problem', 'trigger_conditions: a schedule has no row to compare; write for_each: {"table": …, "conditions": […]}');
  end if;
  for v_key, v_value in select e.key, e.value from jsonb_each(minutehand.time_config(p_row)) e order by e.key loop
    v_name := minutehand.schedule_key(minutehand.plain_key(v_key));
    if v_name is null and minutehand.says_nothing(v_value) or v_value in ('null', '""', '[]', '{}') then
      continue;
    elsif v_name = 'conditions' then
      return jsonb_build_object('problem', format(
        'trigger_config.%s: a schedule has no row to compare; write for_each: {"table": …, "conditions": […]}', left(v_key, 60)));
    elsif v_name is null and not minutehand.is_harmless(v_key, v_value, v_type) then
      return jsonb_build_object('problem', format(
        'trigger_config.%s is not read; a schedule has cron, every, at, days, day, month, timezone, starting, catch_up and for_each', left(v_key, 60)));
    elsif v_name is null then
      continue;
    elsif v_said ? v_name then
      return jsonb_build_object('problem', format('trigger_config.%s says twice what another key says: keep one', left(v_key, 60)));
    end if;
    v_said := v_said || jsonb_build_object(v_name, v_value);
  end loop;
  return minutehand.normal_schedule(v_said);
end
$$;

-- minutehand.schedule_key(plain key) -> text: what this key of a schedule's config says; null for another one.
create or replace function minutehand.schedule_key(p_key text) returns text
language sql immutable as $$
  select case
    when p_key in ('cron', 'cronexpression', 'cronschedule') then 'cron'
    when p_key in ('every', 'interval', 'frequency', 'recurringtype', 'recurrence', 'repeat') then 'every'
    when p_key in ('recurring', 'isrecurring') then 'recurring'
    when p_key in ('scheduletype', 'schedulekind') then 'kind'
    when p_key in ('at', 'time', 'times', 'timeofday') then 'at'
    when p_key in ('days', 'weekdays', 'dayofweek', 'daysofweek', 'weekday') then 'days'
    when p_key in ('day', 'dayofmonth') then 'day'
    when p_key in ('month', 'monthofyear') then 'month'
    when p_key in ('timezone', 'tz', 'zone') then 'zone'
    when p_key in ('starting', 'startdate', 'startingon') then 'starting'
    when p_key = 'catchup' then 'catch_up'
    when p_key = 'foreach' then 'for_each'
    when p_key in ('conditions', 'condition', 'rules', 'filters', 'all', 'any', 'not') then 'conditions' end
$$;

-- minutehand.normal_schedule(what the keys say) -> normal form, or {"problem": text}.
create or replace function minutehand.normal_schedule(p_said jsonb) returns jsonb
language plpgsql immutable as $$
declare
  v_form jsonb := jsonb_build_object(
    'step', null, 'zone', p_said -> 'zone', 'starting', p_said -> 'starting', 'catch_up', coalesce(p_said -> 'catch_up', '"last"'),
    'for_each', p_said -> 'for_each');
  v_problem text;
begin
  v_problem := case
    when jsonb_typeof(p_said -> 'zone') <> 'string' or length(p_said ->> 'zone') > 60
      then 'timezone is not a name: write one such as "Europe/Berlin"'
    when coalesce(p_said ->> 'catch_up', 'last') not in ('none', 'last', 'all')
      then format('catch_up is %s: write "none", "last" or "all"', left((p_said -> 'catch_up')::text, 60))
    when p_said ? 'starting' and minutehand.to_date(p_said ->> 'starting') is null
      then format('starting is %s: write a day such as "2027-03-01"', left((p_said -> 'starting')::text, 60))
    when p_said -> 'recurring' = 'false'
      then 'recurring is false: what happens once is started with: minutehand enqueue --at'
    when p_said ? 'kind' and lower(p_said ->> 'kind') not in ('recurring', 'cron', 'interval', 'schedule', 'scheduled', 'repeat')
      then format('scheduleType is %s: write "recurring"; what happens once is started with: minutehand enqueue --at', left((p_said -> 'kind')::text, 60))
    when p_said ? 'recurring' and jsonb_typeof(p_said -> 'recurring') <> 'boolean'
      then format('recurring is %s: write true, and the frequency as "every": "1 week"', left((p_said -> 'recurring')::text, 60))
    when p_said ? 'cron' and p_said ?| '{every,at,days,day,month}'
      then 'there is a cron and another time beside it: keep one'
    when p_said ? 'cron' then minutehand.cron_problem(p_said -> 'cron')
    when not p_said ?| '{every,at,days,day,month}'
      then 'it says no time: write "cron": "0 9 * * 1", "every": "15 minutes", or "at": "09:00"' end;
  v_problem := coalesce(v_problem, minutehand.for_each_problem(p_said -> 'for_each'));
  if v_problem is not null then
    return jsonb_build_object('problem', 'trigger_config: ' || v_problem);
  elsif p_said ? 'cron' then
    return v_form || jsonb_build_object('crons', jsonb_build_array(minutehand.plain_cron(p_said ->> 'cron')));
  end if;
  p_said := minutehand.calendar_form(p_said);
  if p_said ? 'problem' then
    return jsonb_build_object('problem', 'trigger_config: ' || (p_said ->> 'problem'));
  end if;
  return v_form || p_said;
end
$$;

-- minutehand.to_date(text) -> date: of `2027-03-01`, between 1970 and 2100; else null.
create or replace function minutehand.to_date(p_text text) returns date
language plpgsql immutable as $$
begin
  if p_text !~ '^(19[7-9]|20)[0-9]+-[0-9]{2}-[0-9]{2}$' or length(p_text) <> 10 then
    return null;
  end if;
  return make_date(left(p_text, 4)::integer, substr(p_text, 6, 2)::integer, substr(p_text, 9, 2)::integer);
exception when datetime_field_overflow then
  return null;
end
$$;

-- minutehand.for_each_problem(value) -> text, or null.
create or replace function minutehand.for_each_problem(p_value jsonb) returns text
language sql immutable as $$
  select case
    when p_value is null then null
    when jsonb_typeof(p_value) <> 'object' or jsonb_typeof(p_value -> 'table') is distinct from 'string'
      then 'for_each: write {"table": "jobs", "conditions": […]}'
    when exists (select from jsonb_object_keys(p_value) as k where k not in ('table', 'conditions'))
      then format('for_each.%s is not read: write "table" and "conditions"', (
        select left(min(k), 60) from jsonb_object_keys(p_value) as k where k not in ('table', 'conditions')))
    else 'for_each: ' || minutehand.condition_problem(p_value -> 'conditions') end
$$;

-- minutehand.plain_cron(text) -> text: with one space between its fields; @daily and its like are written out.
create or replace function minutehand.plain_cron(p_cron text) returns text
language sql immutable as $$
  select case lower(btrim(p_cron))
    when '@hourly' then '0 * * * *' when '@daily' then '0 0 * * *' when '@midnight' then '0 0 * * *' when '@weekly' then '0 0 * * 0'
    when '@monthly' then '0 0 1 * *' when '@yearly' then '0 0 1 1 *' when '@annually' then '0 0 1 1 *'
    else btrim(regexp_replace(p_cron, '\s+', ' ', 'g')) end
$$;

-- minutehand.cron_problem(value) -> text: what can be said of a cron expression without reading its fields, or null.
create or replace function minutehand.cron_problem(p_value jsonb) returns text
language sql immutable as $$
  select case
    when jsonb_typeof(p_value) <> 'string' or length(p_value #>> '{}') > 200
      then format('cron is %s: write five fields, as in "0 9 * * 1"', left(p_value::text, 60))
    when cardinality(string_to_array(minutehand.plain_cron(p_value #>> '{}'), ' ')) = 6
      then format('cron is %s, with six fields: seconds are not scheduled, at most once a minute; write five fields', p_value)
    when cardinality(string_to_array(minutehand.plain_cron(p_value #>> '{}'), ' ')) <> 5
      then format('cron is %s: write five fields, as in "0 9 * * 1"', left(p_value::text, 60)) end
$$;

-- minutehand.calendar_form({"every", "at", "days", "day", "month"}) -> {"crons", "step"} | {"seconds"} | {"problem"}
create or replace function minutehand.calendar_form(p_said jsonb) returns jsonb
language plpgsql immutable as $$
declare
  v_every constant record := minutehand.every_of(coalesce(p_said -> 'every', '"1 day"'));
  v_unit text := v_every.unit;
  v_times constant text[] := minutehand.times_of(coalesce(p_said -> 'at', '"09:00"'));
  v_days text := minutehand.weekdays_of(p_said -> 'days');
  v_day text;
  v_problem text;
begin
  v_day := case when p_said ->> 'day' ~ '^([1-9]|[12][0-9]|3[01])$' then p_said ->> 'day' when lower(p_said ->> 'day') = 'last' then 'L' end;
  if v_unit = 'day' and p_said ?| '{day,month}' and not p_said ? 'every' then
    v_unit := case when p_said ? 'month' then 'year' else 'month' end;
  end if;
  if v_every.unit = 'weekday' then
    v_unit := 'day';
    v_days := coalesce(v_days, '1,2,3,4,5');
  end if;
  v_problem := case
    when v_every.problem is not null then v_every.problem
    when v_times is null then format('at is %s: write a time of day such as "09:00", or a list of them', left((p_said -> 'at')::text, 60))
    when p_said ? 'days' and v_days is null
      then format('days is %s: write days of the week, as in ["mon", "thu"]', left((p_said -> 'days')::text, 60))
    when p_said ? 'day' and v_day is null
      then format('day is %s: write a day of the month from 1 to 31, or "last"', left((p_said -> 'day')::text, 60))
    when p_said ? 'month' and coalesce(p_said ->> 'month', '') !~ '^([1-9]|1[0-2])$'
      then format('month is %s: write a number from 1 to 12', left((p_said -> 'month')::text, 60))
    when v_unit in ('minute', 'hour') and p_said ?| '{at,days,day,month}'
      then 'every so many minutes or hours, and a time of day beside it: write it as a cron'
    when v_unit in ('day', 'week') and p_said ?| '{day,month}' then 'every day or week, and a day of the month beside it: keep one'
    when v_unit in ('month', 'year') and p_said ? 'days' then 'every month or year, and days of the week beside it: write it as a cron'
    when v_unit = 'month' and p_said ? 'month' then 'every month, and a month beside it: keep one'
    when p_said ->> 'month' in ('4', '6', '9', '11') and v_day = '31' or p_said ->> 'month' = '2' and v_day in ('30', '31')
      then format('day %s of month %s never comes', v_day, p_said ->> 'month') end;
  if v_problem is not null then
    return jsonb_build_object('problem', v_problem);
  elsif v_unit in ('minute', 'hour') then
    return jsonb_build_object('seconds', v_every.n * case v_unit when 'minute' then 60 else 3600 end);
  end if;
  return jsonb_build_object(
    'crons', (
      select jsonb_agg(format('%s %s %s %s %s', substr(t, 4)::integer, left(t, 2)::integer,
        case when v_unit in ('month', 'year') then coalesce(v_day, '1') else '*' end,
        case when v_unit = 'year' then coalesce(p_said ->> 'month', '1') else '*' end,
        case v_unit when 'week' then coalesce(v_days, '1') when 'day' then coalesce(v_days, '*') else '*' end) order by t)
      from unnest(v_times) as t),
    'step', case when v_every.n > 1 then jsonb_build_object('unit', v_unit, 'n', v_every.n) end);
end
$$;

-- minutehand.every_of(value) -> (n, unit, problem): of "15 minutes", "2h", "day", "quarterly" and "6months"; unit: minute, hour, day,
-- weekday, week, month or year.
create or replace function minutehand.every_of(p_value jsonb, out n integer, out unit text, out problem text)
language plpgsql immutable as $$
declare
  v_text text := regexp_replace(lower(btrim(p_value #>> '{}')), '^every\s+', '');
  v_parts text[];
begin
  v_text := case v_text
    when 'hourly' then '1 hour' when 'daily' then '1 day' when 'weekly' then '1 week' when 'biweekly' then '2 weeks'
    when 'fortnightly' then '2 weeks' when 'monthly' then '1 month' when 'quarterly' then '3 months' when 'semiannually' then '6 months'
    when 'semi_annually' then '6 months' when 'half_yearly' then '6 months' when 'yearly' then '1 year' when 'annually' then '1 year'
    when 'annual' then '1 year' else v_text end;
  v_parts := regexp_match(v_text, '^([0-9]{1,6})?\s*([a-z]+)$');
  n := coalesce(v_parts[1], '1')::integer;
  unit := case
    when v_parts[2] in ('m', 'min', 'mins', 'minute', 'minutes') then 'minute'
    when v_parts[2] in ('h', 'hr', 'hrs', 'hour', 'hours') then 'hour'
    when v_parts[2] in ('d', 'day', 'days') then 'day'
    when v_parts[2] in ('weekday', 'weekdays', 'workday', 'workdays') then 'weekday'
    when v_parts[2] in ('w', 'week', 'weeks') then 'week'
    when v_parts[2] in ('mo', 'month', 'months', 'quarter', 'quarters') then 'month'
    when v_parts[2] in ('y', 'yr', 'year', 'years') then 'year' end;
  if v_parts[2] in ('quarter', 'quarters') then
    n := n * 3;
  end if;
  problem := case
    when jsonb_typeof(p_value) <> 'string' or v_text = ''
      then format('every is %s: write a number and a unit, as in "15 minutes"', left(p_value::text, 60))
    when v_text = 'none' then 'its frequency is "none": it would never start'
    when v_parts[2] in ('s', 'sec', 'secs', 'second', 'seconds') then format('every is %s: the shortest is "1 minute"', left(p_value::text, 60))
    when v_text = 'bimonthly' then 'every is "bimonthly", which has two meanings: write "2 months" or "2 weeks"'
    when unit is null then format('every is %s: write a number and a unit, as in "15 minutes" or "1 week"', left(p_value::text, 60))
    when n < 1 or n > case unit when 'minute' then 525600 when 'hour' then 8760 when 'year' then 50 when 'weekday' then 1 else 1000 end
      then format('every is %s, which is out of range', left(p_value::text, 60)) end;
end
$$;

-- minutehand.times_of(value) -> text[]: `09:00` of "9:00", "09:00:00" or "9:00 am", of one or a list of at most 24, in order; null
-- where one is no time of day.
create or replace function minutehand.times_of(p_value jsonb) returns text[]
language plpgsql immutable as $$
declare
  v_item jsonb;
  v_parts text[];
  v_hour integer;
  v_times text[] := '{}';
begin
  if jsonb_typeof(p_value) <> 'array' then
    p_value := jsonb_build_array(p_value);
  elsif jsonb_array_length(p_value) not between 1 and 24 then
    return null;
  end if;
  for v_item in select jsonb_array_elements(p_value) loop
    v_parts := regexp_match(lower(v_item #>> '{}'), '^\s*([0-9]{1,2}):([0-5][0-9])(?::00)?\s*(am|pm)?\s*$');
    v_hour := v_parts[1]::integer;
    if v_parts[3] is not null then
      v_hour := case when v_hour between 1 and 12 then v_hour % 12 + case v_parts[3] when 'pm' then 12 else 0 end end;
    end if;
    if v_hour is null or v_hour > 23 or jsonb_typeof(v_item) <> 'string' then
      return null;
    end if;
    v_times := v_times || (lpad(v_hour::text, 2, '0') || ':' || v_parts[2]);
  end loop;
  return array(select distinct t from unnest(v_times) as t order by t);
end
$$;

-- minutehand.weekdays_of(value) -> text: `1,4` of ["mon", "thu"], "weekdays" or 1, as in a cron; null where one is no day of the week.
create or replace function minutehand.weekdays_of(p_value jsonb) returns text
language plpgsql immutable as $$
declare
  v_words text[];
  v_days text[];
begin
  v_words := case jsonb_typeof(p_value)
    when 'array' then array(select lower(btrim(w)) from jsonb_array_elements_text(p_value) as w)
    else regexp_split_to_array(lower(btrim(p_value #>> '{}')), '\s*,\s*') end;
  v_days := array(
    select case
      when w in ('weekdays', 'workdays') then '1,2,3,4,5' when w in ('weekend', 'weekends') then '0,6' when w in ('daily', 'everyday') then '0,1,2,3,4,5,6'
      when w ~ '^[0-7]$' then (w::integer % 7)::text
      when w ~ '^(sun|mon|tue|tues|wed|thu|thur|thurs|fri|sat)(day|sday|nesday|rsday|urday)?$'
        then (strpos('sunmontuewedthufrisat', left(w, 3)) / 3)::text end
    from unnest(v_words) as w);
  if cardinality(v_days) not between 1 and 14 or array_position(v_days, null) is not null then
    return null;
  end if;
  return (
    select string_agg(distinct d, ',' order by d) from regexp_split_to_table(array_to_string(v_days, ','), ',') as d);
end
$$;
