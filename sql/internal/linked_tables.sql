-- Linked tables: what a watched table's rows refer to.

-- minutehand.linked_tables(relation, config) -> (name, target, condition, is_unique, words, problem)
-- What a watched table's rows refer to: foreign keys within the table's own schema, so that no template reaches auth.users,
-- and what the trigger names (minutehand.configured_links).
-- `condition` joins x, the linked row, to t on all columns of the constraint.  A foreign key of several columns has the name of
-- the one that does not name the tenant.  `words` is what minutehand.why_hidden takes: {"name", "columns": of the link, "table",
-- "tenant", "user": the linked table's own tenant columns, which its watch says, else those of minutehand.default_column,
-- "soft_delete": of its watch, "shown":
-- true where each tenant sees its rows (--global, or watched with --tenant none), "exclude": its columns that are not shown:
-- those of its own watch, and those that p_config excludes as "link.column"}.  `problem` says why the catalog alone lets nobody
-- read it: the trigger names a table or column that is not there (target or condition are null then), or it is a view, or a
-- table with policies, of a role that we do not trust (minutehand.is_readable).
create or replace function minutehand.linked_tables(p_relation oid, p_config jsonb)
returns table (name text, target oid, condition text, is_unique boolean, words jsonb, problem jsonb)
language plpgsql stable set search_path = '' as $$
#variable_conflict use_column
begin
  return query  -- in PL/pgSQL, whose plans last for the session: planning costs more than running it
  with constraints as (
    select k.confrelid as target,
           minutehand.column_names(k.conrelid, k.conkey) as link_columns,
           minutehand.column_names(k.confrelid, k.confkey) as target_columns
    from pg_catalog.pg_constraint k
    where k.conrelid = p_relation and k.contype = 'f'
  ), named as (
    select c.name as given, c.link_column as named_by, c.target as target,
           coalesce(k.link_columns, array[c.link_column]) as link_columns,
           coalesce(k.target_columns, array[c.target_column]) as target_columns
    from minutehand.configured_links(p_relation, p_config) c
    left join constraints k
      on k.target = c.target and k.target_columns[array_position(k.link_columns, c.link_column)] = c.target_column
    where c.target is not null
    union
    select null,
           coalesce(
             (select c from unnest(k.link_columns) as c
              where c not in (coalesce(p_config ->> 'tenant', ''), coalesce(p_config ->> 'user', 'user_id')) limit 1),
             k.link_columns[1]),
           k.target, k.link_columns, k.target_columns
    from constraints k
    join pg_catalog.pg_class t on t.oid = k.target
    where t.relnamespace = (select relnamespace from pg_catalog.pg_class where oid = p_relation)
      and not exists (
        select from minutehand.configured_links(p_relation, p_config) c where c.link_column = any (k.link_columns))
  ), chosen as (
    select distinct on (coalesce(given, named_by), given is null) *
    from named
    order by coalesce(given, named_by), given is null, cardinality(link_columns) desc
  ), short as (
    select *, coalesce(given, minutehand.link_name(named_by)) as short from chosen
  ), called as (
    -- A name is given once, and never to what templates call otherwise: the next has its column's whole name.
    select *, case
        when given is null and (
          short in (coalesce(p_config ->> 'type', ''), 'old', 'trigger', 'workflow', 'now')
          or row_number() over (partition by short order by given is null, named_by !~ '_id$', named_by) > 1) then named_by
        else short end as name
    from short
  )
  select n.name, n.target,
         case when joined.columns = cardinality(n.link_columns) then joined.condition end,
         cardinality(n.target_columns) > 1 or minutehand.is_unique(n.target, n.target_columns[1]),
         jsonb_build_object(
           'name', n.name, 'columns', n.link_columns, 'table', place.label,
           'tenant', case when w.config is null then minutehand.default_column(n.target, '{organization_id,organizationId}')
             else nullif(w.config ->> 'tenant', w.config ->> 'user') end,
           'user', coalesce(w.config ->> 'user', minutehand.default_column(n.target, '{user_id,userId}')),
           'soft_delete', w.config ->> 'soft_delete',
           'shown', coalesce(w.config is not null and w.config ->> 'tenant' is null, false)
             or coalesce(p_config -> 'global_tables', '[]') ? place.label,
           'exclude', coalesce(w.config -> 'exclude', '[]') || minutehand.excluded_of_link(p_config, n.name)),
         case when joined.columns < cardinality(n.link_columns) or not minutehand.is_readable(n.target)
           then minutehand.link_problem(p_relation, n.named_by, n.link_columns, n.target, n.target_columns, place.label) end
  from called n
  cross join lateral (select minutehand.table_label(n.target) as label) place
  left join minutehand.watched w on w.relation = n.target
  cross join lateral (
    select string_agg(
      case
        when a.atttypid = own.atttypid
          then format('x.%I %s t.%I', a.attname, minutehand.equality(n.target, a.attname), own.attname)
        when (select count(*) from pg_catalog.pg_type y where y.oid in (a.atttypid, own.atttypid) and y.typcategory = 'N') = 2
          then format('x.%I = t.%I', a.attname, own.attname)  -- 5 refers to 5.00
        else format('x.%I::text = t.%I::text', a.attname, own.attname) end, ' and ' order by c.nr) as condition,
      count(*) as columns
    from unnest(n.link_columns, n.target_columns) with ordinality as c (link_column, target_column, nr)
    join pg_catalog.pg_attribute a on a.attrelid = n.target and a.attname = c.target_column and not a.attisdropped
    join pg_catalog.pg_attribute own on own.attrelid = p_relation and own.attname = c.link_column and not own.attisdropped
  ) joined
  union all
  select c.name, null, null, true,
         jsonb_build_object(
           'name', c.name, 'columns', jsonb_build_array(c.link_column), 'table', c.label, 'tenant', 'organization_id',
           'user', 'user_id', 'shown', false, 'exclude', '[]'::jsonb),
         minutehand.link_problem(p_relation, c.link_column, array[c.link_column], null, '{}', c.label)
  from (
    select coalesce(l.name, minutehand.link_name(l.link_column)) as name, l.link_column, l.label
    from minutehand.configured_links(p_relation, p_config) l where l.target is null
  ) c;
