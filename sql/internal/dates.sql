-- Date triggers: what a workflow with the trigger type `date` says about when it starts, before or after a date column, in one normal form.
-- Normal form: {"table": text | null, "column", "offsets": [{"months", "days", "seconds", "text": "3 days after"}], "at": "09:00" | null,
--   "zone": text | null, "starting": text | null, "late": "run" | "drop" | "hold" | null, "conditions": …}
-- table null: the only watched table that has such a column (minutehand.date_source).

-- minutehand.date_types() -> the trigger types that may be read as a date trigger.
create or replace function minutehand.date_types() returns text[]
language sql immutable as $$
  select '{date,relative_time,appointment_reminder,invoice_overdue}'::text[]
$$;

-- minutehand.date_key(plain key) -> text: what this key of a date trigger's config says; null for another one.  offset:UNIT:SIGN for
-- a number of units before or after.
create or replace function minutehand.date_key(p_key text) returns text
language sql immutable as $$
  select case
    when p_key in ('table', 'tablename') then 'table'
    when p_key in ('column', 'datecolumn', 'datefield', 'relativeto') then 'column'
    when p_key in ('offset', 'offsets') then 'offset'
    when p_key ~ '^(minutes?|hours?|days?|weeks?|months?)before$' then 'offset:' || substring(p_key from '^(minute|hour|day|week|month)') || ':-1'
    when p_key ~ '^(minutes?|hours?|days?|weeks?|months?)after$' then 'offset:' || substring(p_key from '^(minute|hour|day|week|month)') || ':1'
    when p_key ~ '^offset(minutes|hours|days)$' then 'offset:' || substring(p_key from '^offset(minute|hour|day)') || ':1'
    when p_key in ('daysoverdue', 'overduedays', 'daysaftercompletion', 'dayssincecontact') then 'offset:day:1'
    when p_key = 'monthsafterlastservice' then 'offset:month:1'
    when p_key in ('at', 'time', 'timeofday') then 'at'
    when p_key in ('timezone', 'tz', 'zone') then 'zone'
    when p_key in ('starting', 'startingfrom') then 'starting'
    when p_key = 'late' then 'late'
    when p_key in ('conditions', 'condition', 'rules', 'all', 'any', 'not', 'and', 'or') or p_key = any (minutehand.joining_keys())
      then 'conditions' end
$$;

