-- What the database knows of a workflow.  These are facts alone: executor/checks/workflow.py turns them into a state ("on",
-- "off", "will never run") and its reasons, for lint, doctor, status, `workflows ls` and `show`, /metrics and the dashboard.

-- minutehand.definition_problem(workflow) -> text: why its row, or what it says of the changes, cannot be read, or null.  Total: a json
-- column of an app may hold what jsonb refuses.
create or replace function minutehand.definition_problem(p_workflow public.automation_workflows) returns text
language plpgsql stable as $$
declare
  v_row jsonb;
begin
  v_row := minutehand.unwrapped(to_jsonb(p_workflow));
  return coalesce(
    minutehand.size_problem(v_row), minutehand.trigger_problem(v_row),
    'conditions: ' || minutehand.condition_problem(minutehand.conditions_of(v_row, 'status')));
exception when data_exception or statement_too_complex then
  return sqlerrm;
end
$$;

-- minutehand.workflow_problem(workflow) -> text: why its own row keeps it from running, or null.
create or replace function minutehand.workflow_problem(p_workflow public.automation_workflows) returns text
language sql stable set search_path = '' as $$
  select coalesce(
    minutehand.definition_problem(p_workflow),
    case when p_workflow.trigger_type is null then 'it has no trigger_type' end,
    minutehand.steps_problem(minutehand.row_of(p_workflow)))
$$;

-- minutehand.workflow_switches(workflow's row) -> {switch: its value}, of the switches that the row has.
create or replace function minutehand.workflow_switches(p_row jsonb) returns jsonb
language sql immutable as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'is_active', p_row -> 'is_active', 'status', p_row -> 'status', 'enabled', p_row -> 'enabled'))
  where p_row is not null
$$;

-- minutehand.emitting_tables(trigger type, tables) -> (type, status, has_tenant, statuses, folds, slugs, word): the tables of a
-- minutehand.workflow_context whose changes have this type.  word: the status that the type names ("job_completed"), or null.
create or replace function minutehand.emitting_tables(p_type text, p_tables jsonb)
returns table (type text, status text, has_tenant boolean, statuses jsonb, folds jsonb, slugs jsonb, word text)
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select t.type, t.status, t.has_tenant, t.statuses, t.folds, t.slugs,
         case when rest.word not in ('', 'created', 'updated', 'deleted', 'status_changed') then rest.word end
  from jsonb_to_recordset(p_tables) as t (
    type text, status text, has_tenant boolean, statuses jsonb, folds jsonb, slugs jsonb)
  cross join lateral (select substr(p_type, length(t.type) + 2) as word) rest
  where starts_with(p_type, t.type || '_')
$$;

-- minutehand.some_values(relation, column, limit) -> text[]: the values of so many rows; none where the table cannot be read now
-- (doctor says so).  Locks: waits 250 ms at most (lock_wait).
create or replace function minutehand.some_values(p_relation regclass, p_column text, p_limit integer) returns text[]
language plpgsql stable set search_path = '' set lock_timeout = '250ms' as $$
declare
  v_values text[];
begin
  perform set_config('lock_timeout', minutehand.lock_wait(), true);
  execute format('select array_agg(distinct s) from (select %I::text as s from %s limit %s) x', p_column, p_relation, p_limit)
    into v_values;
  return v_values;
exception when others then
  if minutehand.is_away(sqlstate) then
    raise;
  end if;
  perform minutehand.note_wait(sqlstate);
  return null;
end
$$;

-- minutehand.known_statuses(relation, config) -> text[]: statuses that rows of a watched table have or may have: the labels of
-- an enum, the app's table of statuses (job_statuses.name), 10,000 rows, and the newest 5,000 changes.
create or replace function minutehand.known_statuses(p_relation regclass, p_config jsonb) returns text[]
language plpgsql stable set search_path = '' as $$
declare
  v_status text := p_config ->> 'status';
  v_schema text := (select relnamespace::regnamespace::text from pg_catalog.pg_class where oid = p_relation);
  v_seeds regclass := minutehand.readable(format('%s.%I', v_schema, (p_config ->> 'type') || '_statuses'));
  v_words text[];
  v_more text[];
