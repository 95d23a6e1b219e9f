-- Time.  Functions that take p_now use it; a trigger has no argument and asks minutehand.clock().
-- Tests replace the body of clock() by one that reads the setting `minutehand.now`; no other database obeys it.
create or replace function minutehand.clock() returns timestamptz
language sql stable as $$
  select now()
$$;

-- minutehand.backoff(attempt) -> interval: how long to wait before the next attempt.
-- 15 s x 3^(attempt - 1), capped at 1 h, +/- 25 % of jitter so that what failed together does not return together:
-- about 15 s, 45 s, 2 min 15 s, 6 min 45 s; five attempts outlast an outage of ten minutes.
create or replace function minutehand.backoff(p_attempt integer) returns interval
language sql volatile as $$
  select least(3600, 15 * 3 ^ (least(greatest(p_attempt, 1), 10) - 1)) * (0.75 + random() / 2) * interval '1 second'
$$;

-- minutehand.deferral(waited) -> interval: how long to wait again for what has been in the way for so long (a lock, a table that
-- cannot be read, a receiver that asks to slow down): as long again, 1 s to 5 min, +/- 25 % of jitter.
create or replace function minutehand.deferral(p_waited interval) returns interval
language sql volatile as $$
  select least(greatest(p_waited, interval '1 s'), interval '5 min') * (0.75 + random() / 2)
$$;

-- minutehand.bounded_time(time) -> timestamptz: the time, within the years 1 to 9999.  Whoever may write a row may write
-- 'infinity' or the year 294276, from which PostgreSQL <= 16 subtracts nothing, and to which none adds a day.
create or replace function minutehand.bounded_time(p_time timestamptz) returns timestamptz
language sql immutable as $$
  select case when p_time is not null
    then least(greatest(p_time, timestamptz '0001-01-01 00:00:00+00'), timestamptz '9999-12-31 00:00:00+00') end
$$;

-- minutehand.seconds_until(time, now) -> numeric: 0 if it has passed, at most ten years: the app may write 'infinity', which has no
-- seconds.
create or replace function minutehand.seconds_until(p_time timestamptz, p_now timestamptz) returns numeric
language sql stable as $$
  select case when p_time is not null then round(extract(epoch from
    least(greatest(p_time, p_now), p_now + interval '87600 hours') - p_now), 3) end
$$;

-- minutehand.interval_text(interval) -> text: `1 hour`, `2 days 3 hours`.
create or replace function minutehand.interval_text(p_interval interval) returns text
language sql immutable set intervalstyle = 'postgres_verbose' as $$
  select trim(leading '@ ' from p_interval::text)
$$;

-- minutehand.utc_text(time) -> text: `2030-01-31 14:05:09 UTC`, for messages.
create or replace function minutehand.utc_text(p_time timestamptz) returns text
language sql stable as $$
  select to_char(p_time at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
$$;

-- minutehand.to_interval(text) -> interval, or null if the text is not one.
create or replace function minutehand.to_interval(p_text text) returns interval
language plpgsql immutable as $$
begin
  return p_text::interval;
exception when others then
  return null;
end
$$;
