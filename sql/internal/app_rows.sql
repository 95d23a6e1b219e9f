-- Reads rows of the app's watched tables, with the rows that they refer to.

-- minutehand.read_rows(relation, config, keys) -> (key, found, links): the rows of a watched table, each with the rows that
-- it refers to, `{"client": {…}}`; one query, however many.  A linked row that says it is another tenant's is left out.
-- The keys are cast to the column's type, so that its index serves; one that is none of that type finds nothing, and
-- costs its neighbours nothing but the index.
create or replace function minutehand.read_rows(p_relation oid, p_config jsonb, p_keys text[])
returns table (key text, found jsonb, links jsonb)
language plpgsql stable set search_path = '' as $$
declare
  v_id text := p_config ->> 'id';
  v_tenant text := p_config ->> 'tenant';
  v_excluded text[] := array(select jsonb_array_elements_text(coalesce(p_config -> 'exclude', '[]')));
  v_link record;
  v_linked text := '''{}''::jsonb';
  v_joins text := '';
  v_query text;
begin
  for v_link in select l.*, row_number() over () as nr from minutehand.linked_tables(p_relation, p_config -> 'links') l loop
    v_joins := v_joins || format(
      ' left join lateral (select to_jsonb(x) as found from %s x where %s limit 1) l%s on true',
      v_link.target::regclass,
      case when v_link.same_type then format('x.%I = t.%I', v_link.target_column, v_link.link_column)
        else format('x.%I::text = t.%I::text', v_link.target_column, v_link.link_column) end,
      v_link.nr);
    v_linked := v_linked || format(
      ' || case when l%1$s.found is null or l%1$s.found ->> %2$L <> to_jsonb(t) ->> %2$L then ''{}''::jsonb '
      'else jsonb_build_object(%3$L, l%1$s.found) end', v_link.nr, v_tenant, v_link.name);
  end loop;
  v_query := format(
    'select t.%I::text, to_jsonb(t) - $2, %s from %s t%s where ', v_id, v_linked, p_relation::regclass, v_joins);
  begin
    return query execute v_query || format('t.%I = any ($1::%s[])', v_id, minutehand.column_type(p_relation, v_id))
      using p_keys, v_excluded;
  exception when data_exception then
    return query execute v_query || format('t.%I::text = any ($1)', v_id) using p_keys, v_excluded;
  end;
end
$$;

-- minutehand.column_type(relation, column) -> text: the column's type, as a cast names it.
create or replace function minutehand.column_type(p_relation oid, p_column text) returns text
language sql stable as $$
  select format_type(atttypid, null)
  from pg_catalog.pg_attribute
  where attrelid = p_relation and attname = p_column and not attisdropped
$$;

-- minutehand.linked_tables(relation, configured) -> (name, link_column, target, target_column, same_type)
-- Foreign keys of one column within the table's own schema, so that no template reaches auth.users; and what the trigger
-- names where the app has no constraint: {"client_id": "clients"} or {"client_id": "clients.ref"}.
create or replace function minutehand.linked_tables(p_relation oid, p_configured jsonb)
returns table (name text, link_column text, target oid, target_column text, same_type boolean)
language sql stable set search_path = '' as $$
  with schema_of as (
    select relnamespace from pg_catalog.pg_class where oid = p_relation
  ), configured as (
    select key as link_column, split_part(value, '.', 1) as table_name,
           coalesce(nullif(split_part(value, '.', 2), ''), 'id') as target_column
    from jsonb_each_text(case when jsonb_typeof(p_configured) = 'object' then p_configured else '{}' end)
  )
  select regexp_replace(c.link_column, '_id$', ''), c.link_column, t.oid, c.target_column, a.atttypid = own.atttypid
  from configured c
  join pg_catalog.pg_class t on t.relname = c.table_name and t.relnamespace = (select relnamespace from schema_of)
  join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attname = c.target_column and not a.attisdropped
  join pg_catalog.pg_attribute own on own.attrelid = p_relation and own.attname = c.link_column and not own.attisdropped
  union
  select regexp_replace(a.attname, '_id$', ''), a.attname, k.confrelid, f.attname, true
  from pg_catalog.pg_constraint k
  join pg_catalog.pg_class t on t.oid = k.confrelid and t.relnamespace = (select relnamespace from schema_of)
  join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
  join pg_catalog.pg_attribute f on f.attrelid = k.confrelid and f.attnum = k.confkey[1]
  where k.conrelid = p_relation and k.contype = 'f' and cardinality(k.conkey) = 1
    and a.attname not in (select c.link_column from configured c)
$$;