begin
  select array_agg(e.enumlabel::text) into v_words
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_enum e on e.enumtypid = a.atttypid
  where a.attrelid = p_relation and a.attname = v_status;
  if not exists (select from pg_catalog.pg_attribute where attrelid = p_relation and attname = v_status) then
    return '{}';
  end if;
  v_words := v_words || minutehand.some_values(p_relation, v_status, 10000);
  if exists (select from pg_catalog.pg_attribute where attrelid = v_seeds and attname = 'name') then
    v_words := v_words || minutehand.some_values(v_seeds, 'name', 1000);
  end if;
  select array_agg(distinct e.new ->> v_status) into v_more
  from (
    select case when pg_column_size(new) < 65536 then new end as new, types  -- a large row is not unpacked for its status
    from public.automation_events order by id desc limit 5000) e
  where e.types && array[(p_config ->> 'type') || '_updated', (p_config ->> 'type') || '_created'];
  return array(
    select distinct word from unnest(v_words || v_more) as word where word is not null order by word limit 500);
end
$$;

-- minutehand.wanted_statuses(conditions, status column) -> statuses that conditions ask for.
create or replace function minutehand.wanted_statuses(p_conditions jsonb, p_status text) returns setof text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select distinct word.value
  from jsonb_path_query(
    minutehand.normal_conditions(p_conditions), 'strict $.** ? (exists (@.field) && exists (@.operator))') as leaf
  cross join lateral jsonb_array_elements_text(
    case jsonb_typeof(leaf -> 'value') when 'array' then leaf -> 'value' else jsonb_build_array(leaf -> 'value') end)
    as word (value)
  where leaf ->> 'operator' in ('equals', 'in', 'changed_to', 'changed_from')
    and regexp_replace(leaf ->> 'field', '^(new|old|record)\.', '') = p_status
    and word.value is not null
$$;

-- minutehand.condition_fields(conditions) -> [field]: the fields that conditions name, at most 50.
create or replace function minutehand.condition_fields(p_conditions jsonb) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(jsonb_agg(f.field order by f.field), '[]')
  from (
    select distinct left(leaf ->> 'field', 100) as field
    from jsonb_path_query(
      minutehand.normal_conditions(p_conditions), 'strict $.** ? (exists (@.field) && exists (@.operator))') as leaf
    where jsonb_typeof(leaf -> 'field') = 'string'
    order by 1
    limit 50) f
$$;

-- minutehand.unknown_statuses(trigger type, wanted, tables) -> [{"word", "type", "known": [at most 20 statuses, first those of
--   the same first letter]}]: statuses that a workflow waits for and no row is known to have had, at most five.  A table without
-- known statuses is left out.  wanted: of a minutehand.judge_definition; tables: of a minutehand.workflow_context.
create or replace function minutehand.unknown_statuses(p_type text, p_wanted jsonb, p_tables jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('word', u.word, 'type', u.type, 'known', (
    select jsonb_agg(left(near.word, 60))
    from (
      select known.word
      from jsonb_array_elements_text(u.statuses) as known (word)
      order by left(minutehand.fold_case(known.word), 1) <> left(minutehand.fold_case(u.word), 1), known.word
      limit 20) near)) order by u.word), '[]')
  from (
    select distinct wanted.word, e.type, e.statuses
    from (
      -- job_status_changed is of jobs, but would also be a status of job: the type that says all of it is meant.
      select * from minutehand.emitting_tables(p_type, p_tables)
      order by word nulls first, length(type) desc limit 1
    ) e
    cross join lateral (
      select e.word, true as in_type where e.word is not null
      union all
      select w.word, false from jsonb_array_elements_text(p_wanted) as w (word)
    ) wanted
    where e.statuses <> '[]' and not case when wanted.in_type then e.slugs ? wanted.word
      else e.folds ? minutehand.fold(wanted.word) end
    order by wanted.word limit 5
  ) u
