-- Comparing two values of a condition (R9): equality, order, membership.  No input raises.
-- None of these carries `set search_path`, which would keep the small ones from being inlined: they name every schema
-- but pg_catalog, and are called from functions that have set it.  Text is folded as sql/internal/fold.sql says.
-- Called by: minutehand.evaluate_condition.

-- Whether a text is a number that numeric surely takes (the length keeps it far from the type's limits).
create or replace function minutehand.is_number(p_text text) returns boolean
language sql immutable
as $$
  select length(p_text) <= 200 and p_text ~ '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,3})?$'
$$;

-- Whether two values are one: case is folded, a number is compared as a number, null is only null.
-- Two texts stay texts, "007" is not "7" (codes and ids); a JSON number on either side makes it numbers.  Two ISO dates or
-- timestamps are instants, as in compare_values.
create or replace function minutehand.values_equal(p_a jsonb, p_b jsonb, p_is_status boolean) returns boolean
language sql immutable
as $$
  select case
    when p_a = p_b then true
    when jsonb_typeof(p_a) = 'null' or jsonb_typeof(p_b) = 'null' then false
    when p_is_status then minutehand.fold(p_a #>> '{}') = minutehand.fold(p_b #>> '{}')
    when (jsonb_typeof(p_a) = 'number') = (jsonb_typeof(p_b) = 'number')
      -- no letter grows threefold when it is folded: a long text is not folded again for each short one
      then octet_length(p_a #>> '{}') <= 3 * octet_length(p_b #>> '{}')
        and octet_length(p_b #>> '{}') <= 3 * octet_length(p_a #>> '{}')
        and (minutehand.fold_case(p_a #>> '{}') = minutehand.fold_case(p_b #>> '{}')
          -- The same instant as another text; two other texts do not pay for reading them.
          or (p_a #>> '{}') ~ '^[0-9]{4}-' and (p_b #>> '{}') ~ '^[0-9]{4}-'
            and coalesce(minutehand.to_instant(p_a #>> '{}') = minutehand.to_instant(p_b #>> '{}'), false))
    when jsonb_typeof(p_a) = 'number' and minutehand.is_number(p_b #>> '{}')
      then (p_a #>> '{}')::numeric = (p_b #>> '{}')::numeric
    when jsonb_typeof(p_b) = 'number' and minutehand.is_number(p_a #>> '{}')
      then (p_a #>> '{}')::numeric = (p_b #>> '{}')::numeric
    else false
  end
$$;

-- Whether a list has a value.  A loop: for the usual handful of items a query costs more than the comparisons.
create or replace function minutehand.list_has(p_list jsonb, p_value jsonb, p_is_status boolean) returns boolean
language plpgsql immutable
as $$
begin
  for i in 0 .. jsonb_array_length(p_list) - 1 loop
    if minutehand.values_equal(p_list -> i, p_value, p_is_status) then
      return true;
    end if;
  end loop;
  return false;
end
$$;

-- An ISO date or timestamp, null for anything else.  Without a zone it is UTC, and a date is its midnight: the session's zone must
-- not decide a match.
create or replace function minutehand.to_instant(p_text text) returns timestamptz
language plpgsql immutable
as $$
begin
  if length(p_text) > 40 or p_text !~ (
    '^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?'
    ' ?([Zz]|UTC|[+-][0-9]{2}(:?[0-9]{2}(:[0-9]{2})?)?)?)?$') then
    return null;
  elsif p_text ~ ':.*[ZzC+-]' then
    return p_text::timestamptz;
  end if;
  return p_text::timestamp at time zone 'UTC';
exception when data_exception then  -- 2026-13-45; pg_input_is_valid would do, but only from PostgreSQL 16 on
  return null;
end
$$;

-- -1, 0 or 1 as a is below, equal to or above b; null when a number or an instant meets something else, since a text
-- order of "n/a" and 100 means nothing.  Text is ordered by code point, so that every database orders alike.
create or replace function minutehand.compare_values(p_a jsonb, p_b jsonb) returns integer
language plpgsql immutable
as $$
declare
  v_a text := minutehand.fold_case(p_a #>> '{}');
  v_b text := minutehand.fold_case(p_b #>> '{}');
  v_a_number boolean := jsonb_typeof(p_a) = 'number' or minutehand.is_number(v_a);
  v_b_number boolean := jsonb_typeof(p_b) = 'number' or minutehand.is_number(v_b);
  v_a_instant timestamptz;
  v_b_instant timestamptz;
begin
  if v_a_number and v_b_number then
    return case when v_a::numeric > v_b::numeric then 1 when v_a::numeric < v_b::numeric then -1 else 0 end;
  elsif v_a_number or v_b_number or jsonb_typeof(p_a) in ('array', 'object') then
    return null;
  end if;
  v_a_instant := minutehand.to_instant(p_a #>> '{}');
  v_b_instant := minutehand.to_instant(p_b #>> '{}');
  if v_a_instant is not null and v_b_instant is not null then
    return case when v_a_instant > v_b_instant then 1 when v_a_instant < v_b_instant then -1 else 0 end;
  elsif v_a_instant is not null or v_b_instant is not null then
    return null;
  end if;
  return case when v_a collate "C" > v_b collate "C" then 1 when v_a collate "C" < v_b collate "C" then -1 else 0 end;
end
$$;
