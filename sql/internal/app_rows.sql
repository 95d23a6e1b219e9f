-- Rows of the app's watched tables, with the rows that they refer to.

-- minutehand.read_app_rows(relation, config, keys) -> (key, found, links, hidden, problem): the rows of a watched table, each with
-- the rows that it refers to, `{"client": {…}}`.  `hidden` names the linked rows that exist and are not shown, and why:
-- {"client": {"code": "link_other_tenant" (minutehand.why_hidden) | "link_unreadable", "reason"}}.  `problem` says why the row
-- itself cannot be read (`found` is null then): its json holds what jsonb cannot, it has more than 256 MB, or one of its
-- columns is computed and fails.  Such a row costs its neighbours nothing.
create or replace function minutehand.read_app_rows(p_relation oid, p_config jsonb, p_keys text[])
returns table (key text, found jsonb, links jsonb, hidden jsonb, problem text)
language plpgsql stable set search_path = '' as $$
declare
  v_key text;
begin
  begin
    return query
      select r.key, b.shown_row, b.shown_links, r.hidden || b.too_large, null::text
      from minutehand.read_rows_batch(p_relation, p_config, p_keys) r
      cross join lateral minutehand.bounded_row(p_config, r.found, r.links) b;
    return;
  exception when others then
    if not minutehand.is_unreadable(sqlstate) then
      raise;
    end if;  -- find out which one, each in a block of its own
  end;
  for v_key in select distinct k from unnest(p_keys) as k loop
    return query
      select r.key, b.shown_row, b.shown_links, r.hidden || b.too_large, r.problem
      from minutehand.read_row(p_relation, p_config, v_key) r
      cross join lateral minutehand.bounded_row(p_config, r.found, r.links) b;
  end loop;
end
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

-- minutehand.read_row(relation, config, key) -> minutehand.read_app_rows of one key: without the links that cannot be read.
-- Messages name the SQLSTATE alone: the error's own text may quote a value of another tenant's row.
create or replace function minutehand.read_row(p_relation oid, p_config jsonb, p_key text)
returns table (key text, found jsonb, links jsonb, hidden jsonb, problem text)
language plpgsql stable set search_path = '' as $$
declare
  v_row record;
  v_part record;
  v_name text;
begin
  begin
    select r.* into v_row from minutehand.read_rows_batch(p_relation, p_config, array[p_key], '{}') r;
  exception when others then
    if not minutehand.is_unreadable(sqlstate) or sqlstate like '42%' then  -- a missing right is the operator's to give
      raise;
    end if;
    return query select p_key, null::jsonb, '{}'::jsonb, '{}'::jsonb,
      format('row %s of %s cannot be read (SQLSTATE %s)', p_key, p_relation::regclass, sqlstate);
    return;
  end;
  if v_row.key is null then
    return;
  end if;
  for v_name in select distinct l.name from minutehand.linked_tables(p_relation, p_config) l loop
    begin
      select v_row.links || r.links as links, v_row.hidden || r.hidden as hidden into v_part
      from minutehand.read_rows_batch(p_relation, p_config, array[p_key], array[v_name]) r;
      v_row.links := v_part.links;
      v_row.hidden := v_part.hidden;
    exception when others then
      if not minutehand.is_unreadable(sqlstate) then
        raise;
      end if;
      v_row.hidden := v_row.hidden || jsonb_build_object(v_name, jsonb_build_object(
        'code', 'link_unreadable', 'reason', format('%s cannot be read (SQLSTATE %s)', v_name, sqlstate)));
    end;
  end loop;
  return query select v_row.key, v_row.found, v_row.links, v_row.hidden, null::text;
end
$$;

