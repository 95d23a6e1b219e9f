-- Windows: when messages to people may leave.  In normal form, each key of which may be missing:
--   {"days": ["mon", …], "from": "09:00", "to": "17:00"} or {"hours": {"mon": ["09:00-12:00", "13:00-17:00"], …}},
--   "quiet": {"from": "21:00", "to": "08:00"}, "holidays": ["2026-12-24", …],
--   "zone": "recipient" | "organization" | "utc" | a zone, "drop_after": "2 hours" | a template of a moment
-- A span whose end is not after its start goes over midnight, and belongs to the day on which it opened.  In a change of the clocks a
-- span is what lies between two instants: a local time that comes twice counts the first time where something begins and the last
-- time where it ends; one that does not exist is the first instant that does.

-- minutehand.day_minutes(time) -> integer: 570 for "09:30", 1440 for "24:00"; null if it cannot be read.
create or replace function minutehand.day_minutes(p_time text) returns integer
language sql immutable as $$
  select case
    when p_time ~ '^([01]?[0-9]|2[0-3]):[0-5][0-9]$' then split_part(p_time, ':', 1)::integer * 60 + split_part(p_time, ':', 2)::integer
    when p_time = '24:00' then 1440 end
$$;

-- minutehand.day_number(name) -> integer: 1 for "mon" or "Monday"; null if it is no day.
create or replace function minutehand.day_number(p_name text) returns integer
language sql immutable as $$
  select coalesce(
    array_position('{mon,tue,wed,thu,fri,sat,sun}'::text[], lower(p_name)),
    array_position('{monday,tuesday,wednesday,thursday,friday,saturday,sunday}'::text[], lower(p_name)))
$$;

-- minutehand.span(start, end) -> int4range of minutes from midnight, over midnight where the end is not after the start; null if either
-- cannot be read, or both are the same.
create or replace function minutehand.span(p_start text, p_end text) returns int4range
language sql immutable as $$
  select case when s.opens < 1440 and s.opens <> s.closes
    then int4range(s.opens, s.closes + case when s.closes < s.opens then 1440 else 0 end) end
  from (select minutehand.day_minutes(p_start) as opens, minutehand.day_minutes(p_end) as closes) s
$$;

-- minutehand.spans(window) -> (day, span): when it opens, by the day of the week, 1 to 7.  What cannot be read opens never.
create or replace function minutehand.spans(p_window jsonb) returns table (day integer, span int4range)
language sql immutable as $$
  select minutehand.day_number(h.key), minutehand.span(split_part(s.words, '-', 1), split_part(s.words, '-', 2))
  from jsonb_each(case jsonb_typeof(p_window -> 'hours') when 'object' then p_window -> 'hours' else '{}' end) h
  cross join lateral jsonb_array_elements_text(case jsonb_typeof(h.value) when 'array' then h.value else '[]' end) as s (words)
  union all
  select d.day, minutehand.span(coalesce(p_window ->> 'from', '00:00'), coalesce(p_window ->> 'to', '24:00'))
  from generate_series(1, 7) as d (day)
  where coalesce(jsonb_typeof(p_window -> 'hours'), 'null') = 'null'
    and case jsonb_typeof(p_window -> 'days')
      when 'array' then d.day in (select minutehand.day_number(n) from jsonb_array_elements_text(p_window -> 'days') as n)
      else true end
$$;

