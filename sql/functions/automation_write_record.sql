-- automation_write_record(p_execution_id, p_token, p_step, p_table, p_operation, p_id, p_values, p_now) ->
--   {"answer": "done" | "already" | "lost" | "refused" | "deferred", "id"?, "code"?, "reason"?}
-- The only way in which an automation writes the app's rows (R11): fence, cause, the write and the step's record are one
-- transaction.  p_operation is update or create.  Only tables watched with --writable, never automation_*; only rows of the
-- workflow's tenant, checked here.  Names and values come from the workflow: columns must exist, values are cast by the column's
-- own type, and a row's tenant columns cannot be written.  `refused` are values that the table or the app's own rules refuse;
-- `deferred`: the table cannot be written now (table_problems.sql): a lock, a right, a column, a replica identity.
-- Locks: the execution's row, then the app's row, for which it waits 250 ms (minutehand.write_row).  Errors: those of class `away`.
-- Called by: store.write_record.
create or replace function public.automation_write_record(
  p_execution_id uuid, p_token uuid, p_step jsonb, p_table text, p_operation text, p_id text default null,
  p_values jsonb default '{}', p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_log public.automation_execution_logs;
  v_workflow public.automation_workflows;
  v_watched record;
  v_id text;
  v_refusal text;
  v_problem jsonb;
begin
  select * into v_log from public.automation_execution_logs where id = p_execution_id for update;
  if v_log.lease_token is distinct from p_token or v_log.lease_expires_at is null then
    return jsonb_build_object('answer', 'lost');
  elsif minutehand.has_record(v_log.actions_executed::jsonb, p_step) then
    return jsonb_build_object('answer', 'already');
  end if;

  -- Only the workflow says whose rows it may write.  Whoever inserts an execution may name any tenant, and the user of an event
  -- is a member of the workflow's organisation, with rows of their own.
  select * into v_workflow from public.automation_workflows where id = v_log.workflow_id;
  select * into v_watched
  from minutehand.watched
  where name = p_table and table_name not like 'automation\_%';
  v_problem := case
    when v_watched.relation is null then minutehand.vanished_table(p_table)
    else minutehand.table_problem(v_watched.relation, v_watched.config) end;
  if v_problem is not null then
    return minutehand.deferred_write(v_problem);
  end if;
  if (select is_test from minutehand.identity) then
    return jsonb_build_object(
      'answer', 'refused', 'code', 'test_copy', 'reason', 'this database is a test copy: no automation writes rows there');
  end if;
  v_refusal := minutehand.why_not_writable(v_watched.relation, v_watched.config, p_table, p_operation, p_values, v_workflow);
  if v_refusal is not null then
    return jsonb_build_object('answer', 'refused', 'code', 'not_writable', 'reason', v_refusal);
  end if;

  perform set_config('minutehand.cause', p_execution_id::text, true);
  begin
    v_id := minutehand.write_row(v_watched.relation, v_watched.config, p_operation, p_id, p_values, v_workflow);
  exception when others or assert_failure then
    if minutehand.is_away(sqlstate) then
      raise;
    end if;
    perform set_config('minutehand.cause', '', true);
    if minutehand.error_class(sqlstate) = 'object'
       and not minutehand.is_refusal(v_watched.relation, sqlstate, v_watched.config, p_values) then
      return minutehand.deferred_write(minutehand.error_problem(v_watched.relation, sqlstate, 'write'));
    end if;
    -- The app's own rules too: a generated column, a policy, a trigger that says no.
    return jsonb_build_object(
      'answer', 'refused', 'code', case sqlstate when 'MH409' then 'row_not_unique' else 'bad_value' end, 'reason', sqlerrm);
  end;
  perform set_config('minutehand.cause', '', true);
  if v_id is null then
    return jsonb_build_object(
      'answer', 'refused', 'code', 'row_gone',
      'reason', format('there is no row %s in %s of this workflow''s tenant', p_id, p_table));
  end if;
  perform minutehand.append_steps(
    jsonb_build_array(jsonb_build_object('id', p_execution_id, 'token', p_token, 'step', p_step)), coalesce(p_now, now()));
  return jsonb_build_object('answer', 'done', 'id', v_id);
end
$$;
comment on function public.automation_write_record is 'minutehand: writes a row of the app for an execution';

-- minutehand.deferred_write(problem) -> answer
create or replace function minutehand.deferred_write(p_problem jsonb) returns jsonb
language sql immutable as $$
  select p_problem - 'ended' || '{"answer": "deferred"}'
$$;

-- minutehand.vanished_table(name) -> problem: of a table that was watched, as one of the newest 5,000 changes says, and that does not
-- exist any more.  Null for a name that a workflow made up.
create or replace function minutehand.vanished_table(p_table text) returns jsonb
language sql stable set search_path = '' as $$
  select minutehand.missing_table(p_table, null)
  where exists (
      select from (select table_name from public.automation_events order by id desc limit 5000) e where e.table_name = p_table)
    and not exists (
      select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where minutehand.table_name(n.nspname, c.relname) = p_table)
$$;

-- minutehand.is_refusal(relation, sqlstate, config, values) -> boolean: an error of class 42 that says no to these values: a policy,
-- a generated column, what a trigger of the app's calls.  Not so where a right on the table itself is missing.
create or replace function minutehand.is_refusal(p_relation oid, p_sqlstate text, p_config jsonb, p_values jsonb)
returns boolean language sql stable set search_path = '' as $$
  select left(p_sqlstate, 2) = '42' and (
    p_sqlstate <> '42501'
    or has_table_privilege(p_relation, 'select') and has_any_column_privilege(p_relation, 'insert')
       and has_any_column_privilege(p_relation, 'update')
       and not exists (
         select from jsonb_object_keys(p_values) as c where not has_column_privilege(p_relation, c, 'insert, update')))
$$;

-- minutehand.why_not_writable(…) -> text: null when these words may be written there.
create or replace function minutehand.why_not_writable(
  p_relation oid, p_config jsonb, p_table text, p_operation text, p_values jsonb,
  p_workflow public.automation_workflows
) returns text language plpgsql stable set search_path = '' as $$
declare
  v_unknown text;
begin
  if p_relation is null or not coalesce((p_config ->> 'writable')::boolean, false) then
    -- A workflow's word becomes part of a command only where a person may paste that unseen.
    return format('table %s is not writable for automations', p_table) || case
      when p_table ~ '^[A-Za-z0-9_.]+$' and p_table !~ '^(public\.)?automation_' then
        format('; an operator can allow it with minutehand trigger add %s --writable', p_table)
      else '' end;
  elsif p_operation not in ('update', 'create') then
    return format('unknown operation %s', p_operation);
  elsif jsonb_typeof(p_values) is distinct from 'object' or p_values = '{}' then
    return 'values must be an object with at least one column';
  elsif p_values ?| array[p_config ->> 'tenant', coalesce(p_config ->> 'user', 'user_id')] then
    return 'the columns that name the tenant cannot be written';
  elsif p_operation = 'update' and p_values ? (p_config ->> 'id') then
    return 'the key of a row cannot be changed';
  elsif p_config ->> 'tenant' is not null and minutehand.tenant_of(p_workflow) = '' then
    return 'the workflow has no tenant';
  elsif p_operation = 'create' and p_config ->> 'tenant' is not null
        and minutehand.tenant_columns(p_relation, p_config, p_workflow) = '{}' then
    return format('a new row of table %s would belong to nobody: the workflow names no %s', p_table,
                  case when p_config ->> 'tenant' = p_config ->> 'user' then 'user' else 'organisation' end);
  end if;
  select string_agg(key, ', ' order by key) into v_unknown
  from jsonb_object_keys(p_values) as key
  where not exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = p_relation and a.attname = key and a.attnum > 0 and not a.attisdropped);
  if v_unknown is not null then
    return format('table %s has no column %s', p_table, v_unknown);
  end if;
  return null;