$$;

-- minutehand.workflow_context(trigger types) -> {"key": minutehand.verdict_key, "tables": [{"type", "status", "has_tenant",
--   "unwatched": as minutehand.watch_problem, "statuses": [known status], "folds", "slugs": {each of them folded, and as in a trigger type: null}}], "has_own_source"}:
-- what the facts of workflows of these types are taken from, read once for all of them. tables: the watched ones that emit
-- one of the types.  has_own_source: a trigger of the app writes executions itself, so that a workflow can run though no
-- watched table emits its type; read only where there is such a workflow.
create or replace function minutehand.workflow_context(p_types text[]) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_tables jsonb;
  v_has_own_source boolean := false;
begin
  select coalesce(jsonb_agg(jsonb_build_object(
    'type', w.config ->> 'type', 'status', w.config ->> 'status', 'has_tenant', w.config ->> 'tenant' is not null,
    'unwatched', minutehand.watch_problem(w),
    'statuses', to_jsonb(known.words),
    'folds', (select coalesce(jsonb_object_agg(minutehand.fold(word), null), '{}') from unnest(known.words) as word),
    'slugs', (select coalesce(jsonb_object_agg(minutehand.slug(word), null), '{}') from unnest(known.words) as word))), '[]')
  into v_tables
  from minutehand.watched w
  cross join lateral (select minutehand.known_statuses(w.relation, w.config) as words) known
  where exists (select from unnest(p_types) as type where starts_with(type, (w.config ->> 'type') || '_'));
  if exists (
    select from unnest(p_types) as type
    where type <> 'manual' and not exists (
      select from minutehand.emitting_tables(type, jsonb_path_query_array(v_tables, '$[*] ? (@.unwatched == null)')))
  ) then
    v_has_own_source := exists (
      select from pg_catalog.pg_trigger t
      join minutehand.app_functions() f on f.oid = t.tgfoid
      where f.writes and not t.tgisinternal and t.tgparentid = 0 and t.tgenabled in ('O', 'A')
        and t.tgrelid <> 'public.automation_execution_logs'::regclass
        and t.tgrelid not in (select relation from minutehand.watched where enabled));
  end if;
  return jsonb_build_object('key', minutehand.verdict_key(), 'tables', v_tables, 'has_own_source', v_has_own_source);
end
$$;

