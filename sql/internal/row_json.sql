-- The app's rows as JSON, and the texts of their keys and tenants.  The one way in which a value of the app becomes text: the
-- change that the trigger records, the row that a step reads, and the key that a person names are compared with each other.

-- minutehand.row_json(row, padded columns) -> jsonb: a row, under output settings of its own, whatever the session's are: times in
-- UTC and ISO 8601, intervals as `1 day 02:00:00`, bytea as hex, the shortest exact digits of a float.  A value of char(n) is
-- without the blanks that fill it, as in PostgreSQL's own cast to text (minutehand.padded_columns).
-- It costs about 5 us a row, 15 us on PostgreSQL 15.
create or replace function minutehand.row_json(p_row anyelement, p_padded text[]) returns jsonb
language plpgsql stable
set timezone = 'UTC' set datestyle = 'ISO, YMD' set intervalstyle = 'postgres' set bytea_output = 'hex'
set extra_float_digits = 1 as $$
begin
  return minutehand.unpadded_json(p_row, p_padded);
end
$$;

-- minutehand.unpadded_json(row, padded columns) -> jsonb: the same under the session's settings; part of its caller's expression.
-- Named in full: write_row's search_path has the app's schema, where a to_jsonb(jobs) would be the better match.
create or replace function minutehand.unpadded_json(p_row anyelement, p_padded text[]) returns jsonb
language sql stable as $$
  select case when pg_catalog.cardinality(p_padded) = 0 then pg_catalog.to_jsonb(p_row)
    else minutehand.without_padding(pg_catalog.to_jsonb(p_row), p_padded) end
$$;

-- minutehand.rows_json(old, new, padded columns) -> [row_json of old, row_json of new]; null for no row.  For the trigger: one call sets
-- the settings once.
create or replace function minutehand.rows_json(p_old anyelement, p_new anyelement, p_padded text[]) returns jsonb[]
language plpgsql stable
set timezone = 'UTC' set datestyle = 'ISO, YMD' set intervalstyle = 'postgres' set bytea_output = 'hex'
set extra_float_digits = 1 as $$
begin
  return array[minutehand.unpadded_json(p_old, p_padded), minutehand.unpadded_json(p_new, p_padded)];
end
$$;

-- minutehand.row_of_json(row or null::table, values) -> the row with these values, each read by its column's type under the
-- same settings: a time without a zone is UTC.
create or replace function minutehand.row_of_json(p_type anyelement, p_values jsonb) returns anyelement
language plpgsql stable
set timezone = 'UTC' set datestyle = 'ISO, YMD' set intervalstyle = 'postgres' set bytea_output = 'hex'
set extra_float_digits = 1 as $$
begin
  return pg_catalog.jsonb_populate_record(p_type, p_values);
end
$$;

