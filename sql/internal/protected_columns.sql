-- Protected columns: what only Minutehand writes into tables that users of the app may write.
-- An app may let its users insert and update workflows, executions and sends, under policies that know its own columns.  Ours
-- decide about leases, attempts, limits and whose event an execution is about, so a user's words there are not kept: an
-- INSERT gets the defaults, an UPDATE the values that the row had.  All other columns are the app's (R3, R17).

-- minutehand.protected_columns() -> (table_name, column_name, initial): those of the existing tables, with their default as SQL;
-- without the columns that an adopted table had before us.  The one list of them.
create or replace function minutehand.protected_columns() returns table (table_name text, column_name text, initial text)
language sql stable set search_path = '' as $$
  select t.name, c.name, coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), 'null')
  from (values
    ('automation_workflows', '{version}'::text[]),
    ('automation_execution_logs', '{event_id,entity_id,attempt,max_attempts,lost_leases,scheduled_at,lease_token,
      lease_expires_at,worker,code,reason,resume_step,deferred_since,caused_by,chain_depth,workflow_version,replay_of,resends,
      entity_order,claimed_at,past}'),
    ('communication_logs', '{idempotency_key,execution_id,step,lease_token,reserved_at,refused_recipients}')
  ) as t (name, columns)
  cross join lateral unnest(t.columns) with ordinality as c (name, nr)
  join pg_catalog.pg_attribute a
    on a.attrelid = to_regclass('public.' || t.name) and a.attname = c.name and not a.attisdropped
  left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where not exists (select from minutehand.adopted o where o.table_name = t.name and c.name = any (o.columns))
  order by t.name, c.nr
$$;

-- minutehand.protect_<table>(): the trigger function of each table, written from the list.  It runs with the rights of whoever
-- writes, and asks for them by membership, never by name: the table's owner and those who may call automation_settle
-- (service_role) write what they like.  Our own functions do not come here (see the triggers).
do $do$
declare
  v_table record;
begin
  for v_table in
    select table_name, string_agg(format('new.%I := %s;', column_name, initial), ' ') as resets,
           string_agg(format('new.%1$I := old.%1$I;', column_name), ' ') as keeps
    from minutehand.protected_columns()
    group by table_name
  loop
    execute format($create$
      create or replace function minutehand.%I() returns trigger
      language plpgsql set search_path = pg_catalog, pg_temp as $body$
      begin
        if pg_has_role((select relowner from pg_class where oid = tg_relid), 'usage')
           or has_function_privilege(to_regprocedure('public.automation_settle(jsonb, timestamptz)'), 'execute') then
          return new;
        elsif tg_op = 'INSERT' then
          %s
        else
          %s
        end if;
        return new;
      end
      $body$ $create$, 'protect_' || v_table.table_name, v_table.resets, v_table.keeps);
  end loop;
end
$do$;

-- Who may create in our schema is our owner, a member of it or a superuser: their rows cost this question alone.  Ordinary
-- triggers, enabled for the origin: they do not fire in logical replication, nor in a restore, which creates them last.  Without
-- the schema they do not fire, so that a save of the app commits (R8).
-- By name they fire before minutehand_number_version, which reads the version.
do $$
begin
  if not exists (
    select from pg_catalog.pg_trigger
    where tgrelid = 'public.communication_logs'::regclass and tgname = 'minutehand_guard'
      and tgfoid = to_regprocedure('minutehand.protect_communication_logs()')
  ) then
    create or replace trigger minutehand_guard before insert or update on public.automation_workflows
      for each row when (not pg_catalog.has_schema_privilege(pg_catalog.to_regnamespace('minutehand')::oid, 'create'))
      execute function minutehand.protect_automation_workflows();
    create or replace trigger minutehand_guard before insert or update on public.automation_execution_logs
      for each row when (not pg_catalog.has_schema_privilege(pg_catalog.to_regnamespace('minutehand')::oid, 'create'))
      execute function minutehand.protect_automation_execution_logs();
    create or replace trigger minutehand_guard before insert or update on public.communication_logs
      for each row when (not pg_catalog.has_schema_privilege(pg_catalog.to_regnamespace('minutehand')::oid, 'create'))
      execute function minutehand.protect_communication_logs();
  end if;
end
$$;