end
$$;

-- minutehand.link_name(column) -> text: client_id, clientId, "ClientID" -> client; assignedTechId -> assignedTech.
create or replace function minutehand.link_name(p_column text) returns text
language sql immutable as $$
  select case when name <> p_column then minutehand.fold_case(left(name, 1)) || substr(name, 2) else p_column end
  from (select regexp_replace(p_column, '(?<=.)_id$|(?<=[a-z0-9])I[dD]$', '') as name) n
$$;

-- minutehand.default_column(relation, names) -> text: the first of these columns that the table has; else the first name.
create or replace function minutehand.default_column(p_relation oid, p_names text[]) returns text
language sql stable as $$
  select coalesce((
    select n.name from unnest(p_names) with ordinality as n (name, nr)
    where minutehand.has_column(p_relation, n.name) order by n.nr limit 1), p_names[1])
$$;

-- minutehand.configured_links(relation, config) -> (name | null, link_column, target | null, target_column, label): the links that
-- the trigger names where the app has no constraint, {"client_id": "clients"}, or that it names otherwise,
-- {"payer": "billing_id:clients"}.  The table may be followed by its column, `clients.ref`, and have a schema,
-- `private.contacts` or `private.contacts.ref`; without a schema it is in the watched table's own.
create or replace function minutehand.configured_links(p_relation oid, p_config jsonb)
returns table (name text, link_column text, target oid, target_column text, label text)
language plpgsql stable set search_path = '' as $$
declare
  v_schema constant text := (
    select n.nspname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = p_relation);
  v_link record;
  v_parts text[];
begin
  if jsonb_typeof(p_config -> 'links') is distinct from 'object' then
    return;
  end if;
  for v_link in select e.key, e.value from jsonb_each_text(p_config -> 'links') e order by e.key loop
    name := case when position(':' in v_link.value) > 0 then v_link.key end;
    link_column := case when name is null then v_link.key else split_part(v_link.value, ':', 1) end;
    v_parts := string_to_array(substr(v_link.value, position(':' in v_link.value) + 1), '.');
    if minutehand.relation_of(v_schema, v_parts[1]) is not null and cardinality(v_parts) <= 2 then
      v_parts := array_prepend(v_schema, v_parts);
    elsif cardinality(v_parts) = 1 then
      v_parts := array_prepend(v_schema, v_parts);
    end if;
    target := minutehand.relation_of(v_parts[1], v_parts[2]);
    target_column := coalesce(v_parts[3], 'id');
    label := minutehand.table_name(v_parts[1], v_parts[2]);
    return next;
  end loop;
end
$$;

-- minutehand.relation_of(schema, name) -> oid of a table or view that workflows may see; null where there is none, and for those of
-- the platform: what people log in with must not be one `--link` away from a template.
create or replace function minutehand.relation_of(p_schema text, p_name text) returns oid
language sql stable as $$
  select c.oid
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = p_schema and c.relname = p_name and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and n.nspname !~ '^(pg_.*|information_schema|minutehand|auth|vault|storage|cron|net)$'
$$;