end
$$;

-- minutehand.write_row(…) -> the row's key, or null when no row of this tenant has it.
-- It waits 250 ms at most for a lock, as the trigger does: whoever holds a row for longer must not keep a connection of ours.
create or replace function minutehand.write_row(
  p_relation oid, p_config jsonb, p_operation text, p_id text, p_values jsonb, p_workflow public.automation_workflows
) returns text language plpgsql set search_path = '' set lock_timeout = '250ms' as $$
declare
  v_id_column text := p_config ->> 'id';
  v_values jsonb := p_values;
  v_columns text;
  v_id text;
  v_statement text;
  v_count integer;
  v_padded constant text[] := minutehand.padded_columns(p_relation);
begin
  if p_operation = 'create' then
    v_values := v_values || minutehand.tenant_columns(p_relation, p_config, p_workflow);
  end if;
  select string_agg(format('%I', key), ', ' order by key) into v_columns from jsonb_object_keys(v_values) as key;
  -- Made while the search_path is empty, so that it names all in full.
  if p_operation = 'create' then
    v_statement := format(
      'insert into %1$s as t (%2$s) select %2$s from minutehand.row_of_json(null::%1$s, $1) '
      'returning minutehand.row_json(t, %4$L) ->> %3$L',
      p_relation::regclass, v_columns, v_id_column, v_padded);
  else
    -- (columns) = row(columns of a record made from the values): each value is cast by its column's own type.
    v_statement := format(
      'update %1$s t set (%2$s) = (select %2$s from minutehand.row_of_json(t, $1)) '
      'where t.%3$I %5$s $2::%6$s and minutehand.is_row_of_workflow(minutehand.row_json(t, %4$L), $3, $4) '
      'returning minutehand.row_json(t, %4$L) ->> %3$L',
      p_relation::regclass, v_columns, v_id_column, v_padded,
      -- The key is cast to the column's own type, so that its index serves.
      minutehand.equality(p_relation, v_id_column), minutehand.column_type(p_relation, v_id_column));
  end if;
  -- The app's own triggers name things without a schema (see sql/internal/app_path.sql).  It ends with this function.
  perform set_config('search_path', 'public, extensions, pg_temp', true);
  execute v_statement into v_id using v_values, p_id, p_config, p_workflow;
  get diagnostics v_count = row_count;
  if v_count > 1 then  -- undone by the caller's block
    raise exception '% rows of % have % %: none was written', v_count, p_relation::regclass, v_id_column, p_id
      using errcode = 'MH409';
  end if;
  return v_id;
end
$$;

-- minutehand.tenant_columns(relation, config, workflow) -> the columns that say whose a new row is: the workflow's organisation and
-- user, as far as the table has columns for them and the workflow names them.
create or replace function minutehand.tenant_columns(
  p_relation oid, p_config jsonb, p_workflow public.automation_workflows
) returns jsonb language sql stable set search_path = '' as $$
  select case
    when p_config ->> 'tenant' is null then '{}'
    else coalesce(jsonb_object_agg(c.name, c.value) filter (where c.value is not null), '{}') end
  from (
    select p_config ->> 'tenant' as name, p_workflow.organization_id::text as value
    where p_config ->> 'tenant' <> p_config ->> 'user'
    union all
    select p_config ->> 'user', p_workflow.user_id::text
    where minutehand.has_column(p_relation, p_config ->> 'user')
  ) c
$$;
