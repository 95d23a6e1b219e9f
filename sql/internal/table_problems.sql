-- Table problems: why a table of the app cannot be read or written now.  A problem is {"ended": "deferred", "code", "reason"}: the
-- executions that need the table wait, with a growing delay (automation_settle), and all others go on (R18).  Reasons name
-- tables, columns and roles, never an error's own text: that may quote a value of another tenant's row.

-- minutehand.lock_wait() -> text: how long this call may wait for a lock of the app: 250 ms, as the trigger does; a statement that
-- needs longer is a migration or a maintenance job, and the execution comes back by itself.  Once it has waited in vain, the
-- same call waits for no other lock, so that 50 rows of ten locked tables cost one wait.
create or replace function minutehand.lock_wait() returns text
language sql stable as $$
  select case when current_setting('minutehand.waited', true) = statement_timestamp()::text then '1ms' else '250ms' end
$$;

-- minutehand.note_wait(sqlstate): called where an error is caught: was it a lock that was waited for in vain?
create or replace function minutehand.note_wait(p_sqlstate text) returns void
language plpgsql volatile as $$
begin
  if p_sqlstate = '55P03' then
    perform set_config('minutehand.waited', statement_timestamp()::text, true);
  end if;
end
$$;

-- minutehand.problem(code, reason) -> jsonb
create or replace function minutehand.problem(p_code text, p_reason text) returns jsonb
language sql immutable as $$
  select jsonb_build_object('ended', 'deferred', 'code', p_code, 'reason', p_reason)
$$;

-- minutehand.table_label(relation) -> text: its name in messages; null when there is no such table any more.
create or replace function minutehand.table_label(p_relation oid) returns text
language sql stable as $$
  select minutehand.table_name(n.nspname, c.relname)
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid = p_relation
$$;

-- minutehand.missing_columns(relation, columns) -> text[]: those that the table has not.
create or replace function minutehand.missing_columns(p_relation oid, p_columns text[]) returns text[]
language sql stable as $$
  select array(
    select c.name from unnest(p_columns) with ordinality as c (name, nr)
    where not exists (
      select from pg_catalog.pg_attribute a
      where a.attrelid = p_relation and a.attname = c.name and a.attnum > 0 and not a.attisdropped)
    order by c.nr)
$$;

-- minutehand.columns_reason(table, config, missing) -> text: which columns the table lacks, and the command that names others.
create or replace function minutehand.columns_reason(p_table text, p_config jsonb, p_missing text[]) returns text
language sql immutable as $$
  select format(
    'table %s has no column %s, which its trigger names; name the new one: minutehand trigger add %s %s',
    p_table, string_agg(m.name, ', ' order by m.nr), p_table,
    string_agg(case m.name
      when p_config ->> 'id' then '--id'
      when p_config ->> 'tenant' then '--tenant'
      when p_config ->> 'soft_delete' then '--soft-delete'
      else '--status' end || ' COLUMN', ' ' order by m.nr))
  from unnest(p_missing) with ordinality as m (name, nr)
$$;

