-- Settings of a workflow: what of them cannot be read.  Each setting is read where it is used, and falls back to its default.

-- minutehand.setting_problems(settings) -> [text]: values that cannot be read, each with what to write.
create or replace function minutehand.setting_problems(p_settings jsonb) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(jsonb_agg(p.problem order by p.problem), '[]')
  from (
    select format('settings is %s: write an object', minutehand.type_name(p_settings)) as problem
    where jsonb_typeof(p_settings) <> 'object' and p_settings not in ('null', '[]', '""')
    union all
    select minutehand.order_problem(p_settings)
    union all
    select minutehand.volume_problem(p_settings)
    union all
    select minutehand.zone_problem(p_settings)
    union all
    select minutehand.stop_when_problem(p_settings)
    union all
    select 'settings.' || minutehand.window_problem(p_settings -> 'window')
    union all
    select minutehand.rate_problem(key, p_settings -> key) from unnest('{rate_limit,breaker}'::text[]) as key
    union all
    select format('settings.unresolved is %s: write "fail", "blank" or {"default": "…"}', left((p_settings -> 'unresolved')::text, 60))
    where jsonb_typeof(p_settings -> 'unresolved') <> 'null' and not coalesce(
      p_settings -> 'unresolved' in ('"fail"', '"blank"')
      or jsonb_typeof(p_settings #> '{unresolved,default}') = 'string'
        and p_settings -> 'unresolved' = jsonb_build_object('default', p_settings #> '{unresolved,default}'), false)
    union all
    select format('settings.on_uncertain%s is %s: write "resend", "hold" or "drop"', '.' || v.channel, left(v.value::text, 60))
    from (
      select null::text as channel, p_settings -> 'on_uncertain' as value where jsonb_typeof(p_settings -> 'on_uncertain') not in ('object', 'null')
      union all
      select left(e.key, 60), e.value
      from jsonb_each(case jsonb_typeof(p_settings -> 'on_uncertain') when 'object' then p_settings -> 'on_uncertain' else '{}' end) e
    ) v
    where v.value not in ('"resend"', '"hold"', '"drop"', 'null')
  ) p
  where p.problem is not null and (jsonb_typeof(p_settings) = 'object' or p.problem like 'settings is %')
$$;

-- minutehand.rate_problem(rate_limit | breaker, value) -> text: what in it cannot be read, or null.
create or replace function minutehand.rate_problem(p_name text, p_value jsonb) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case
    when jsonb_typeof(p_value) not in ('object', 'null')
      then format('settings.%s is %s: write {"n": 3, "per": "1 day"}, or null for none', p_name, left(p_value::text, 60))
    when jsonb_typeof(p_value) = 'object' then (
      select case
        when e.key not in ('n', 'per', 'period', 'on_exceed') or p_name = 'breaker' and e.key in ('period', 'on_exceed')
          then format('settings.%s.%s is unknown: write n%s', p_name, left(e.key, 60),
                      case p_name when 'breaker' then ' or per' else ', per or on_exceed' end)
        when e.key = 'n' then format('settings.%s.n is %s: write a whole number from 1', p_name, left(e.value::text, 60))
        when e.key = 'on_exceed' then format('settings.%s.on_exceed is %s: write "drop" or "delay"', p_name, left(e.value::text, 60))
        else format('settings.%s.%s is %s: write a time such as "1 hour"%s', p_name, e.key, left(e.value::text, 60),
                    case p_name when 'breaker' then ', from a second to an hour' else '' end)
      end
      from jsonb_each(p_value) e
      where case e.key
        when 'n' then not minutehand.is_measure(e.value)
          or p_name = 'rate_limit' and (e.value #>> '{}')::numeric > 100000
        when 'on_exceed' then p_name = 'breaker' or jsonb_typeof(e.value) <> 'null' and coalesce(lower(e.value #>> '{}') not in ('drop', 'delay'), true)
        when 'per' then not minutehand.is_period(p_name, e.value)
        when 'period' then not minutehand.is_period(p_name, e.value)
        else true end
      order by e.key limit 1)
  end
$$;

-- minutehand.is_period(rate_limit | breaker, value) -> boolean: a time within the setting's bounds.
create or replace function minutehand.is_period(p_name text, p_value jsonb) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select coalesce(case p_name
    when 'breaker' then jsonb_typeof(p_value) = 'string'
      and minutehand.to_interval(p_value #>> '{}') between interval '1 second' and interval '1 hour'
    else jsonb_typeof(p_value) in ('string', 'number')
      and minutehand.to_interval(p_value #>> '{}') > interval '0' and minutehand.to_interval(p_value #>> '{}') <= interval '10 years'
  end, false)
$$;

-- minutehand.known_settings() -> the names of the settings.
create or replace function minutehand.known_settings() returns jsonb
language sql immutable as $$
  select '["breaker", "businessHours", "on_uncertain", "order", "order_waits", "quietHours", "rate_limit", "stop_when", "timezone", "unresolved", "volume", "window"]'::jsonb
$$;

-- minutehand.unknown_settings(settings) -> [{"key", "known": [name]}]: settings that nothing reads, at most five.
create or replace function minutehand.unknown_settings(p_settings jsonb) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select coalesce(jsonb_agg(jsonb_build_object('key', left(u.key, 60), 'known', minutehand.known_settings()) order by u.key), '[]')
  from (
    select e.key
    from jsonb_each(case jsonb_typeof(p_settings) when 'object' then p_settings else '{}' end) e
    where not minutehand.known_settings() ? e.key and e.value not in ('{}', '[]', '""')
    order by e.key limit 5) u
$$;