-- minutehand.quiet_span(window) -> int4range of each day, or null.
create or replace function minutehand.quiet_span(p_window jsonb) returns int4range
language sql immutable as $$
  select case jsonb_typeof(p_window -> 'quiet') when 'object'
    then minutehand.span(p_window #>> '{quiet,from}', p_window #>> '{quiet,to}') end
$$;

-- minutehand.is_no_window(value) -> boolean: does it say that there is none?
create or replace function minutehand.is_no_window(p_window jsonb) returns boolean
language sql immutable as $$
  select coalesce(p_window in ('null', 'false', '{}', '[]', '""'), true)
$$;

-- minutehand.window_problem(window) -> text: what in it cannot be read, with what to write, or null.  Nothing is sent by a window that
-- cannot be read: a message that was meant for the day must not leave at night.
create or replace function minutehand.window_problem(p_window jsonb) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  v_problem text;
  v_open int4multirange;
begin
  if minutehand.is_no_window(p_window) then
    return null;
  elsif jsonb_typeof(p_window) <> 'object' then
    return format('window is %s: write an object such as {"days": ["mon"], "from": "09:00", "to": "17:00"}', left(p_window::text, 60));
  elsif length(p_window::text) > 20000 then
    return 'window has more than 20000 characters';
  end if;
  v_problem := (
    select case
      when e.key in ('from', 'to') then format('window.%s is %s: write a time such as "09:00"', e.key, left(e.value::text, 60))
      when e.key = 'days' then format('window.days is %s: write a list of mon, tue, wed, thu, fri, sat, sun', left(e.value::text, 60))
      when e.key = 'hours' then format('window.hours is %s: write {"mon": ["09:00-12:00", "13:00-17:00"]}', left(e.value::text, 60))
      when e.key = 'quiet' then format('window.quiet is %s: write {"from": "21:00", "to": "08:00"}', left(e.value::text, 60))
      when e.key = 'holidays' then format('window.holidays is %s: write a list of at most 400 days such as "2026-12-24"', left(e.value::text, 60))
      when e.key = 'zone' then format(
        'window.zone is %s: write "recipient", "organization", "utc" or a zone such as "Europe/Berlin"', left(e.value::text, 60))
      when e.key = 'drop_after' then format(
        'window.drop_after is %s: write a time such as "2 hours", or a moment such as "{{ job.schedule_start }}"', left(e.value::text, 60))
      else format('window.%s is unknown: write days, from, to, hours, quiet, holidays, zone or drop_after', left(e.key, 60)) end
    from jsonb_each(p_window) e
    where jsonb_typeof(e.value) <> 'null' and not coalesce(case e.key
      when 'from' then jsonb_typeof(e.value) = 'string' and minutehand.day_minutes(e.value #>> '{}') < 1440
      when 'to' then jsonb_typeof(e.value) = 'string' and minutehand.day_minutes(e.value #>> '{}') is not null
      when 'days' then jsonb_typeof(e.value) = 'array' and e.value <> '[]' and jsonb_array_length(e.value) <= 7 and not exists (
        select from jsonb_array_elements(e.value) d
        where jsonb_typeof(d) <> 'string' or minutehand.day_number(d #>> '{}') is null)
      when 'hours' then jsonb_typeof(e.value) = 'object' and e.value <> '{}' and not exists (
        select from jsonb_each(e.value) h
        where minutehand.day_number(h.key) is null or jsonb_typeof(h.value) <> 'array' or jsonb_array_length(h.value) > 6 or exists (
          select from jsonb_array_elements(h.value) s
          where jsonb_typeof(s) <> 'string' or (s #>> '{}') !~ '^[^-]+-[^-]+$'
            or minutehand.span(split_part(s #>> '{}', '-', 1), split_part(s #>> '{}', '-', 2)) is null))
      when 'quiet' then minutehand.quiet_span(p_window) is not null and e.value - '{from,to}'::text[] = '{}'
      when 'holidays' then jsonb_typeof(e.value) = 'array' and jsonb_array_length(e.value) <= 400 and not exists (
        select from jsonb_array_elements(e.value) d where jsonb_typeof(d) <> 'string' or not minutehand.is_day(d #>> '{}'))
      when 'zone' then jsonb_typeof(e.value) = 'string' and (
        lower(e.value #>> '{}') = any (minutehand.zone_words()) or minutehand.is_zone(e.value #>> '{}'))
      when 'drop_after' then jsonb_typeof(e.value) = 'string' and (
        (e.value #>> '{}') like '%{{%' or minutehand.to_interval(e.value #>> '{}') between interval '0' and interval '1 year')
      else false end, false)
    order by e.key limit 1);
  if v_problem is not null then
    return v_problem;
  elsif jsonb_typeof(p_window -> 'hours') = 'object'
    and coalesce(p_window ->> 'days', p_window ->> 'from', p_window ->> 'to') is not null then
    return 'window has hours, and also days, from or to: keep one form';
  elsif minutehand.day_minutes(p_window ->> 'from') = minutehand.day_minutes(p_window ->> 'to') then
    return format('window is from %s to %1$s, which is no time: leave both out for the whole day', p_window ->> 'from');
  elsif coalesce(p_window ->> 'days', p_window ->> 'from', p_window ->> 'to', p_window ->> 'hours', p_window ->> 'quiet',
                 p_window ->> 'holidays') is null then
    return 'window closes at no time: write days, from, to, hours, quiet or holidays';
  end if;
  -- The minutes of a week: what opens on Sunday may last into Monday.
  select range_agg(int4range(w.shift + lower(s.span), w.shift + upper(s.span))) * '{[0,10080)}'::int4multirange into v_open
  from minutehand.spans(p_window) s
  cross join lateral (values ((s.day - 1) * 1440), ((s.day - 8) * 1440)) as w (shift);
  if minutehand.quiet_span(p_window) is not null then
    v_open := v_open - (
      select range_agg(int4range(w.shift + lower(q.span), w.shift + upper(q.span)))
      from generate_series(-1440, 8640, 1440) as w (shift)
      cross join minutehand.quiet_span(p_window) as q (span));
  end if;
  if coalesce(isempty(v_open), true) then
    return format('window never opens: %s leave no minute', minutehand.window_text(p_window));
  end if;
  return null;
end
$$;

-- minutehand.is_day(text) -> boolean: a day of the calendar such as 2026-02-28.
create or replace function minutehand.is_day(p_text text) returns boolean
language sql immutable as $$
  select case when p_text ~ '^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$'
    then right(p_text, 2)::integer <= extract(day from make_date(left(p_text, 4)::integer, substr(p_text, 6, 2)::integer, 1)
      + interval '1 month' - interval '1 day') else false end
$$;

-- minutehand.window_text(window) -> text for people: mon-fri 09:00-17:00, quiet 21:00-08:00, closed on 2 days.
create or replace function minutehand.window_text(p_window jsonb) returns text
language sql stable as $$
  select left(concat_ws(', ', d.days, 'quiet ' || (p_window #>> '{quiet,from}') || '-' || (p_window #>> '{quiet,to}'),
    case when n.days > 0 then format('closed on %s day%s', n.days, case when n.days > 1 then 's' end) end), 300)
  from (
    select string_agg(r.words, ', ' order by r.first) as days
    from (
      -- Days that follow each other and open alike are one run.
      select min(o.day) as first, concat_ws(' ', case
        when count(*) = 7 then null
        when count(*) = 1 then (array['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'])[min(o.day)]
        else (array['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'])[min(o.day)] || '-'
          || (array['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'])[max(o.day)] end, nullif(o.words, '00:00-24:00')) as words
      from (
        select h.day, h.words, h.day - row_number() over (partition by h.words order by h.day) as run
        from (
          select s.day, string_agg(minutehand.span_text(s.span), ' ' order by lower(s.span)) as words
          from minutehand.spans(p_window) s where s.span is not null group by s.day) h
      ) o
      group by o.words, o.run
    ) r
    where r.words <> ''
  ) d
  cross join (
    select case jsonb_typeof(p_window -> 'holidays') when 'array' then jsonb_array_length(p_window -> 'holidays') end as days) n
$$;

-- minutehand.span_text(span) -> text: 22:00-02:00.
create or replace function minutehand.span_text(p_span int4range) returns text
language sql immutable as $$
  select format('%s:%s-%s:%s', lpad((lower(p_span) / 60)::text, 2, '0'), lpad((lower(p_span) % 60)::text, 2, '0'),
    lpad((e.closes / 60)::text, 2, '0'), lpad((e.closes % 60)::text, 2, '0'))
  from (select upper(p_span) - case when upper(p_span) > 1440 then 1440 else 0 end as closes) e
$$;

-- minutehand.instants_of(local time, zone) -> (first, last): when the clocks of the zone show it: the same instant, but for the hour that
-- comes twice; both the first instant after it where they never do.
create or replace function minutehand.instants_of(p_local timestamp, p_zone text, out first timestamptz, out last timestamptz)
language plpgsql stable as $$
declare
  -- PostgreSQL takes the second of two, and in a gap the offset before it: no more than a day off.
  v_near constant timestamptz := p_local at time zone p_zone;
  v_before constant timestamptz := v_near - interval '24 hours';
  v_after constant timestamptz := v_near + interval '24 hours';
  v_one constant timestamptz := (p_local - (v_before at time zone p_zone - v_before at time zone 'UTC')) at time zone 'UTC';
  v_two constant timestamptz := (p_local - (v_after at time zone p_zone - v_after at time zone 'UTC')) at time zone 'UTC';
  v_middle timestamptz;
begin
  if v_one = v_two then
    first := v_near;
    last := v_near;
    return;
  end if;
  select min(c), max(c) into first, last
  from (values (v_one), (v_two), (v_near)) as v (c)
  where c at time zone p_zone = p_local;
  if first is not null then
    return;
  end if;
  -- The clocks jumped over it: between the two lies the instant from which on they show more.
  first := least(v_one, v_two);
  last := greatest(v_one, v_two);
  while last - first > interval '1 second' loop
    v_middle := first + make_interval(secs => floor(extract(epoch from last - first) / 2));
    if v_middle at time zone p_zone >= p_local then
      last := v_middle;
    else
      first := v_middle;
    end if;
  end loop;
  first := last;
end
$$;

-- minutehand.local_span(day, span, zone) -> tstzrange: the instants of a span of that day; empty where the clocks jump over it.
create or replace function minutehand.local_span(p_day date, p_span int4range, p_zone text) returns tstzrange
language sql stable as $$
  select case when f.first < l.last then tstzrange(f.first, l.last) else 'empty' end
  from minutehand.instants_of(p_day + lower(p_span) * interval '1 minute', p_zone) f
  cross join minutehand.instants_of(p_day + upper(p_span) * interval '1 minute', p_zone) l
$$;

-- minutehand.opening(window, zone, now) -> tstzrange: from the first instant from now on at which the window is open, until it closes;
-- null when it does not open within 366 days.  Bounded: a day that is closed costs a comparison, and a window that opens in no minute
-- of the week has a problem and is not asked for.
create or replace function minutehand.opening(p_window jsonb, p_zone text, p_now timestamptz) returns tstzrange
language plpgsql stable as $$
declare
  v_now constant timestamptz := minutehand.bounded_time(p_now);
  v_days integer[];
  v_spans int4range[];
  v_quiet constant int4range := minutehand.quiet_span(p_window);
  v_holidays constant text[] := case jsonb_typeof(p_window -> 'holidays') when 'array'
    then array(select jsonb_array_elements_text(p_window -> 'holidays')) end;
  v_day date := (v_now at time zone p_zone)::date - 1;  -- what opened yesterday may be open
  v_open tstzmultirange;
begin
  select array_agg(s.day), array_agg(s.span) into v_days, v_spans
  from minutehand.spans(p_window) s
  where s.day is not null and s.span is not null;
  for v_nr in 0 .. 367 loop
    if extract(isodow from v_day)::integer = any (v_days) and not coalesce(to_char(v_day, 'YYYY-MM-DD') = any (v_holidays), false) then
      v_open := (
        select range_agg(minutehand.local_span(v_day, s.span, p_zone))
        from unnest(v_days, v_spans) as s (day, span)
        where s.day = extract(isodow from v_day)) * tstzmultirange(tstzrange(v_now, null));
      if v_quiet is not null and not isempty(v_open) then
        v_open := v_open - (
          select range_agg(minutehand.local_span(v_day + d, v_quiet, p_zone)) from generate_series(-1, 2) as d);
      end if;
      if not isempty(v_open) then
        return (select r from unnest(v_open) as r order by lower(r) limit 1);
      end if;
    end if;
    v_day := v_day + 1;
  end loop;
  return null;
end
$$;

-- minutehand.window_opens(window, zone, now) -> timestamptz: now when it is open, else when it opens; null when it does not within 366
-- days.
create or replace function minutehand.window_opens(p_window jsonb, p_zone text, p_now timestamptz) returns timestamptz
language sql stable as $$
  select case when minutehand.is_no_window(p_window) then p_now else lower(minutehand.opening(p_window, p_zone, p_now)) end
$$;

-- minutehand.window_zone(window, settings, tenant, hint) -> text: the zone in which a window is meant: its own; else the workflow's
-- settings.timezone. "recipient", which is the default: the one that the executor names for the recipient, else the organisation's.
create or replace function minutehand.window_zone(p_window jsonb, p_settings jsonb, p_tenant text, p_hint text) returns text
language sql stable set search_path = '' as $$
  select case
    when w.word in ('', 'recipient', 'customer_local') and minutehand.is_zone(p_hint) then p_hint
    when w.word = 'utc' then 'UTC'
    when minutehand.is_zone(w.zone) then w.zone
    when w.word in ('organization', 'business') then minutehand.tenant_zone(p_tenant)
    else minutehand.workflow_zone(p_settings, p_tenant) end
  from (
    select lower(z) as word, z as zone
    from (select coalesce(p_window ->> 'zone', p_settings ->> 'timezone', '') as z) v) w
$$;

-- minutehand.to_moment(text, zone) -> timestamptz: a moment as a row shows it, in the zone where it names no offset; null if it is none.
create or replace function minutehand.to_moment(p_text text, p_zone text) returns timestamptz
language plpgsql stable as $$
begin
  if p_text !~ '^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}' then
    return null;
  elsif p_text ~ '(Z|[+-][0-9]{2}(:?[0-9]{2})?)\s*$' and p_text ~ ':' then
    return p_text::timestamptz;
  end if;
  return (minutehand.instants_of(p_text::timestamp, p_zone)).first;
exception when others then
  return null;
end
$$;

-- minutehand.due_since(log, now) -> timestamptz: since when the message is due that is asked for now: since its execution is, or first
-- waited for the window, or the step before it ended.
create or replace function minutehand.due_since(p_log public.automation_execution_logs, p_now timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
  select greatest(
    coalesce((
      select minutehand.to_moment(min(e.episode ->> 'began'), 'UTC')
      from (
        select h.episode, sum(case when h.episode ->> 'code' = 'outside_window' then 0 else 1 end) over (order by h.nr desc) as others
        from jsonb_array_elements(minutehand.readable_history(p_log.past::text)) with ordinality as h (episode, nr)) e
      where e.others = 0), minutehand.due_at(p_log), p_now),
    (select minutehand.to_moment(max(s ->> 'finishedAt'), 'UTC')
     from jsonb_array_elements(minutehand.as_objects(p_log.actions_executed::text)) as s))
$$;

-- minutehand.delivery_window(log, channel, delivery) -> the window of a send: as the executor reads the workflow, else settings.window
-- of the workflow, else that of the tenant; webhooks and calls have only one of their own.  p_delivery: {"window", "zone", "drop_at", "drop_after"}.
create or replace function minutehand.delivery_window(
  p_log public.automation_execution_logs, p_channel text, p_delivery jsonb, out asked jsonb, out settings jsonb
) language plpgsql stable set search_path = '' as $$
begin
  asked := p_delivery -> 'window';
  if p_channel not in ('email', 'sms') and asked is null then
    return;
  end if;
  settings := minutehand.as_object((select w.settings::text from public.automation_workflows w where w.id = p_log.workflow_id));
  asked := coalesce(asked, settings -> 'window', (
    select t.settings -> 'window'
    from public.automation_tenants t
    where t.tenant in (minutehand.tenant_of(p_log), '') and t.settings ? 'window'
    order by t.tenant = '' limit 1));
end
$$;

-- minutehand.outside_window(log, channel, delivery, now) -> (answer, code, reason, until): why a message must not leave at this time; no
-- row: it may.  `later` with outside_window: until it opens, and up to ten minutes longer, so that not all leave at once; `refused`
-- with too_late: it makes no sense any more, or will make none when the window opens; with bad_window: it cannot be read.
create or replace function minutehand.outside_window(
  p_log public.automation_execution_logs, p_channel text, p_delivery jsonb, p_now timestamptz
) returns table (answer text, code text, reason text, until timestamptz) language plpgsql stable rows 1 set search_path = '' as $$
declare
  v_delivery constant jsonb := case jsonb_typeof(p_delivery) when 'object' then p_delivery else '{}' end;
  v_window jsonb;
  v_settings jsonb;
  v_problem text;
  v_zone text;
  v_open tstzrange;
  v_opens timestamptz := p_now;
  v_drop timestamptz;
  v_drop_after text;
begin
  select d.asked, d.settings into v_window, v_settings from minutehand.delivery_window(p_log, p_channel, v_delivery) d;
  if minutehand.is_no_window(v_window) then
    v_window := null;
    if coalesce(v_delivery ->> 'drop_at', v_delivery ->> 'drop_after') is null then
      return;
    end if;
  end if;
  v_problem := minutehand.window_problem(v_window);
  if v_problem is null and v_window is not null then
    v_zone := minutehand.window_zone(v_window, v_settings, minutehand.tenant_of(p_log), v_delivery ->> 'zone');
    v_open := minutehand.opening(v_window, v_zone, p_now);
    v_opens := lower(v_open);
    v_problem := case when v_opens is null
      then format('the window %s does not open within a year', minutehand.window_text(v_window)) end;
  end if;
  v_drop_after := coalesce(v_delivery ->> 'drop_after', v_window ->> 'drop_after');
  if v_drop_after like '%{{%' then
    if v_delivery ->> 'drop_at' is null then
      v_problem := coalesce(v_problem, 'drop_after of the window is a template, which the executor has not filled in');
    end if;
    v_drop_after := null;
  elsif v_drop_after is not null and minutehand.to_interval(v_drop_after) is null then
    v_problem := coalesce(v_problem, format('drop_after is "%s": write a time such as "2 hours"', left(v_drop_after, 60)));
  end if;
  if v_problem is null and v_delivery ->> 'drop_at' is not null then
    v_drop := minutehand.to_moment(
      v_delivery ->> 'drop_at', coalesce(v_zone, minutehand.workflow_zone(v_settings, minutehand.tenant_of(p_log))));
    if v_drop is null then
      v_problem := format('drop_after is "%s": write a time such as "2 hours", or a moment such as "{{ job.schedule_start }}"',
        left(v_delivery ->> 'drop_at', 60));
    end if;
  end if;
  if v_problem is not null then
    answer := 'refused';
    code := 'bad_window';
    reason := v_problem;
    return next;
    return;
  end if;
  v_drop := least(v_drop, minutehand.due_since(p_log, p_now) + minutehand.to_interval(v_drop_after));
  if v_opens >= v_drop then
    answer := 'refused';
    code := 'too_late';
    reason := case
      when v_opens = p_now then format('it makes no sense after %s', minutehand.local_text(v_drop, coalesce(v_zone, 'UTC')))
      else format('outside the window %s, which opens %s; it makes no sense after %s', minutehand.window_text(v_window),
        minutehand.local_text(v_opens, v_zone), minutehand.local_text(v_drop, v_zone)) end;
    return next;
  elsif v_opens > p_now then
    answer := 'later';
    code := 'outside_window';
    until := v_opens + least(
      interval '10 minutes', (least(upper(v_open), v_drop) - v_opens) / 2)
      * (abs(hashtext(coalesce(p_log.id::text, ''))::bigint) % 1000 / 1000.0);
    reason := format('outside the window %s: waits until %s', minutehand.window_text(v_window), minutehand.local_text(until, v_zone));
    return next;
  end if;
end
$$;

-- minutehand.local_text(time, zone) -> text: Monday 2026-03-30 09:04 (Europe/Berlin).
create or replace function minutehand.local_text(p_time timestamptz, p_zone text) returns text
language sql stable as $$
  select to_char(p_time at time zone p_zone, 'FMDay YYYY-MM-DD HH24:MI') || ' (' || p_zone || ')'
$$;