-- minutehand.says_offset(workflow's row) -> boolean: does its config name a time before or after a date?
create or replace function minutehand.says_offset(p_row jsonb) returns boolean
language plpgsql immutable as $$
begin
  return exists (
    select from jsonb_object_keys(minutehand.date_config(p_row)) as k where minutehand.date_key(minutehand.plain_key(k)) ~ '^offset');
end
$$;

-- minutehand.date_config(workflow's row) -> jsonb: as minutehand.time_config, and what a flat trigger_conditions says: {"days_overdue": 7}.
create or replace function minutehand.date_config(p_row jsonb) returns jsonb
language plpgsql immutable as $$
declare
  v_flat jsonb := p_row -> 'trigger_conditions';
begin
  return case when jsonb_typeof(v_flat) = 'object' and not v_flat ?| '{conditions,rules,all,any,not,field}' then v_flat else '{}' end
    || minutehand.time_config(p_row);
end
$$;

-- minutehand.date_form(workflow's row) -> its normal form, or {"problem": text}.
create or replace function minutehand.date_form(p_row jsonb) returns jsonb
language plpgsql immutable as $$
declare
  v_type constant text := p_row ->> 'trigger_type';
  v_key text;
  v_value jsonb;
  v_name text;
  v_said jsonb := '{}';
  v_where jsonb := '{}';
  v_offsets jsonb := '[]';
  v_problem text;
begin
  if jsonb_typeof(p_row -> 'trigger_config') not in ('object', 'null') then
    return jsonb_build_object('problem', format('trigger_config is %s: write {"table": …, "column": …, "offset": "3 days after"}',
      minutehand.type_name(p_row -> 'trigger_config')));
  end if;
  for v_key, v_value in select e.key, e.value from jsonb_each(minutehand.date_config(p_row)) e order by e.key loop
    v_name := minutehand.date_key(minutehand.plain_key(v_key));
    if v_value in ('null', '""', '[]', '{}') or v_name is null and minutehand.says_nothing(v_value) then
      continue;
    elsif v_name = 'conditions' then
      v_where := v_where || jsonb_build_object(v_key, v_value);
    elsif v_name like 'offset:%' then
      v_offsets := v_offsets || jsonb_build_array(minutehand.counted_offset(v_key, v_value, v_name));
    elsif v_name is null and not minutehand.is_harmless(v_key, v_value, v_type) then
      return jsonb_build_object('problem', format(
        'trigger_config.%s is not read; a date trigger has table, column, offset, at, timezone, conditions, starting and late', left(v_key, 60)));
    elsif v_name is null then
      continue;
    elsif v_said ? v_name then
      return jsonb_build_object('problem', format('trigger_config.%s says twice what another key says: keep one', left(v_key, 60)));
    elsif v_name = 'offset' then
      v_said := v_said || '{"offset": true}';
      select v_offsets || coalesce(jsonb_agg(minutehand.offset_of(o)), '[]') into v_offsets
      from jsonb_array_elements(case jsonb_typeof(v_value) when 'array' then v_value else jsonb_build_array(v_value) end) as o;
    else
      v_said := v_said || jsonb_build_object(v_name, v_value);
    end if;
  end loop;
  v_said := jsonb_build_object('column', case v_type when 'appointment_reminder' then 'schedule_start' when 'invoice_overdue' then 'due_date' end) || v_said;
  v_problem := minutehand.date_problem(v_said, v_offsets);
  if v_problem is null then
    select c.problem into v_problem
    from minutehand.config_conditions('trigger_config', v_where, v_type, 'status') c where c.problem is not null limit 1;
  else
    v_problem := 'trigger_config: ' || v_problem;
  end if;
  if v_problem is not null then
    return jsonb_build_object('problem', v_problem);
  end if;
  return jsonb_build_object(
    'table', v_said -> 'table', 'column', v_said -> 'column', 'offsets', v_offsets, 'at', (minutehand.times_of(v_said -> 'at'))[1],
    'zone', v_said -> 'zone', 'starting', v_said -> 'starting', 'late', v_said -> 'late',
    'conditions', minutehand.date_conditions(v_type, v_where, p_row));
end
$$;

-- minutehand.date_conditions(trigger type, the config's conditions, workflow's row) -> conditions, or null: all that it says, and what the
-- app's own types mean beside it: a visit that is over needs no reminder, and an invoice that is paid, void or a draft no other one.
create or replace function minutehand.date_conditions(p_type text, p_where jsonb, p_row jsonb) returns jsonb
language plpgsql immutable as $$
declare
  v_flat constant jsonb := p_row -> 'trigger_conditions';
  v_parts jsonb;
begin
  select jsonb_agg(part) into v_parts
  from (
    select c.conditions as part from minutehand.config_conditions('trigger_config', p_where, p_type, 'status') c
    union all
    select v_flat where not (jsonb_typeof(v_flat) = 'object' and not v_flat ?| '{conditions,rules,all,any,not,field}')
    union all
    select p_row -> 'conditions'
    union all
    select jsonb_build_object('field', 'status', 'operator', 'not_in', 'value', case p_type
      when 'invoice_overdue' then '["paid", "cancelled", "void", "draft"]'::jsonb else '["completed", "cancelled"]'::jsonb end)
    where p_type in ('invoice_overdue', 'appointment_reminder')
  ) p
  where part is not null and minutehand.normal_conditions(part) <> '[]';
  return case jsonb_array_length(v_parts) when 1 then v_parts -> 0 else v_parts end;
end
$$;

-- minutehand.date_problem(what the keys say, offsets) -> text, or null.
create or replace function minutehand.date_problem(p_said jsonb, p_offsets jsonb) returns text
language sql immutable as $$
  select case
    when p_offsets = '[]' then 'it says no time before or after the date: write "offset": "24 hours before", or a list such as ["3 days", "7 days"]'
    when jsonb_array_length(p_offsets) > 20 then 'more than 20 offsets'
    when exists (select from jsonb_array_elements(p_offsets) as o where o ? 'problem')
      then (select o ->> 'problem' from jsonb_array_elements(p_offsets) as o where o ? 'problem' limit 1)
    when (select count(distinct o ->> 'text') from jsonb_array_elements(p_offsets) as o) < jsonb_array_length(p_offsets) then 'an offset stands there twice'
    when jsonb_typeof(p_said -> 'column') is distinct from 'string' or length(p_said ->> 'column') > 63
      then 'it names no date column: write "column": "due_date"'
    when jsonb_typeof(p_said -> 'table') <> 'string' then format('table is %s: write its name', left((p_said -> 'table')::text, 60))
    when jsonb_typeof(p_said -> 'zone') <> 'string' or length(p_said ->> 'zone') > 60 then 'timezone is not a name: write one such as "Europe/Berlin"'
    when p_said ? 'at' and coalesce(cardinality(minutehand.times_of(p_said -> 'at')), 0) <> 1
      then format('at is %s: write a time of day such as "09:00"', left((p_said -> 'at')::text, 60))
    when p_said ? 'at' and exists (select from jsonb_array_elements(p_offsets) as o where (o ->> 'seconds')::bigint <> 0)
      then 'an offset of hours or minutes, and a time of day beside it: write the offset in days'
    when p_said ? 'starting' and minutehand.to_date(p_said ->> 'starting') is null
      then format('starting is %s: write a day such as "2027-03-01"', left((p_said -> 'starting')::text, 60))
    when coalesce(p_said ->> 'late', 'run') not in ('run', 'drop', 'hold')
      then format('late is %s: write "run", "drop" or "hold"', left((p_said -> 'late')::text, 60)) end
$$;

-- minutehand.counted_offset(key, value, offset:UNIT:SIGN) -> an offset, or {"problem"}: of hours_before: 24.
create or replace function minutehand.counted_offset(p_key text, p_value jsonb, p_name text) returns jsonb
language sql immutable as $$
  select case
    when coalesce(p_value #>> '{}', '') !~ '^-?[0-9]{1,6}$' then jsonb_build_object('problem', format('%s is %s: write a whole number', left(p_key, 60), left(p_value::text, 60)))
    else minutehand.unit_offset((p_value #>> '{}')::integer * split_part(p_name, ':', 3)::integer, split_part(p_name, ':', 2)) end
$$;

-- minutehand.offset_of(value) -> an offset, or {"problem"}: of "-24 hours", "3 days", "3 days after", "1 week before".
create or replace function minutehand.offset_of(p_value jsonb) returns jsonb
language plpgsql immutable as $$
declare
  v_parts text[] := regexp_match(lower(p_value #>> '{}'), '^\s*([+-]?)\s*([0-9]{1,6})\s*([a-z]*)\s*(before|after|later|earlier)?\s*$');
  v_every record;
begin
  if jsonb_typeof(p_value) = 'string' and v_parts[2] ~ '^0+$' and v_parts[3] = '' then
    return minutehand.unit_offset(0, 'day');
  end if;
  if jsonb_typeof(p_value) = 'string' and v_parts is not null and not (v_parts[1] <> '' and v_parts[4] is not null) then
    v_every := minutehand.every_of(to_jsonb('1 ' || v_parts[3]));
    if v_every.problem is null and v_every.unit <> 'weekday' then
      return minutehand.unit_offset(
        v_parts[2]::integer * v_every.n * case when v_parts[1] = '-' or v_parts[4] in ('before', 'earlier') then -1 else 1 end, v_every.unit);
    end if;
  end if;
  return jsonb_build_object('problem', format('offset is %s: write "24 hours before", "-24 hours" or "3 days after"', left(p_value::text, 60)));
end
$$;

-- minutehand.unit_offset(n, unit) -> {"months", "days", "seconds", "text"}, or {"problem"}.
create or replace function minutehand.unit_offset(p_n integer, p_unit text) returns jsonb
language sql immutable as $$
  select case
    when abs(p_n::bigint) > case p_unit when 'minute' then 525600 when 'hour' then 87600 when 'day' then 3660 when 'week' then 520 when 'month' then 120 else 10 end
      then jsonb_build_object('problem', format('an offset of %s %ss is out of range: at most ten years, a year in minutes', p_n, p_unit))
    else jsonb_build_object(
      'months', case p_unit when 'month' then p_n when 'year' then p_n * 12 else 0 end,
      'days', case p_unit when 'day' then p_n when 'week' then p_n * 7 else 0 end,
      'seconds', case p_unit when 'minute' then p_n * 60 when 'hour' then p_n * 3600 else 0 end,
      'text', case p_n when 0 then 'at' else format('%s %s%s %s', abs(p_n), p_unit, case abs(p_n) when 1 then '' else 's' end,
        case when p_n < 0 then 'before' else 'after' end) end) end
$$;