-- minutehand.read_rows_batch(relation, config, keys, names) -> (key, found, links, hidden): one query, however many; raises when
-- one of them cannot be read.  With the links of these names alone; null: with all.
-- The keys are cast to the column's type, so that its index serves; one that is none of that type finds nothing, and
-- costs its neighbours nothing but the index.  Where the key column is not unique, a key that several rows have finds nothing.
create or replace function minutehand.read_rows_batch(
  p_relation oid, p_config jsonb, p_keys text[], p_names text[] default null
) returns table (key text, found jsonb, links jsonb, hidden jsonb)
language plpgsql stable set search_path = '' as $$
declare
  v_id text := p_config ->> 'id';
  v_excluded text[] := array(select jsonb_array_elements_text(coalesce(p_config -> 'exclude', '[]')));
  v_is_unique boolean := minutehand.is_unique(p_relation, v_id);
  v_link record;
  v_linked text := '''{}''::jsonb';
  v_hidden text := '''{}''::jsonb';
  v_joins text := '';
  v_query text;
begin
  for v_link in
    select l.*, row_number() over () as nr
    from minutehand.linked_tables(p_relation, p_config) l where p_names is null or l.name = any (p_names)
  loop
    v_joins := v_joins || format(
      ' left join lateral (select to_jsonb(x) as found from %1$s x where %2$s%5$s limit 1) l%3$s on true'
      ' left join lateral (select minutehand.why_hidden($3, to_jsonb(t), %4$L, l%3$s.found) as why'
      ' where l%3$s.found is not null) h%3$s on true',
      v_link.target::regclass, v_link.condition, v_link.nr, v_link.words,
      -- Of several rows that a column without a constraint refers to, one of this tenant.
      case when not v_link.is_unique
        then format(' order by minutehand.why_hidden($3, to_jsonb(t), %L, to_jsonb(x)) nulls first', v_link.words) end);
    v_linked := v_linked || format(
      ' || case when l%1$s.found is null or h%1$s.why is not null then ''{}''::jsonb '
      'else jsonb_build_object(%2$L, l%1$s.found - %3$L::text[]) end', v_link.nr, v_link.name,
      array(select jsonb_array_elements_text(v_link.words -> 'exclude')));
    v_hidden := v_hidden || format(
      ' || case when h%1$s.why is null then ''{}''::jsonb else jsonb_build_object(%2$L, '
      '%3$L::jsonb || jsonb_build_object(''reason'', h%1$s.why)) end',
      v_link.nr, v_link.name, jsonb_build_object('code', 'link_other_tenant'));
  end loop;
  v_query := format('select t.%I::text, to_jsonb(t) - $2, %s, %s from %s t%s where ',
    v_id, v_linked, v_hidden, p_relation::regclass, v_joins);
  if not v_is_unique then
    return query execute v_query || format(
      't.%1$I::text = any ($1) and (select count(*) from %2$s s where s.%1$I = t.%1$I) = 1', v_id, p_relation::regclass)
      using p_keys, v_excluded, p_config;
    return;
  end if;
  begin
    return query execute v_query || format('t.%I = any ($1::%s[])', v_id, minutehand.column_type(p_relation, v_id))
      using p_keys, v_excluded, p_config;
  exception when data_exception then
    return query execute v_query || format('t.%I::text = any ($1)', v_id) using p_keys, v_excluded, p_config;
  end;
end
$$;