-- minutehand.without_padding(row, columns) -> the row; these columns, or the items of their lists, without the blanks at the end.
create or replace function minutehand.without_padding(p_row jsonb, p_columns text[]) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select p_row || coalesce(jsonb_object_agg(c.name, case jsonb_typeof(p_row -> c.name)
    when 'string' then to_jsonb(rtrim(p_row ->> c.name, ' '))
    when 'array' then (
      select coalesce(jsonb_agg(case jsonb_typeof(item) when 'string' then to_jsonb(rtrim(item #>> '{}', ' ')) else item end
                                order by nr), '[]')
      from jsonb_array_elements(p_row -> c.name) with ordinality as items (item, nr))
    else p_row -> c.name end), '{}')
  from unnest(p_columns) as c (name)
  where p_row ? c.name
$$;

-- minutehand.padded_columns(relation) -> text[]: the columns of type char(n), or of a domain or a list of it.
-- In PL/pgSQL, which keeps the plan for the session: the trigger calls it once a transaction.
create or replace function minutehand.padded_columns(p_relation oid) returns text[]
language plpgsql stable as $$
begin
  -- Not PostgreSQL's own types: those are looked up one by one, where there are any.
  if not exists (
      select from pg_catalog.pg_attribute a
      where a.attrelid = p_relation and a.attnum > 0 and (
        a.atttypid in ('bpchar'::regtype, 'bpchar[]'::regtype) or a.atttypid >= 16384)) then
    return '{}';
  end if;
  return array(
    select a.attname::text
    from pg_catalog.pg_attribute a
    where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped and (
      a.atttypid in ('bpchar'::regtype, 'bpchar[]'::regtype)
      or exists (select from pg_catalog.pg_type t where t.oid = a.atttypid and t.typtype = 'd')
         and minutehand.base_type(a.atttypid) in ('bpchar'::regtype, 'bpchar[]'::regtype)));
end
$$;

-- minutehand.padded_in_transaction(relation) -> the same, looked up once a transaction: for the trigger.
create or replace function minutehand.padded_in_transaction(p_relation oid) returns text[]
language plpgsql as $$
declare
  v_name constant text := 'minutehand.padded_' || p_relation;
  v_known text := current_setting(v_name, true);
begin
  if coalesce(v_known, '') = '' then
    v_known := set_config(v_name, minutehand.padded_columns(p_relation)::text, true);
  end if;
  return v_known;
end
$$;

-- minutehand.base_type(type) -> oid: the type that a domain, or a domain of a domain, is made of; of others the type itself.
create or replace function minutehand.base_type(p_type oid) returns oid
language sql stable as $$
  with recursive types as (
    select t.oid, t.typtype, t.typbasetype from pg_catalog.pg_type t where t.oid = p_type
    union all
    select t.oid, t.typtype, t.typbasetype
    from types d join pg_catalog.pg_type t on t.oid = d.typbasetype where d.typtype = 'd'
  )
  select oid from types where typtype <> 'd'
$$;

-- minutehand.column_type(relation, column) -> text: the column's type, as a cast names it; a char(n) is bpchar, of any length.
create or replace function minutehand.column_type(p_relation oid, p_column text) returns text
language sql stable as $$
  select format_type(atttypid, -1)
  from pg_catalog.pg_attribute
  where attrelid = p_relation and attname = p_column and not attisdropped
$$;

-- minutehand.equality(relation, column) -> text: the operator that compares two values of the column, with its schema where an
-- extension has it (citext): an empty search_path would find that of text, which the column's index does not serve.
create or replace function minutehand.equality(p_relation oid, p_column text) returns text
language sql stable as $$
  select coalesce((
    select format('operator(%I.=)', n.nspname)
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type t on t.oid = minutehand.base_type(a.atttypid)
    join pg_catalog.pg_operator o
      on o.oprname = '=' and o.oprleft = t.oid and o.oprright = t.oid and o.oprnamespace = t.typnamespace
    join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
    where a.attrelid = p_relation and a.attname = p_column and not a.attisdropped
    limit 1), '=')
$$;

-- minutehand.key_text(relation, config, text) -> the key as the table's rows have it: "7" for "007" where ids are numbers, an uuid
-- in lower case, a time in UTC; a text that is no value of the column stays as it is.
create or replace function minutehand.key_text(p_relation oid, p_config jsonb, p_text text) returns text
language plpgsql stable set search_path = '' set timezone = 'UTC' set datestyle = 'ISO, YMD' as $$
declare
  v_type constant text := minutehand.column_type(p_relation, p_config ->> 'id');
  v_scaled text;
  v_key text;
begin
  if p_text is null or v_type is null or v_type in ('text', 'character varying')
     or v_type = 'date' and p_text ~ ':' or v_type = 'time without time zone' and p_text ~ '[0-9]-[0-9]' then
    return p_text;  -- a timestamp is no day, and no time of day, although it can be cast to both
  end if;
  if v_type = 'numeric' then  -- numeric(10,2) writes 5.00 for 5, and has no 5.001
    select format_type(atttypid, atttypmod) into v_scaled
    from pg_catalog.pg_attribute where attrelid = p_relation and attname = p_config ->> 'id';
    execute format('select case when $1::numeric = $1::%1$s then $1::%1$s else $1::numeric end', v_scaled)
    into v_key using p_text;
    return v_key;
  end if;
  execute format(
    'select minutehand.row_json(r, %L) ->> %L from (select $1::%s as %I) r',
    minutehand.padded_columns(p_relation), p_config ->> 'id', v_type, p_config ->> 'id')
  into v_key using p_text;
  return v_key;
exception when data_exception or integrity_constraint_violation then
  return p_text;
end
$$;
