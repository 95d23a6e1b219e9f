-- Rows of the app's watched tables, with the rows that they refer to.

-- minutehand.read_app_rows(relation, config, keys) -> (key, found, links, hidden, problem): the rows of a watched table, each with
-- the rows that it refers to, `{"client": {…}}`.  `hidden` names the linked rows that exist and are not shown, and why:
-- {"client": {"code": "link_other_tenant" (minutehand.why_hidden) | "link_unreadable", "reason"}}; where that may pass (a lock,
-- a right, a column: table_problems.sql), with "passing": true.  `problem` says why the row itself cannot be read (`found` is null
-- then), {"ended", "code", "reason"}: `failed` if its json holds what jsonb cannot, it has more than 256 MB, or one of its
-- columns is computed and fails; `deferred` if the table cannot be read now.
-- What is wrong with a table concerns its rows alone, and what is wrong with a row that row alone.
-- Errors: those of class `away` (error_class).  Locks: waits 250 ms at most (lock_wait).
create or replace function minutehand.read_app_rows(p_relation oid, p_config jsonb, p_keys text[])
returns table (key text, found jsonb, links jsonb, hidden jsonb, problem jsonb)
language plpgsql stable set search_path = '' set lock_timeout = '250ms' as $$
declare
  v_problem jsonb := minutehand.table_problem(p_relation, p_config);
  v_bad jsonb;
begin
  if v_problem is null then
    perform set_config('lock_timeout', minutehand.lock_wait(), true);
    begin
      return query select * from minutehand.read_shown_rows(p_relation, p_config, p_keys, '{}');
      return;
    exception when others then
      if minutehand.is_away(sqlstate) then
        raise;
      end if;
      perform minutehand.note_wait(sqlstate), set_config('lock_timeout', minutehand.lock_wait(), true);
    end;
    v_problem := minutehand.read_problem(p_relation, p_config, '{}', p_relation);
  end if;
  if v_problem is not null then
    return query select distinct k, null::jsonb, '{}'::jsonb, '{}'::jsonb, v_problem from unnest(p_keys) as k;
    return;
  end if;
  v_bad := minutehand.unreadable_links(p_relation, p_config);
  if v_bad <> '{}' then
    begin
      return query select * from minutehand.read_shown_rows(p_relation, p_config, p_keys, v_bad);
      return;
    exception when others then
      if minutehand.is_away(sqlstate) then
        raise;
      end if;
    end;
  end if;
  return query  -- a row is at fault: find out which one, each in a block of its own
    select r.key, b.shown_row, b.shown_links, r.hidden || b.too_large, r.problem
    from (select distinct k from unnest(p_keys) as k) q
    cross join lateral minutehand.read_row(p_relation, p_config, q.k, v_bad) r
    cross join lateral minutehand.bounded_row(p_config, r.found, r.links) b;
end
$$;

-- minutehand.read_shown_rows(relation, config, keys, bad links) -> as minutehand.read_app_rows: all at once; raises when one of
-- them cannot be read.
create or replace function minutehand.read_shown_rows(p_relation oid, p_config jsonb, p_keys text[], p_bad jsonb)
returns table (key text, found jsonb, links jsonb, hidden jsonb, problem jsonb)
language sql stable set search_path = '' as $$
  with r as (
    select * from minutehand.read_rows_batch(p_relation, p_config, p_keys, null, p_bad)
  )
  select r.key, b.shown_row, b.shown_links, r.hidden || b.too_large, null::jsonb
  from r
  cross join lateral minutehand.bounded_row(p_config, r.found, r.links) b
  union all
  select k, null, '{}', '{}', minutehand.hidden_rows(p_relation)
  from unnest(p_keys) as k
  where row_security_active(p_relation) and not exists (select from r where r.key = k)
$$;

-- minutehand.read_problem(relation, config, names, read) -> problem: why the table, with the links of these names, cannot be read at
-- all, whatever the row; or null.  It reads no row.  read: the relation that the problem names.  doctor asks here, too.
create or replace function minutehand.read_problem(p_relation oid, p_config jsonb, p_names text[], p_read oid) returns jsonb
language plpgsql stable set search_path = '' set lock_timeout = '250ms' as $$
begin
  perform set_config('lock_timeout', minutehand.lock_wait(), true);
  perform from minutehand.read_rows_batch(p_relation, p_config, '{}', p_names);
  return null;
