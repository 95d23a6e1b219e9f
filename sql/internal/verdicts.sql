-- Verdicts: what a definition says about itself, judged when it is saved and kept with its version.  The pages, /metrics,
-- status and doctor read it of every workflow: judged anew, 300 workflows with 46 kB of conditions each cost 10 to 40 s.

-- minutehand.max_definition_bytes() -> how many bytes a workflow's definition may have, as text.  A larger one never runs.
create or replace function minutehand.max_definition_bytes() returns integer
language sql immutable as $$
  select 524288
$$;

-- minutehand.size_problem(workflow's row) -> text: why it is too large to run, or null.
create or replace function minutehand.size_problem(p_row jsonb) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format('its definition has %s kB; at most %s kB are allowed', size / 1024, minutehand.max_definition_bytes() / 1024)
  from (select octet_length(minutehand.definition(p_row)::text) as size) measured
  where size > minutehand.max_definition_bytes()
$$;

-- minutehand.is_too_large(workflow's row) -> boolean: whether it has a minutehand.size_problem.  The text of a row is at most eight
-- times as long as its jsonb, and is made only of large ones.
create or replace function minutehand.is_too_large(p_row jsonb) returns boolean
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  return pg_column_size(p_row) > minutehand.max_definition_bytes() / 8 and minutehand.size_problem(p_row) is not null;
end
$$;

-- minutehand.verdict_key() -> text: another one after each upgrade, since a verdict depends on our functions, too.
create or replace function minutehand.verdict_key() returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select md5(coalesce(string_agg(source_md5, '' order by signature), '')) from minutehand.installed
$$;

-- minutehand.status_of_type(trigger type, tables) -> the status column of the table whose changes have this type.  tables: of a
-- minutehand.workflow_context; null: the watched ones.
create or replace function minutehand.status_of_type(p_type text, p_tables jsonb default null) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce((
    select status
    from minutehand.emitting_tables(p_type, coalesce(p_tables, (
      select jsonb_agg(jsonb_build_object('type', w.config ->> 'type', 'status', w.config ->> 'status'))
      from minutehand.watched w)))
    order by word nulls first, length(type) desc limit 1), 'status')
$$;

-- minutehand.judge_definition(workflow, status column) -> {"key": minutehand.verdict_key, "status": the column, "on", "switches",
--   "problem": why its row or conditions cannot be read, "steps_problem", "setting_problems",
--   "unknown_settings", "unread": as in minutehand.workflow_facts, "wanted": [statuses that its conditions ask for, at most 50],
--   "fields": [fields that its conditions name, at most 50], "stop_fields": those of settings.stop_when, "steps": as minutehand.steps_for_lint}
create or replace function minutehand.judge_definition(p_workflow public.automation_workflows, p_status text) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  v_row constant jsonb := minutehand.row_of(p_workflow);
  v_problem constant text := minutehand.definition_problem(p_workflow);
  v_is_readable constant boolean := v_row is not null and not minutehand.is_too_large(v_row);
begin
  return jsonb_build_object(
    'key', minutehand.verdict_key(), 'status', p_status,
    'on', minutehand.is_row_on(v_row), 'switches', minutehand.workflow_switches(v_row), 'problem', v_problem,
    'steps_problem', case when v_is_readable then minutehand.steps_problem(v_row) end,
    'setting_problems', case when v_is_readable then minutehand.setting_problems(v_row -> 'settings') else '[]' end,
    'unknown_settings', case when v_is_readable then minutehand.unknown_settings(v_row -> 'settings') else '[]' end,
    'unread', case when v_is_readable then minutehand.unread_parts(v_row) else '[]' end,
    'wanted', case when v_problem is null then (
      select jsonb_agg(w.word)
      from (
        select word
        from minutehand.wanted_statuses(minutehand.conditions_of(v_row, p_status), p_status) as wanted (word)
        order by word limit 50) w) end,
    'fields', case when v_problem is null then minutehand.condition_fields(minutehand.conditions_of(v_row, p_status)) end,
    'stop_fields', case when v_is_readable then minutehand.condition_fields(minutehand.stop_when_of(v_row -> 'settings')) end,
    'steps', case when v_is_readable then minutehand.steps_for_lint(p_workflow) end);
end
$$;

-- minutehand.verdict_of(workflow, context) -> as minutehand.judge_definition: the verdict that is kept of its version, else a new
-- one.  A row that is not valid jsonb keeps the number of the version before.
create or replace function minutehand.verdict_of(p_workflow public.automation_workflows, p_context jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_status constant text := minutehand.status_of_type(p_workflow.trigger_type, p_context -> 'tables');
  v_verdict jsonb;
begin
  select v.verdict into v_verdict
  from minutehand.verdicts v
  where v.workflow_id = p_workflow.id and v.version = coalesce(p_workflow.version, 1);
  if v_verdict ->> 'key' = p_context ->> 'key' and v_verdict ->> 'status' = v_status
     and minutehand.row_of(p_workflow) is not null then
    return v_verdict;
  end if;
  return minutehand.judge_definition(p_workflow, v_status);
end
$$;

-- minutehand.keep_verdict(workflow): judges it and keeps the verdict.  What fails is left to the next tick.  It runs in the
-- app's own save, and waits for a lock once in a transaction (see automation_capture).
-- Locks: its row of verdicts.  Called by: keep_version, keep_verdicts.
create or replace function minutehand.keep_verdict(p_workflow public.automation_workflows) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if coalesce(current_setting('minutehand.verdicts_blocked', true), '') <> '' then
    return;
  end if;
  insert into minutehand.verdicts (workflow_id, version, verdict)
  values (p_workflow.id, coalesce(p_workflow.version, 1),
          minutehand.judge_definition(p_workflow, minutehand.status_of_type(p_workflow.trigger_type)))
  on conflict (workflow_id) do update set version = excluded.version, verdict = excluded.verdict;
exception when others then
  if sqlstate = '55P03' then
    perform set_config('minutehand.verdicts_blocked', 'yes', true);
  end if;
end
$$;

-- minutehand.keep_matcher(workflow id): keeps beside the verdict what excludes most changes (minutehand.is_excluded): the workflow's
-- conditions in normal form, null where it never starts, and the status column that they were read for; null for any.
-- It holds for one version of the row alone, by its xmin and ctid, and for the table as it is (minutehand.workflows_shape).  Whatever
-- changes them, also with disabled triggers or by a restore, leaves a matcher that is not of this row: then the row itself is
-- read, as if there were none.  The row is read here, since `new` may be older than what an app's trigger made of it.
-- Locks: its row of verdicts.  Called by: keep_version, keep_verdicts.
create or replace function minutehand.keep_matcher(p_id uuid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_xmin xid;
  v_ctid tid;
  v_shape text;
  v_status text;
  v_row jsonb;
  v_conditions jsonb;
begin
  if coalesce(current_setting('minutehand.verdicts_blocked', true), '') <> '' then
    return;
  end if;
  select minutehand.row_of(w), w.xmin, w.ctid, minutehand.workflows_shape(), v.verdict ->> 'status'
  into v_row, v_xmin, v_ctid, v_shape, v_status
  from public.automation_workflows w
  join minutehand.verdicts v on v.workflow_id = w.id and v.version = coalesce(w.version, 1)
  where w.id = p_id;
  if not found then
    return;
  end if;
  if minutehand.can_start(v_row) then
    v_conditions := minutehand.normal_conditions(minutehand.conditions_of(v_row, v_status));
  end if;
  update minutehand.verdicts
  set row_xmin = v_xmin, row_ctid = v_ctid, row_shape = v_shape, conditions = v_conditions,
      status_column = case when not minutehand.has_only_conditions(v_row) then v_status end
  where workflow_id = p_id;
exception when others then
  if sqlstate = '55P03' then
    perform set_config('minutehand.verdicts_blocked', 'yes', true);
  end if;
end
$$;

-- minutehand.workflows_shape() -> text: another one after each change of the columns of automation_workflows: a dropped column takes its
-- conditions along and leaves every row as it is.  Immutable, so that it is computed when a query is planned and costs
-- nothing when it runs: ask it only in a query of automation_workflows, which is planned anew after each change of that table.
-- An enum whose labels are renamed is noticed by the next tick.
create or replace function minutehand.workflows_shape() returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select md5(string_agg(concat_ws(' ', a.attnum, a.attname, a.atttypid, (
    select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_catalog.pg_enum e where e.enumtypid = a.atttypid
  )), E'\n' order by a.attnum))
  from pg_catalog.pg_attribute a
  where a.attrelid = 'public.automation_workflows'::regclass and a.attnum > 0 and not a.attisdropped
$$;

-- minutehand.forget_verdicts(): forgets those of workflows that are gone, and those that depend on what has changed since: our
-- functions, or the watched tables.
create or replace function minutehand.forget_verdicts() returns void
language sql set search_path = '' as $$
  delete from minutehand.verdicts
  where workflow_id in (
    select v.workflow_id
    from minutehand.verdicts v
    where not exists (
      select from public.automation_workflows w
      where w.id = v.workflow_id and v.verdict ->> 'key' = minutehand.verdict_key()
        and v.verdict ->> 'status' = minutehand.status_of_type(w.trigger_type))
    for update skip locked)
$$;

-- minutehand.keep_verdicts(at most so long): judges the workflows without a verdict on their version, and keeps the matchers of those
-- whose row has changed since.
-- Locks: as keep_verdict.  Called by: automation_tick, finish.sql.
create or replace function minutehand.keep_verdicts(p_duration interval) returns void
language plpgsql set search_path = '' set lock_timeout = '100ms' as $$
declare
  v_deadline constant timestamptz := clock_timestamp() + p_duration;
  v_id uuid;
  v_is_judged boolean;
begin
  for v_id, v_is_judged in
    select w.id, v.workflow_id is not null
    from public.automation_workflows w
    left join minutehand.verdicts v on v.workflow_id = w.id and v.version = coalesce(w.version, 1)
    where v.workflow_id is null or v.row_xmin is distinct from w.xmin or v.row_ctid is distinct from w.ctid
      or v.row_shape is distinct from minutehand.workflows_shape()
    limit 1000
  loop
    exit when clock_timestamp() > v_deadline;
    if not v_is_judged then
      perform minutehand.keep_verdict(w) from public.automation_workflows w where w.id = v_id;
    end if;
    perform minutehand.keep_matcher(v_id);
  end loop;
end
$$;
