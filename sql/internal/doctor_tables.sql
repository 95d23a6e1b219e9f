-- What doctor reads of the app's tables: whether each watched table and each link can be read now, in the way in which an
-- execution reads them, and what is in the way.

-- minutehand.facts_tables(now) -> {"role": ours, "read": how many tables and links could be read,
--   "problems": [{"table": watched, "link": name | null, "target": what is read, "kind", "code", "reason", "config", "missing": [column]}],
--   "locks": [{"table", "pid", "application", "state", "granted", "seconds"}]: who holds, or waits for, a lock that lets nobody read,
--   "replica": [{"table", "reason"}], "own": minutehand.hidden_tables,
--   "orphans": [{"table", "pending", "candidate"}]: executions about tables that are not watched, of the newest 20,000}
-- Queries of other sessions are not read.
create or replace function minutehand.facts_tables(p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_reads jsonb;
begin
  select coalesce(jsonb_agg(to_jsonb(r)), '[]') into v_reads from minutehand.table_reads() r;
  return jsonb_build_object(
    'role', current_user,
    'read', jsonb_array_length(v_reads),
    'problems', (
      select coalesce(jsonb_agg(value order by value ->> 'table', value ->> 'link' nulls first), '[]')
      from jsonb_array_elements(v_reads) where value ->> 'code' is not null),
    'locks', minutehand.read_blockers(p_now),
    'replica', (
      select coalesce(jsonb_agg(jsonb_build_object('table', t.name, 'reason', t.reason) order by t.name), '[]')
      from (
        select o.name, minutehand.replica_problem(o.relation) as reason from minutehand.own_tables() o
        union
        select w.name, minutehand.replica_problem(w.relation)
        from minutehand.watched w where (w.config ->> 'writable')::boolean
      ) t
      where t.reason is not null),
    'own', minutehand.hidden_tables(),
    'orphans', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'table', o.table_name, 'pending', o.pending, 'candidate', (
          select min(w.name) from minutehand.watched w
          where starts_with(o.trigger_type, (w.config ->> 'type') || '_') having count(*) = 1)) order by o.table_name), '[]')
      from (
        select l.table_name, min(l.trigger_type) as trigger_type, count(*) as pending
        from (
          select minutehand.as_object(trigger_data::text) ->> 'table_name' as table_name, trigger_type, status, code
          from public.automation_execution_logs order by created_at desc, id desc limit 20000) l
        where l.status = 'pending' and l.code = 'table_missing' and l.table_name is not null
          and not exists (select from minutehand.watched w where w.name = l.table_name)
        group by l.table_name
        limit 20
      ) o));
end
$$;

-- minutehand.table_reads() -> what happens when each watched table, and each of its links, is read; code is null where it works.
create or replace function minutehand.table_reads()
returns table ("table" text, link text, target text, kind text, code text, reason text, config jsonb, missing text[])
language plpgsql stable set search_path = '' as $$
declare
  v_watched record;
  v_link record;
  v_problem jsonb;
begin
  for v_watched in select * from minutehand.watched order by name limit 200 loop
    v_problem := coalesce(
      minutehand.table_problem(v_watched.relation, v_watched.config),
      minutehand.read_problem(v_watched.relation, v_watched.config, '{}', v_watched.relation),
      case when row_security_active(v_watched.relation) then minutehand.hidden_rows(v_watched.relation) end);
    return query select v_watched.name, null::text, r.target, r.kind, v_problem ->> 'code', v_problem ->> 'reason', v_watched.config,
      minutehand.missing_columns(v_watched.relation, v_watched.needs)
      from minutehand.read_target(v_watched.relation) r;
    continue when v_problem is not null;
    for v_link in select * from minutehand.linked_tables(v_watched.relation, v_watched.config) l order by l.name loop
      v_problem := coalesce(
        v_link.problem,
        minutehand.read_problem(v_watched.relation, v_watched.config, array[v_link.name], v_link.target),
        case when row_security_active(v_link.target) then minutehand.hidden_rows(v_link.target) end);
      return query select v_watched.name, v_link.name, coalesce(r.target, v_link.words ->> 'table'), r.kind,
        v_problem ->> 'code', v_problem ->> 'reason', v_watched.config, null::text[]
        from (select) x left join minutehand.read_target(v_link.target) r on true;
    end loop;
  end loop;
end
$$;

-- minutehand.read_target(relation) -> (target: its name as SQL, kind: table | view)
create or replace function minutehand.read_target(p_relation oid) returns table (target text, kind text)
language sql stable set search_path = '' as $$
  select c.oid::regclass::text, case when c.relkind in ('v', 'm') then 'view' else 'table' end
  from pg_catalog.pg_class c where c.oid = p_relation
$$;

-- minutehand.read_blockers(now) -> locks: sessions that hold, or wait for, ACCESS EXCLUSIVE on a table that we read or write.
create or replace function minutehand.read_blockers(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with ours as (
    select w.relation from minutehand.watched w
    union select l.target from minutehand.watched w cross join lateral minutehand.linked_tables(w.relation, w.config) l
    union select o.relation from minutehand.own_tables() o
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'table', minutehand.table_label(k.relation), 'pid', k.pid, 'application', a.application_name, 'state', a.state,
    'granted', k.granted, 'seconds', round(extract(epoch from p_now - a.xact_start))) order by k.granted desc, a.xact_start), '[]')
  from pg_catalog.pg_locks k
  join ours o on o.relation = k.relation
  left join pg_catalog.pg_stat_activity a on a.pid = k.pid
  where k.locktype = 'relation' and k.mode = 'AccessExclusiveLock' and k.pid <> pg_backend_pid()
    and k.database = (select oid from pg_catalog.pg_database where datname = current_database())
$$;