-- minutehand.workflow_facts(workflow, context) -> {"id", "name", "trigger_type", "organization_id", "user_id", "version",
--   "on", "switches", "paused": {"scope", "target", "reason", "paused_at"} | null,
--   "problem": why its row or conditions cannot be read, "steps_problem", "setting_problems", "unknown_settings": as
--   minutehand.setting_problems and minutehand.unknown_settings, "unread": [what else is not read],
--   "fields": [fields that its conditions name] | null, "stop_fields": those of settings.stop_when | null, "emitted": whether changes of its trigger type can come, "unwatched": as
--   minutehand.watch_problem of the table whose changes would, but are not recorded, "lacks_tenant": it names neither organisation nor user,
--   and its table has tenants, "unknown_statuses": as minutehand.unknown_statuses, "time": as minutehand.time_facts}
-- context: minutehand.workflow_context of its trigger type and others.
create or replace function minutehand.workflow_facts(p_workflow public.automation_workflows, p_context jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_verdict constant jsonb := minutehand.verdict_of(p_workflow, p_context);
  v_type constant text := p_workflow.trigger_type;
  v_tenant constant text := minutehand.tenant_of(p_workflow);
  v_time constant jsonb := minutehand.time_facts(p_workflow);
begin
  return jsonb_build_object(
    'id', p_workflow.id, 'name', p_workflow.name, 'trigger_type', v_type,
    'organization_id', p_workflow.organization_id, 'user_id', p_workflow.user_id,
    'version', coalesce(p_workflow.version, 1),
    'on', v_verdict -> 'on', 'switches', v_verdict -> 'switches',
    'paused', (
      select to_jsonb(c)
      from minutehand.pauses_over(v_tenant, p_workflow.id::text) c
      order by c.scope desc limit 1),
    'problem', v_verdict -> 'problem', 'steps_problem', v_verdict -> 'steps_problem',
    'setting_problems', v_verdict -> 'setting_problems', 'unknown_settings', v_verdict -> 'unknown_settings',
    'unread', v_verdict -> 'unread', 'fields', v_verdict -> 'fields', 'stop_fields', v_verdict -> 'stop_fields',
    'time', v_time,
    'emitted', coalesce(v_type = 'manual', false) or v_time is not null or (p_context -> 'has_own_source')::boolean
      or exists (select from minutehand.emitting_tables(
        v_type, jsonb_path_query_array(p_context -> 'tables', '$[*] ? (@.unwatched == null)'))),
    'unwatched', (
      select t -> 'unwatched'
      from jsonb_path_query(p_context -> 'tables', '$[*] ? (@.unwatched != null)') as t
      where starts_with(v_type, (t ->> 'type') || '_')
      order by length(t ->> 'type') desc limit 1),
    'lacks_tenant', v_tenant = '' and exists (
      select from minutehand.emitting_tables(v_type, p_context -> 'tables') e where e.has_tenant),
    'unknown_statuses', case when v_verdict ->> 'problem' is null then minutehand.unknown_statuses(
      v_type, coalesce(nullif(v_verdict -> 'wanted', 'null'), '[]'), p_context -> 'tables') else '[]' end);
end
$$;

-- minutehand.steps_for_lint(workflow) -> {"steps", "template_config"?, "workflow_config"?, "action_type"?, "action_config"?,
--   "trigger_config"?}, of the first five those where steps stand; null when these have more than 16 kB: too long to be brought
-- for a look.  trigger_config: {"is_long": true} in place of more than 4 kB.
create or replace function minutehand.steps_for_lint(p_workflow public.automation_workflows) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when octet_length(held::text) <= 16384 then held || jsonb_build_object('trigger_config',
    case when octet_length(trigger_config::text) <= 4096 then trigger_config else '{"is_long": true}' end) end
  from (
    select r -> 'trigger_config' as trigger_config, jsonb_build_object('steps', coalesce(nullif(r -> 'steps', 'null'), '[]')) || jsonb_strip_nulls(jsonb_build_object(
      'template_config', r -> 'template_config', 'workflow_config', r -> 'workflow_config',
      'action_type', r -> 'action_type', 'action_config', r -> 'action_config')) as held
    from (select minutehand.row_of(p_workflow) as r) read
    where r is not null
  ) x
$$;

-- minutehand.all_workflow_facts() -> [as minutehand.workflow_facts, with "definition": as minutehand.steps_for_lint], of the first
-- 1,000 workflows by name.  Definitions stop at 1 MB altogether, and are null from there on.
create or replace function minutehand.all_workflow_facts() returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_context jsonb;
begin
  v_context := minutehand.workflow_context(array(
    select distinct trigger_type::text from (select * from public.automation_workflows w order by w.name limit 1000) x));
  return (
    select coalesce(jsonb_agg(
      minutehand.workflow_facts(w, v_context)
        || jsonb_build_object('definition', case when size <= 1000000 then steps end)
      order by (w).name, (w).id), '[]')
    from (
      select w, steps, sum(coalesce(octet_length(steps::text), 0)) over (order by (w).name, (w).id) as size
      from (
        select w, nullif(minutehand.verdict_of(w, v_context) -> 'steps', 'null') as steps
        from public.automation_workflows w
        order by w.name, w.id
        limit 1000) listed) sized);
end
$$;

-- minutehand.newest_executions() -> the newest 20,000 execution logs: what counts and last runs are taken from, since no
-- index serves the question "of this workflow".  Without settings of its own, so that it becomes part of its caller's query,
-- which reads two columns of a row and not all.
create or replace function minutehand.newest_executions() returns setof public.automation_execution_logs
language sql stable as $$
  select * from public.automation_execution_logs order by created_at desc, id desc limit 20000
$$;