exception when others then
  if minutehand.is_away(sqlstate) then
    raise;
  end if;
  perform minutehand.note_wait(sqlstate);
  return case when minutehand.error_class(sqlstate) = 'object' then minutehand.error_problem(p_read, sqlstate, 'read') end;
end
$$;

-- minutehand.unreadable_links(relation, config) -> {name: {"code", "reason", "passing"}}: the links whose tables cannot be read now.
create or replace function minutehand.unreadable_links(p_relation oid, p_config jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(l.name, minutehand.as_hidden(p.problem)), '{}')
  from minutehand.linked_tables(p_relation, p_config) l
  cross join lateral minutehand.read_problem(p_relation, p_config, array[l.name], l.target) p (problem)
  where l.problem is null and p.problem is not null
$$;

-- minutehand.as_hidden(problem) -> {"code", "reason", "passing": true}: a table's problem as what it is to a link.
create or replace function minutehand.as_hidden(p_problem jsonb) returns jsonb
language sql immutable as $$
  select p_problem - 'ended' || '{"passing": true}'
$$;

-- minutehand.bounded_row(config, row, links) -> (shown_row, shown_links, too_large): the row and its links without values that are
-- too large (minutehand.columns_too_large); too_large says of each why it is not shown: {"job.photo": {"code", "reason"}}.
create or replace function minutehand.bounded_row(
  p_config jsonb, p_row jsonb, p_links jsonb, out shown_row jsonb, out shown_links jsonb, out too_large jsonb
) language plpgsql stable set search_path = '' as $$
declare
  v_link text;
  v_columns text[];
begin
  shown_row := p_row;
  shown_links := p_links;
  too_large := '{}';
  if pg_column_size(p_row) > 262144 then
    v_columns := coalesce(minutehand.columns_too_large(p_row, null), '{}');
    shown_row := p_row - v_columns;
    too_large := minutehand.too_large(p_config ->> 'type', v_columns);
  end if;
  if pg_column_size(p_links) > 262144 then
    for v_link in select jsonb_object_keys(p_links) loop
      v_columns := coalesce(minutehand.columns_too_large(p_links -> v_link, null), '{}');
      shown_links := shown_links || jsonb_build_object(v_link, (p_links -> v_link) - v_columns);
      too_large := too_large || minutehand.too_large(v_link, v_columns);
    end loop;
  end if;
end
$$;

-- minutehand.too_large(name, columns) -> {"job.photo": {"code", "reason"}}
create or replace function minutehand.too_large(p_name text, p_columns text[]) returns jsonb
language sql immutable as $$
  select coalesce(jsonb_object_agg(n.name, jsonb_build_object(
    'code', 'value_too_large', 'reason', n.name || ' is too large to be shown to steps (256 kB a value, 1 MB a row)')), '{}')
  from unnest(p_columns) as c
  cross join lateral (select p_name || '.' || c as name) n
$$;

-- minutehand.columns_too_large(new, old) -> the columns whose values are neither recorded nor shown to steps: those of more than
-- 256 kB, and of what is left the ones of more than 8 kB if it still exceeds 1 MB.  Null when there is none.
create or replace function minutehand.columns_too_large(p_new jsonb, p_old jsonb) returns text[]
language sql immutable as $$
  with sizes as (
    select key, max(pg_column_size(value)) as bytes
    from (select * from jsonb_each(p_new) union all select * from jsonb_each(p_old)) as v
    group by key
  ), total as (
    select sum(bytes) filter (where bytes <= 262144) > 1048576 as is_too_large from sizes
  )
  select array_agg(key order by key) from sizes, total where bytes > 262144 or is_too_large and bytes > 8192
$$;

-- minutehand.read_row(relation, config, key, bad links) -> minutehand.read_app_rows of one key: without the links that cannot be
-- read.  Messages name the SQLSTATE alone: the error's own text may quote a value of another tenant's row.
create or replace function minutehand.read_row(p_relation oid, p_config jsonb, p_key text, p_bad jsonb)
returns table (key text, found jsonb, links jsonb, hidden jsonb, problem jsonb)
language plpgsql stable set search_path = '' as $$
declare
  v_row record;
  v_part record;
  v_link record;