-- minutehand.why_hidden(config, row, link, linked row) -> text: why a linked row is not shown with a row, or null.
-- It is shown where both belong to one tenant.  The tenant of a row is the effective one: its organisation, else the
-- organisation in its user's profile, else its user.  So a client without an organisation is shown with its user's jobs.
-- A row that the tenant's own column refers to (organization_id, user_id) is the tenant's own.
create or replace function minutehand.why_hidden(p_config jsonb, p_row jsonb, p_link jsonb, p_linked jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_user constant text := p_row ->> coalesce(p_config ->> 'user', 'user_id');
  v_linked_user constant text := p_linked ->> (p_link ->> 'user');
  v_linked_organization text := p_linked ->> (p_link ->> 'tenant');
begin
  if p_config ->> 'tenant' is null or (p_link ->> 'shown')::boolean
     or p_link -> 'columns' <@ jsonb_build_array(p_config ->> 'tenant', coalesce(p_config ->> 'user', 'user_id')) then
    return null;
  elsif v_linked_organization is null and v_linked_user is null then
    return format('%s is not shown: table %s has no tenant; to show it to every tenant: minutehand trigger add … --global %s',
                  p_link ->> 'name', p_link ->> 'table', p_link ->> 'table');
  end if;
  v_linked_organization := minutehand.effective_organization(v_linked_organization, v_linked_user);
  if coalesce(case
      when v_linked_organization is not null then v_linked_organization
        = minutehand.effective_organization(minutehand.organization_of(p_row, p_config), v_user)
      else v_linked_user = v_user end, false) then
    return null;
  end if;
  return format('%s belongs to another tenant', p_link ->> 'name');
end
$$;

-- minutehand.is_unique(relation, column) -> boolean: does a unique index say that no two rows have the same value?  In a
-- partitioned table such an index must hold the partition key too, so there the column has to be part of the primary key.
create or replace function minutehand.is_unique(p_relation oid, p_column text) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indrelid
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attname = p_column and not a.attisdropped
    where i.indrelid = p_relation and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
      and (i.indnkeyatts = 1 and i.indkey[0] = a.attnum
           or c.relkind = 'p' and i.indisprimary and a.attnum = any (i.indkey::smallint[])))
$$;

-- minutehand.column_type(relation, column) -> text: the column's type, as a cast names it.
create or replace function minutehand.column_type(p_relation oid, p_column text) returns text
language sql stable as $$
  select format_type(atttypid, null)
  from pg_catalog.pg_attribute
  where attrelid = p_relation and attname = p_column and not attisdropped
$$;

-- minutehand.linked_tables(relation, config) -> (name, target, condition, is_unique, words)
-- What a watched table's rows refer to: foreign keys within the table's own schema, so that no template reaches auth.users,
-- and what the trigger names where the app has no constraint: {"client_id": "clients"} or {"client_id": "clients.ref"}.
-- `condition` joins x, the linked row, to t on all columns of the constraint.  A foreign key of several columns has the name of
-- the one that does not name the tenant.  `words` is what minutehand.why_hidden takes: {"name", "columns": of the link, "table",
-- "tenant", "user": the linked table's own tenant columns, which its watch says, else organization_id and user_id, "shown":
-- true where each tenant sees its rows (--global, or watched with --tenant none), "exclude": its columns that are not shown:
-- those of its own watch, and those that p_config excludes as "link.column"}.
create or replace function minutehand.linked_tables(p_relation oid, p_config jsonb)
returns table (name text, target oid, condition text, is_unique boolean, words jsonb)
language sql stable set search_path = '' as $$
  with schema_of as (
    select relnamespace from pg_catalog.pg_class where oid = p_relation
  ), constraints as (
    select k.confrelid as target,
           minutehand.column_names(k.conrelid, k.conkey) as link_columns,
           minutehand.column_names(k.confrelid, k.confkey) as target_columns
    from pg_catalog.pg_constraint k
    where k.conrelid = p_relation and k.contype = 'f'
  ), configured as (
    select key as link_column, split_part(value, '.', 1) as table_name,
           coalesce(nullif(split_part(value, '.', 2), ''), 'id') as target_column
    from jsonb_each_text(
      case when jsonb_typeof(p_config -> 'links') = 'object' then p_config -> 'links' else '{}' end)
  ), named as (
    select c.link_column as named_by, t.oid as target,
           coalesce(k.link_columns, array[c.link_column]) as link_columns,
           coalesce(k.target_columns, array[c.target_column]) as target_columns
    from configured c
    join pg_catalog.pg_class t on t.relname = c.table_name and t.relnamespace = (select relnamespace from schema_of)
    left join constraints k
      on k.target = t.oid and k.target_columns[array_position(k.link_columns, c.link_column)] = c.target_column
    union
    select coalesce(
             (select c from unnest(k.link_columns) as c
              where c not in (coalesce(p_config ->> 'tenant', ''), coalesce(p_config ->> 'user', 'user_id')) limit 1),
             k.link_columns[1]),
           k.target, k.link_columns, k.target_columns
    from constraints k
    where not exists (select from configured c where c.link_column = any (k.link_columns))
  )
  select distinct on (n.named_by) place.name, n.target, joined.condition,
         cardinality(n.target_columns) > 1 or minutehand.is_unique(n.target, n.target_columns[1]),
         jsonb_build_object(
           'name', place.name, 'columns', n.link_columns, 'table', place.label,
           'tenant', coalesce(w.config ->> 'tenant', 'organization_id'), 'user', coalesce(w.config ->> 'user', 'user_id'),
           'shown', coalesce(w.config is not null and w.config ->> 'tenant' is null, false)
             or coalesce(p_config -> 'global_tables', '[]') ? place.label,
           'exclude', coalesce(w.config -> 'exclude', '[]') || minutehand.excluded_of_link(p_config, place.name))
  from named n
  join pg_catalog.pg_class t on t.oid = n.target and t.relnamespace = (select relnamespace from schema_of)
  join pg_catalog.pg_namespace s on s.oid = t.relnamespace
  cross join lateral (
    select minutehand.table_name(s.nspname, t.relname) as label, regexp_replace(n.named_by, '_id$', '') as name
  ) place
  left join minutehand.watched w on w.relation = n.target
  cross join lateral (
    select string_agg(
      case when a.atttypid = own.atttypid then format('x.%I = t.%I', a.attname, own.attname)
        else format('x.%I::text = t.%I::text', a.attname, own.attname) end, ' and ' order by c.nr) as condition,
      count(*) as columns
    from unnest(n.link_columns, n.target_columns) with ordinality as c (link_column, target_column, nr)
    join pg_catalog.pg_attribute a on a.attrelid = n.target and a.attname = c.target_column and not a.attisdropped
    join pg_catalog.pg_attribute own on own.attrelid = p_relation and own.attname = c.link_column and not own.attisdropped
  ) joined
  where joined.columns = cardinality(n.link_columns) and minutehand.is_readable(n.target)
  order by n.named_by, cardinality(n.link_columns) desc
