-- What doctor reads of tables whose changes our triggers do not see, or see too often.

-- minutehand.uncovered_tables() -> [{"table", "parent", "why": "disabled" | "missing" | "child"}]: partitions of a watched table where
-- our trigger is disabled or missing, and tables that inherit from a watched one: a trigger sees the changes of its own table.
create or replace function minutehand.uncovered_tables() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('table', u.name, 'parent', u.parent, 'why', u.why) order by u.name), '[]')
  from (
    select t.relid::regclass::text as name, w.relation::regclass::text as parent,
           case when g.tgenabled is null then 'missing' else 'disabled' end as why
    from minutehand.watched w
    cross join lateral pg_catalog.pg_partition_tree(w.relation) t
    join pg_catalog.pg_class c on c.oid = t.relid and c.relkind <> 'f'
    left join pg_catalog.pg_trigger g
      on g.tgrelid = t.relid and g.tgfoid = minutehand.own_function('public.automation_capture()') and g.tgparentid <> 0
    where t.level > 0 and w.enabled and coalesce(g.tgenabled not in ('O', 'A'), true)
    union all
    select i.inhrelid::regclass::text, w.relation::regclass::text, 'child'
    from minutehand.watched w
    join pg_catalog.pg_inherits i on i.inhparent = w.relation
    join pg_catalog.pg_class c on c.oid = w.relation and c.relkind = 'r'
    where not exists (select from minutehand.watched o where o.relation = i.inhrelid)
  ) u
$$;

-- minutehand.outdated_triggers() -> [{"table", "why": "name" | "moves" | "virtual", "config"}]: watched tables whose triggers are not as
-- `trigger add` would make them now: of the name of before, of another partition key, of other virtual columns.
create or replace function minutehand.outdated_triggers() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('table', w.name, 'why', y.why, 'config', w.config) order by w.name, y.why), '[]')
  from minutehand.watched w
  cross join lateral (values
    ('name', w.trigger <> '!minutehand_capture'),
    ('moves', not minutehand.are_moves_noted(w.relation)),
    ('virtual', minutehand.virtual_columns(w.relation) <> case when w.config ? 'virtual'
      then jsonb_build_object('virtual', w.config -> 'virtual') else '{}' end)
  ) as y (why, applies)
  where y.applies
$$;

-- minutehand.heartbeats() -> [{"table", "columns": [column], "changes", "bytes", "config"}]: columns that alone change in at least 500 of
-- the newest 5,000 events, and more than half of the table's, where none of these started an execution.
create or replace function minutehand.heartbeats() returns jsonb
language sql stable set search_path = '' as $$
  with newest as (
    select e.id, e.table_name, case when e.operation = 'UPDATE' then array(
             select k from jsonb_object_keys(e.old) as k order by k) end as columns,
           pg_column_size(e.new) as bytes
    from (select * from public.automation_events order by id desc limit 5000) e
  ), counted as (
    select table_name, columns, count(*) as changes, sum(bytes) as bytes, array_agg(id) as ids,
           sum(count(*)) over (partition by table_name) as of_table
    from newest group by table_name, columns
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'table', c.table_name, 'columns', c.columns, 'changes', c.changes, 'bytes', c.bytes, 'config', w.config)
    order by c.table_name), '[]')
  from counted c
  join minutehand.watched w on w.name = c.table_name
  where c.changes >= 500 and c.changes * 2 > c.of_table and not c.columns && w.needs
    and not exists (select from public.automation_execution_logs l where l.event_id = any (c.ids))
$$;