-- minutehand.outside_links(relation, config) -> (name, columns, label): foreign keys to tables of other schemas, which are no links.
create or replace function minutehand.outside_links(p_relation oid, p_config jsonb)
returns table (name text, columns text[], label text) language plpgsql stable set search_path = '' as $$
#variable_conflict use_column
begin
  return query
  select distinct on (1) minutehand.link_name(k.columns[1]), k.columns, minutehand.table_label(k.target)
  from (
    select minutehand.column_names(conrelid, conkey) as columns, confrelid as target
    from pg_catalog.pg_constraint where conrelid = p_relation and contype = 'f'
  ) k
  where (select relnamespace from pg_catalog.pg_class where oid = k.target)
      <> (select relnamespace from pg_catalog.pg_class where oid = p_relation)
    and cardinality(k.columns) = 1
    and not exists (select from minutehand.configured_links(p_relation, p_config) c where c.link_column = k.columns[1])
  order by 1, 3;
end
$$;

-- minutehand.link_problem(relation, named by, its columns, target, its columns, label) -> problem: as minutehand.linked_tables says.
create or replace function minutehand.link_problem(
  p_relation oid, p_named_by text, p_columns text[], p_target oid, p_target_columns text[], p_label text
) returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_missing constant text[] := minutehand.missing_columns(p_relation, p_columns)
    || minutehand.missing_columns(p_target, p_target_columns);
begin
  if p_target is null then
    return minutehand.problem('table_missing', case
      when to_regclass(p_label) is null then format('table %s, to which %s refers, does not exist', p_label, p_named_by)
      else format('table %s, to which %s refers, is the platform''s own; link a view of the columns that workflows need', p_label, p_named_by) end);
  elsif v_missing <> '{}' then
    return minutehand.problem('column_missing', format(
      'there is no column %s any more, by which %s refers to %s', array_to_string(v_missing, ', '), p_named_by, p_label));
  end if;
  return minutehand.problem('no_permission', format(
    '%s belongs to role %s, whose policies or functions would run with our rights; make %s its owner, or a superuser',
    p_label, (select relowner::regrole from pg_catalog.pg_class where oid = p_target), minutehand.owner()::regrole));
end
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
  where l.problem is null and minutehand.is_closed_link(w.config, l.target, l.words)
$$;

-- minutehand.is_closed_link(config, target, words) -> boolean: the linked table has no column that names a tenant, so its rows are
-- never shown.  words: of minutehand.linked_tables.
create or replace function minutehand.is_closed_link(p_config jsonb, p_target oid, p_words jsonb) returns boolean
language sql stable set search_path = '' as $$
  select p_config ->> 'tenant' is not null and not (p_words ->> 'shown')::boolean
    and not p_words -> 'columns' <@ jsonb_build_array(p_config ->> 'tenant', coalesce(p_config ->> 'user', 'user_id'))
    and not minutehand.has_column(p_target, coalesce(p_words ->> 'tenant', '')) and not minutehand.has_column(p_target, p_words ->> 'user')
$$;

-- minutehand.column_names(relation, numbers) -> the names of these columns, in this order.
create or replace function minutehand.column_names(p_relation oid, p_numbers smallint[]) returns text[]
language sql stable as $$
  select array_agg(a.attname::text order by n.nr)
  from unnest(p_numbers) with ordinality as n (attnum, nr)
  join pg_catalog.pg_attribute a on a.attrelid = p_relation and a.attnum = n.attnum
$$;

-- minutehand.is_unique(relation, column) -> boolean: does a unique index say that no two rows have the same value?
create or replace function minutehand.is_unique(p_relation oid, p_column text) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select
    from pg_catalog.pg_index i
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attname = p_column and not a.attisdropped
    where i.indrelid = p_relation and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
      and i.indnkeyatts = 1 and i.indkey[0] = a.attnum)
$$;

-- minutehand.is_key(relation, column, tenant column) -> boolean: does the column tell rows apart?  A unique index of a partitioned
-- table must hold the partition key too, so there a column of the primary key is taken, and reading looks whether it is the only
-- row (minutehand.read_rows_batch).  Beside the tenant column it is not taken, since each tenant may count from 1: only as a uuid, or
-- where the table itself numbers its rows.
create or replace function minutehand.is_key(p_relation oid, p_column text, p_tenant text) returns boolean
language sql stable set search_path = '' as $$
  select minutehand.is_unique(p_relation, p_column) or exists (
    select
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indrelid and c.relkind = 'p'
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attname = p_column and not a.attisdropped
    where i.indrelid = p_relation and i.indisprimary and a.attnum = any (i.indkey::smallint[])
      and (a.atttypid = 'uuid'::regtype or a.attidentity <> '' or a.atthasdef
           or coalesce(p_tenant <> all (minutehand.column_names(p_relation, i.indkey::smallint[])), true)))
$$;