$$;

-- minutehand.excluded_of_link(config, link) -> [column]: what the config excludes of a linked row: "client.notes" is notes.
create or replace function minutehand.excluded_of_link(p_config jsonb, p_link text) returns jsonb
language sql immutable as $$
  select coalesce(jsonb_agg(substr(name, length(p_link) + 2)), '[]')
  from jsonb_array_elements_text(coalesce(p_config -> 'exclude', '[]')) as name
  where starts_with(name, p_link || '.')
$$;

-- minutehand.closed_links() -> [{"table", "link", "target", "config"}]: links of watched tables whose rows are never shown, because
-- the linked table has no column that names a tenant.
create or replace function minutehand.closed_links() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'table', w.name, 'link', l.name, 'target', l.words ->> 'table', 'config', w.config) order by w.name, l.name), '[]')
  from minutehand.watched w
  cross join lateral minutehand.linked_tables(w.relation, w.config) l
  where w.config ->> 'tenant' is not null and not (l.words ->> 'shown')::boolean
    and not l.words -> 'columns' <@ jsonb_build_array(w.config ->> 'tenant', coalesce(w.config ->> 'user', 'user_id'))
    and not minutehand.has_column(l.target, l.words ->> 'tenant') and not minutehand.has_column(l.target, l.words ->> 'user')
$$;

-- minutehand.column_names(relation, numbers) -> the names of these columns, in this order.
create or replace function minutehand.column_names(p_relation oid, p_numbers smallint[]) returns text[]
language sql stable as $$
  select array_agg(a.attname::text order by n.nr)
  from unnest(p_numbers) with ordinality as n (attnum, nr)
  join pg_catalog.pg_attribute a on a.attrelid = p_relation and a.attnum = n.attnum
$$;
