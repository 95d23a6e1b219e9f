-- Linked tables: what a watched table's rows refer to.

-- minutehand.linked_tables(relation, config) -> (name, target, condition, is_unique, words, problem)
-- What a watched table's rows refer to: foreign keys within the table's own schema, so that no template reaches auth.users,
-- and what the trigger names where the app has no constraint: {"client_id": "clients"} or {"client_id": "clients.ref"}.
-- `condition` joins x, the linked row, to t on all columns of the constraint.  A foreign key of several columns has the name of
-- the one that does not name the tenant.  `words` is what minutehand.why_hidden takes: {"name", "columns": of the link, "table",
-- "tenant", "user": the linked table's own tenant columns, which its watch says, else organization_id and user_id, "shown":
-- true where each tenant sees its rows (--global, or watched with --tenant none), "exclude": its columns that are not shown:
-- those of its own watch, and those that p_config excludes as "link.column"}.  `problem` says why the catalog alone lets nobody
-- read it: the trigger names a table or column that is not there (target or condition are null then), or it is a view, or a
-- table with policies, of a role that we do not trust (minutehand.is_readable).
create or replace function minutehand.linked_tables(p_relation oid, p_config jsonb)
returns table (name text, target oid, condition text, is_unique boolean, words jsonb, problem jsonb)
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
  (select distinct on (n.named_by) place.name, n.target,
         case when joined.columns = cardinality(n.link_columns) then joined.condition end,
         cardinality(n.target_columns) > 1 or minutehand.is_unique(n.target, n.target_columns[1]),
         jsonb_build_object(
           'name', place.name, 'columns', n.link_columns, 'table', place.label,
           'tenant', coalesce(w.config ->> 'tenant', 'organization_id'), 'user', coalesce(w.config ->> 'user', 'user_id'),
           'shown', coalesce(w.config is not null and w.config ->> 'tenant' is null, false)
             or coalesce(p_config -> 'global_tables', '[]') ? place.label,
           'exclude', coalesce(w.config -> 'exclude', '[]') || minutehand.excluded_of_link(p_config, place.name)),
         case when joined.columns < cardinality(n.link_columns) or not minutehand.is_readable(n.target)
           then minutehand.link_problem(p_relation, n.named_by, n.link_columns, n.target, n.target_columns, place.label) end
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
  order by n.named_by, cardinality(n.link_columns) desc)
  union all
  select m.* from minutehand.missing_links(p_relation, p_config) m where p_config -> 'links' <> '{}'
$$;

-- minutehand.missing_links(relation, config) -> as minutehand.linked_tables: the links to tables that do not exist.
create or replace function minutehand.missing_links(p_relation oid, p_config jsonb)
returns table (name text, target oid, condition text, is_unique boolean, words jsonb, problem jsonb)
language plpgsql stable set search_path = '' as $$
begin
  return query
    select l.name, null::oid, null::text, true,
           jsonb_build_object(
             'name', l.name, 'columns', jsonb_build_array(l.link_column), 'table', l.table_name, 'tenant', 'organization_id',
             'user', 'user_id', 'shown', false, 'exclude', '[]'::jsonb),
           minutehand.link_problem(p_relation, l.link_column, array[l.link_column], null, '{}', l.table_name)
    from (
      select key as link_column, split_part(value, '.', 1) as table_name, regexp_replace(key, '_id$', '') as name
      from jsonb_each_text(
        case when jsonb_typeof(p_config -> 'links') = 'object' then p_config -> 'links' else '{}' end)
    ) l
    where not exists (
      select from pg_catalog.pg_class t
      where t.relname = l.table_name
        and t.relnamespace = (select c.relnamespace from pg_catalog.pg_class c where c.oid = p_relation));
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
    return minutehand.problem('table_missing', format('table %s, to which %s refers, does not exist', p_label, p_named_by));
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
  where l.problem is null and w.config ->> 'tenant' is not null and not (l.words ->> 'shown')::boolean
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