begin
  begin
    select r.* into v_row from minutehand.read_rows_batch(p_relation, p_config, array[p_key], '{}') r;
  exception when others then
    if minutehand.is_away(sqlstate) then
      raise;
    end if;
    return query select p_key, null::jsonb, '{}'::jsonb, '{}'::jsonb, case minutehand.error_class(sqlstate)
      when 'object' then minutehand.error_problem(p_relation, sqlstate, 'read')
      else jsonb_build_object('ended', 'failed', 'code', 'unreadable', 'reason', format(
        'row %s of %s cannot be read (SQLSTATE %s)', p_key, p_relation::regclass, sqlstate)) end;
    return;
  end;
  if v_row.key is null then
    if row_security_active(p_relation) then
      return query select p_key, null::jsonb, '{}'::jsonb, '{}'::jsonb, minutehand.hidden_rows(p_relation);
    end if;
    return;
  end if;
  for v_link in select distinct l.name, l.target from minutehand.linked_tables(p_relation, p_config) l loop
    begin
      select v_row.links || r.links as links, v_row.hidden || r.hidden as hidden into v_part
      from minutehand.read_rows_batch(p_relation, p_config, array[p_key], array[v_link.name], p_bad) r;
      v_row.links := v_part.links;
      v_row.hidden := v_part.hidden;
    exception when others then
      if minutehand.is_away(sqlstate) then
        raise;
      end if;
      v_row.hidden := v_row.hidden || jsonb_build_object(v_link.name, case minutehand.error_class(sqlstate)
        when 'object' then minutehand.as_hidden(minutehand.error_problem(v_link.target, sqlstate, 'read'))
        else jsonb_build_object(
          'code', 'link_unreadable', 'reason', format('%s cannot be read (SQLSTATE %s)', v_link.name, sqlstate)) end);
    end;
  end loop;
  return query select v_row.key, v_row.found, v_row.links, v_row.hidden, null::jsonb;
end
$$;

-- minutehand.read_rows_batch(relation, config, keys, names, bad links) -> (key, found, links, hidden): one query, however many; raises
-- when one of them cannot be read.  With the links of these names alone; null: with all.  Of the bad links, {name: why}, no row is
-- read; they are hidden where the row names one.
-- The keys are cast to the column's type, so that its index serves; one that is none of that type finds nothing, and
-- costs its neighbours nothing but the index.  Where the key column is not unique, a key that several rows have finds nothing.
create or replace function minutehand.read_rows_batch(
  p_relation oid, p_config jsonb, p_keys text[], p_names text[] default null, p_bad jsonb default '{}'
) returns table (key text, found jsonb, links jsonb, hidden jsonb)
language plpgsql stable set search_path = '' as $$
declare
  v_id text := p_config ->> 'id';
  v_equals constant text := minutehand.equality(p_relation, v_id);
  v_excluded text[] := array(select jsonb_array_elements_text(coalesce(p_config -> 'exclude', '[]')));
  v_is_unique boolean := minutehand.is_unique(p_relation, v_id);
  v_parts record;
  v_query text;
begin
  select * into v_parts from minutehand.link_parts(p_relation, p_config, p_names, p_bad, 'r.found');
  v_query := format(
    'select r.found ->> %L, r.found - $2, %s, %s from %s t '
    'cross join lateral (select minutehand.row_json(t, %L) as found offset 0) r%s where ',
    v_id, v_parts.linked, v_parts.hidden, p_relation::regclass, minutehand.padded_columns(p_relation), v_parts.joins);
  if not v_is_unique then
    v_query := v_query || format(
      '(select count(*) from %s s where s.%I %s t.%I) = 1 and ', p_relation::regclass, v_id, v_equals, v_id);
  end if;
  begin
    return query execute v_query || format(
      't.%I %s any ($1::%s[])', v_id, v_equals, coalesce(minutehand.column_type(p_relation, v_id), 'text'))
      using p_keys, v_excluded, p_config;
  exception when data_exception or integrity_constraint_violation then
    return query execute v_query || format('r.found ->> %L = any ($1)', v_id) using p_keys, v_excluded, p_config;
  end;
end
$$;
