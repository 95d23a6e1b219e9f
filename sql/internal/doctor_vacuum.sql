-- What doctor reads of vacuum: how many rows of our tables are dead, and what keeps PostgreSQL from removing them.

-- minutehand.facts_vacuum(now) -> {"autovacuum": bool, "tables": [{"table", "rows", "dead", "seconds": since its last vacuum |
--   null, "off": bool}], "transactions": [{"pid", "role", "application", "state", "seconds"}], "prepared": [{"gid", "owner",
--   "seconds"}], "slots": [{"slot", "active", "transactions": how many behind}], "hidden": sessions}
-- Transactions: the oldest ten that hold a snapshot or have written.  Hidden: sessions whose transactions this role may not see
-- (it is not a member of pg_read_all_stats).
create or replace function minutehand.facts_vacuum(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'autovacuum', current_setting('autovacuum')::boolean,
    'tables', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'table', t.name, 'rows', s.n_live_tup, 'dead', s.n_dead_tup,
        'seconds', round(extract(epoch from p_now - greatest(s.last_vacuum, s.last_autovacuum))),
        'off', exists (
          select from pg_options_to_table(c.reloptions) o
          where o.option_name = 'autovacuum_enabled' and not o.option_value::boolean)) order by t.name), '[]')
      from minutehand.own_tables() t
      join pg_catalog.pg_class c on c.oid = t.relation
      join pg_catalog.pg_stat_all_tables s on s.relid = c.oid),
    'transactions', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'pid', a.pid, 'role', a.usename, 'application', a.application_name, 'state', a.state,
        'seconds', round(extract(epoch from p_now - a.xact_start))) order by a.xact_start), '[]')
      from (
        select *
        from pg_catalog.pg_stat_activity
        where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
          and (backend_xmin is not null or backend_xid is not null)
        order by xact_start
        limit 10
      ) a),
    'prepared', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'gid', x.gid, 'owner', x.owner, 'seconds', round(extract(epoch from p_now - x.prepared))) order by x.prepared), '[]')
      from pg_catalog.pg_prepared_xacts x
      where x.database = current_database()),
    'slots', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'slot', r.slot_name, 'active', r.active,
        'transactions', greatest(age(r.xmin), age(r.catalog_xmin))) order by r.slot_name), '[]')
      from pg_catalog.pg_replication_slots r
      where r.xmin is not null or r.catalog_xmin is not null),
    'hidden', (
      select count(*)
      from pg_catalog.pg_stat_activity
      where datname = current_database() and query = '<insufficient privilege>'))
$$;
