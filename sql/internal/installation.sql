-- Installation: what workflows are judged against (executor/checks/workflow.py).  It is the same for all workflows, so it is
-- read once and not for each.

-- minutehand.installation(now) -> {
--   "tables": [{"table", "type", "status", "id", "tenant", "user", "writable", as minutehand.column_words, "excluded": [columns that
--     are not shown], "links": [{"name", "table", as minutehand.column_words, "excluded", "is_closed": whether its rows are never
--     shown}], "outside": [{"name", "column", "table"}]: of minutehand.outside_links}],
--   "processors": [{"mode", "host", "serves", "seconds" since its heartbeat}], the newest first: the last of each mode and host that
--     reported what its steps can use}
-- Locks: none; it reads the catalog alone.
create or replace function minutehand.installation(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'tables', (
      select coalesce(jsonb_agg(
        jsonb_build_object(
          'table', w.name, 'type', w.config -> 'type', 'status', minutehand.status_column(w.config), 'id', w.config -> 'id',
          'tenant', w.config -> 'tenant', 'user', coalesce(w.config ->> 'user', 'user_id'),
          'writable', coalesce((w.config ->> 'writable')::boolean, false) and w.table_name not like 'automation\_%',
          'excluded', coalesce(w.config -> 'exclude', '[]'), 'links', minutehand.link_words(w.relation, w.config),
          'outside', (
            select coalesce(jsonb_agg(jsonb_build_object('name', o.name, 'column', o.columns[1], 'table', o.label)), '[]')
            from minutehand.outside_links(w.relation, w.config) o))
        || minutehand.column_words(w.relation)
        order by w.schema_name, w.table_name), '[]')
      from minutehand.watched w),
    'processors', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'mode', p.mode, 'host', p.host, 'serves', p.serves,
        'seconds', round(extract(epoch from p_now - p.heartbeat_at))) order by p.heartbeat_at desc), '[]')
      from (
        select *
        from (
          select distinct on (mode, host) mode, host, serves, heartbeat_at
          from public.automation_workers order by mode, host, heartbeat_at desc) last
        where serves is not null
        order by heartbeat_at desc
        limit 20) p))
$$;

-- minutehand.column_words(relation) -> {"columns": [name], "nested": [those that may have fields of their own: json, arrays, and
--   types that we do not know], "computed": [those that nobody can write]}
create or replace function minutehand.column_words(p_relation oid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'columns', coalesce(jsonb_agg(a.attname order by a.attnum), '[]'),
    'nested', coalesce(jsonb_agg(a.attname order by a.attnum) filter (
      where t.typcategory not in ('B', 'D', 'E', 'I', 'N', 'S', 'T', 'V') and t.typname not in ('uuid', 'bytea', 'xml')), '[]'),
    'computed', coalesce(jsonb_agg(a.attname order by a.attnum) filter (
      where a.attgenerated <> '' or a.attidentity = 'a'), '[]'))
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_type t on t.oid = a.atttypid
  where a.attrelid = p_relation and a.attnum > 0 and not a.attisdropped
$$;

-- minutehand.link_words(relation, config) -> the links of a watched table, as minutehand.installation says.
create or replace function minutehand.link_words(p_relation oid, p_config jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(
    jsonb_build_object(
      'name', l.name, 'table', l.words -> 'table', 'excluded', l.words -> 'exclude',
      'is_closed', minutehand.is_closed_link(p_config, l.target, l.words)) || minutehand.column_words(l.target)
    order by l.name), '[]')
  from minutehand.linked_tables(p_relation, p_config) l
  where l.target is not null
$$;