-- minutehand.table_problem(relation, config) -> problem: what the catalog says against reading a watched table; or null.
create or replace function minutehand.table_problem(p_relation oid, p_config jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_label constant text := minutehand.table_label(p_relation);
  v_missing text[];
begin
  if v_label is null then
    return minutehand.problem('table_missing', 'its table does not exist any more');
  end if;
  v_missing := minutehand.missing_columns(p_relation, (
    select minutehand.needed_columns(p_config, t.tgargs, t.tgnargs)
    from pg_catalog.pg_trigger t where t.tgrelid = p_relation and t.tgname in ('!minutehand_capture', 'minutehand_capture') limit 1));
  if v_missing <> '{}' then
    return minutehand.problem('column_missing', minutehand.columns_reason(v_label, p_config, v_missing));
  end if;
  return null;
end
$$;

-- minutehand.missing_table(name, trigger type) -> problem: of an execution that is about a row of a table that is not watched
-- any more; names the watched table that may be the same under another name.
create or replace function minutehand.missing_table(p_name text, p_type text) returns jsonb
language sql stable set search_path = '' as $$
  select case
    when exists (
      select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where minutehand.table_name(n.nspname, c.relname) = p_name and c.relkind in ('r', 'p'))
      then minutehand.problem('table_missing', format(
        'table %s is not watched any more; watch it again: minutehand trigger add %s', p_name, p_name))
    else minutehand.problem('table_missing', format('table %s does not exist', p_name) || coalesce((
      select format('; was it renamed to %s? Then minutehand doctor says how they follow it', min(w.name))
      from minutehand.watched w where starts_with(p_type, (w.config ->> 'type') || '_') having count(*) = 1), ''))
  end
$$;

-- minutehand.hidden_rows(relation) -> problem: row level security applies to us, so a row that is not found may be there.
create or replace function minutehand.hidden_rows(p_relation oid) returns jsonb
language sql stable set search_path = '' as $$
  select minutehand.problem('rows_hidden', format(
    'its row of table %1$s is deleted, or row level security of %1$s hides it from role %2$s; let that role read all rows: '
    'alter role %3$I bypassrls', minutehand.table_label(p_relation), current_user, current_user))
$$;

-- minutehand.error_problem(relation, sqlstate, verb) -> problem: an error of class `object` in words.  verb: read or write.
create or replace function minutehand.error_problem(p_relation oid, p_sqlstate text, p_verb text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_table pg_catalog.pg_class;
  v_kind text := 'table';
  v_label constant text := minutehand.table_label(p_relation);
begin
  select * into v_table from pg_catalog.pg_class where oid = p_relation;
  if not found then
    return minutehand.problem('table_missing', 'a table that it needs does not exist any more');
  elsif v_table.relkind in ('v', 'm') then
    v_kind := 'view';
  end if;
  case
    when p_sqlstate = '55P03' then
      return minutehand.problem('table_locked', format(
        '%s %s is locked by another session; minutehand doctor says by which',
        v_kind, v_label || case when v_kind = 'view' then ', or a table that it reads,' else '' end));
    when p_sqlstate = '42501' and not has_schema_privilege(v_table.relnamespace, 'usage') then
      return minutehand.problem('no_permission', format(
        'role %s may not use the schema of %s: grant usage on schema %s to %I',
        current_user, v_label, v_table.relnamespace::regnamespace, current_user));
    when p_sqlstate = '42501' and v_kind = 'view' and has_table_privilege(p_relation, 'select') then
      return minutehand.problem('no_permission', format(
        'the owner %s of view %s may not read what the view reads: grant it to that role, or give the view another owner',
        v_table.relowner::regrole, v_label));
    when p_sqlstate = '42501' then
      return minutehand.problem('no_permission', format(
        'role %s may not %s %s %s: grant %s on %s to %I', current_user, p_verb, v_kind, v_label,
        case p_verb when 'read' then 'select' else 'select, insert, update' end, p_relation::regclass, current_user));
    when p_sqlstate = '55000' and minutehand.replica_problem(p_relation) is not null then
      return minutehand.problem('no_replica_identity', minutehand.replica_problem(p_relation));
    else
      return minutehand.problem('table_error', format(
        '%s %s cannot be %s (SQLSTATE %s)', v_kind, v_label, case p_verb when 'read' then 'read' else 'written' end, p_sqlstate));
  end case;
end
$$;

-- minutehand.replica_problem(relation) -> text: a publication publishes updates of a table that has no replica identity, so
-- PostgreSQL refuses each UPDATE of it (55000); with the command that gives it one.  Else null.
create or replace function minutehand.replica_problem(p_relation oid) returns text
language sql stable set search_path = '' as $$
  select format(
    'table %s is in publication %s and has no replica identity, so it cannot be updated: alter table %s replica identity %s',
    minutehand.table_label(c.oid), p.name, c.oid::regclass, case when k.has_key then 'default' else 'full' end)
  from pg_catalog.pg_class c
  cross join lateral (
    select exists (
             select from pg_catalog.pg_index i
             where i.indrelid = c.oid and i.indisprimary and i.indimmediate and i.indisvalid) as has_key,
           exists (
             select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisreplident and i.indisvalid) as has_index
  ) k
  cross join lateral (
    select min(b.pubname) as name
    from pg_catalog.pg_publication b
    where b.pubupdate and (
      b.puballtables
      or exists (select from pg_catalog.pg_publication_rel r where r.prpubid = b.oid and r.prrelid in (
           select c.oid union select relid from pg_catalog.pg_partition_ancestors(c.oid)))
      or exists (select from pg_catalog.pg_publication_namespace s where s.pnpubid = b.oid and s.pnnspid = c.relnamespace))
  ) p
  where c.oid = p_relation and p.name is not null and c.relkind in ('r', 'p') and c.relpersistence = 'p'
    and case c.relreplident when 'd' then not k.has_key when 'i' then not k.has_index else c.relreplident = 'n' end
$$;

-- minutehand.unknown_problem(sqlstate) -> problem: of something that a call needs and that is no watched or linked table, such as
-- profiles, or what the app's own triggers use.
create or replace function minutehand.unknown_problem(p_sqlstate text) returns jsonb
language sql immutable as $$
  select case p_sqlstate
    when '55P03' then minutehand.problem('table_locked', 'a table that it needs is locked by another session; minutehand doctor says which')
    when '42501' then minutehand.problem('no_permission', 'a right that it needs is missing (SQLSTATE 42501); run minutehand doctor')
    else minutehand.problem('table_error', format('the database cannot do what it needs (SQLSTATE %s); run minutehand doctor', p_sqlstate))
  end
$$;

-- minutehand.sends_problem(sqlstate) -> problem: an error of class `object` when a send was to be written into communication_logs.
create or replace function minutehand.sends_problem(p_sqlstate text) returns jsonb
language sql stable as $$
  select minutehand.error_problem('public.communication_logs'::regclass, p_sqlstate, 'write')
$$;
