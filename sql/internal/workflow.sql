-- Workflows: the one place that decides whether a workflow is on, which changes it wants, and why it can never run.

-- minutehand.is_on(workflow) -> boolean: every switch that the row has is on; only some apps have `enabled`.  Never raises: a row
-- that cannot be read is off.  is_row_on: the same for the row as jsonb.
create or replace function minutehand.is_on(p_workflow public.automation_workflows) returns boolean
language plpgsql stable as $$
begin
  return minutehand.is_row_on(minutehand.row_of(p_workflow));
end
$$;

create or replace function minutehand.is_row_on(p_row jsonb) returns boolean
language plpgsql immutable as $$
begin
  return p_row is not null and p_row ->> 'is_active' is distinct from 'false' and p_row ->> 'enabled' is distinct from 'false'
    and minutehand.fold_case(coalesce(p_row ->> 'status', 'active')) = 'active';
end
$$;

-- minutehand.conditions_of(workflow's row, status column) -> jsonb: the conditions that a change must meet; null: every change of
-- its type.  Reads all places where workflows have conditions (trigger_config.sql).  All of them must be met; what cannot be
-- read is a node with a problem, which never holds.  Never raises.  It runs for each candidate in the app's own UPDATE, and nearly
-- every row has trigger_config.conditions alone.
create or replace function minutehand.conditions_of(p_row jsonb, p_status text) returns jsonb
language plpgsql immutable as $$
declare
  v_parts jsonb;
begin
  if minutehand.has_only_conditions(p_row) and minutehand.time_kind(p_row) is null then
    return p_row #> '{trigger_config,conditions}';
  end if;
  select jsonb_agg(part) into v_parts
  from (
    select coalesce(conditions, jsonb_build_object('problem', problem)) as part
    from minutehand.trigger_parts(p_row, p_status)
  ) told
  where minutehand.normal_conditions(part) <> '[]';
  return case jsonb_array_length(v_parts) when 1 then v_parts -> 0 else v_parts end;
end
$$;

-- minutehand.has_only_conditions(workflow's row) -> boolean: do conditions stand nowhere but in trigger_config.conditions?
create or replace function minutehand.has_only_conditions(p_row jsonb) returns boolean
language plpgsql immutable as $$
declare
  c_columns constant text[] :=
    '{trigger_conditions,conditions,condition,criteria,filter,filters,rules,trigger_criteria,trigger_filter,trigger_filters,trigger_rules}';
  c_beside constant text[] := '{conditions,trigger,triggers,from_status,to_status,fromStatus,toStatus}';
  c_trigger constant jsonb := '[{"type": "trigger"}]';
begin
  if (p_row ?| c_columns) and jsonb_strip_nulls(p_row) ?| c_columns then
    return false;
  end if;
  return coalesce(case jsonb_typeof(p_row -> 'trigger_config')
      when 'object' then (p_row -> 'trigger_config') - 'conditions' = '{}'
      else coalesce(p_row -> 'trigger_config', 'null') = 'null' end
    and not coalesce(p_row -> 'steps' @> c_trigger or jsonb_typeof(p_row -> 'steps') = 'object', false)
    and not coalesce(p_row -> 'template_config' ?| c_beside or p_row #> '{template_config,steps}' @> c_trigger, false)
    and not coalesce(p_row -> 'workflow_config' ?| c_beside or p_row #> '{workflow_config,steps}' @> c_trigger, false),
    false);
end
$$;

-- minutehand.trigger_steps(workflow's row) -> the steps of a flow that are its trigger.
create or replace function minutehand.trigger_steps(p_row jsonb) returns setof jsonb
language sql immutable as $$
  select step
  from unnest(array['$.steps[*]', '$.steps.steps[*]', '$.template_config.steps[*]', '$.workflow_config.steps[*]']) as path
  cross join lateral jsonb_path_query(p_row, (path || ' ? (@.type == "trigger")')::jsonpath, silent => true) as step
$$;

-- minutehand.status_leaves(config, status column) -> conditions: "from In Progress to Completed" as workflow builders write
-- it, each a list of names, or one; [] means any.  What cannot be read becomes a node with a problem.
create or replace function minutehand.status_leaves(p_config jsonb, p_status text) returns setof jsonb
language sql immutable as $$
  select case
    when told.operator is null then jsonb_build_object('problem', told.key || ' is not supported: write a condition')
    when jsonb_typeof(told.value) in ('array', 'string')
        and not coalesce(jsonb_path_exists(told.value, 'strict $[*] ? (@.type() != "string")', silent => true), false)
      then jsonb_build_object('field', p_status, 'operator', told.operator, 'value', case jsonb_typeof(told.value)
        when 'array' then told.value else jsonb_build_array(told.value) end)
    else jsonb_build_object('problem', told.key || ' is not a list of statuses')
  end
  from (
    select key, p_config -> key as value, operator
    from (values
      ('from_status', 'changed_from'), ('fromStatus', 'changed_from'), ('to_status', 'changed_to'),
      ('toStatus', 'changed_to'), ('from_tags', null), ('to_tags', null)) as keys (key, operator)
  ) told
  where coalesce(told.value, 'null') not in ('null', '[]', '""')
$$;

-- minutehand.steps_problem(workflow's row) -> text: why there is nothing to run, or null.  Steps can be in four places
-- (executor/dialects/locations.py reads them); a trigger is not a step, nor is a step that is switched off.  It runs for each
-- candidate in the app's own UPDATE, and nearly every row has a list in steps.
create or replace function minutehand.steps_problem(p_row jsonb) returns text
language plpgsql immutable as $$
declare
  c_real constant jsonpath :=
    '$[*] ? (!exists (@.type ? (@ == "trigger")) && !exists (@.enabled ? (@ == false)) && !exists (@.disabled ? (@ == true)))';
  v_place text;
  v_is_off boolean := false;
begin
  if jsonb_typeof(p_row -> 'steps') not in ('array', 'object', 'null') then
    return format('steps: expected a list, got %s', minutehand.type_name(p_row -> 'steps'));
  elsif jsonb_typeof(p_row -> 'steps') = 'object' and not p_row -> 'steps' ?| '{steps,actions,action}'
      and p_row -> 'steps' <> '{}' then
    return 'steps: expected a list, got an object' || minutehand.steps_elsewhere(p_row);
  elsif jsonb_typeof(p_row -> 'steps') = 'array' and jsonb_path_exists(p_row -> 'steps', c_real, silent => true)
      or coalesce(p_row ->> 'action_type', '') <> '' then
    return null;
  end if;
  foreach v_place in array '{steps,steps.steps,steps.actions,steps.action,template_config,template_config.steps,template_config.actions,template_config.action,workflow_config,workflow_config.steps,workflow_config.actions,workflow_config.action}'::text[]
  loop
    if jsonb_typeof(p_row #> string_to_array(v_place, '.')) = 'array'
        or v_place like '%.action' and coalesce(p_row #> string_to_array(v_place, '.'), 'null') not in ('null', '""', '{}') then
      if jsonb_path_exists(p_row #> string_to_array(v_place, '.'), c_real, silent => true) then
        return null;
      end if;
      v_is_off := v_is_off or jsonb_path_exists(
        p_row #> string_to_array(v_place, '.'), '$[*] ? (!exists (@.type ? (@ == "trigger")))', silent => true);
    end if;
  end loop;
  return case when v_is_off then 'all its steps are switched off' else 'it has no steps' || minutehand.steps_elsewhere(p_row) end;
end
$$;

-- minutehand.start_problem(workflow) -> text: why no change starts it although it is on, or null.  Total: a row that is not valid
-- jsonb never started.  Called by: store/schema.py, also before these functions are installed.
create or replace function minutehand.start_problem(p_workflow public.automation_workflows) returns text
language plpgsql stable as $$
declare
  v_row jsonb;
begin
  v_row := minutehand.unwrapped(to_jsonb(p_workflow));
  return case when minutehand.is_row_on(v_row) then
    coalesce(minutehand.trigger_problem(v_row), minutehand.steps_problem(v_row)) end;
exception when data_exception or statement_too_complex then
  return null;
end
$$;

-- minutehand.steps_elsewhere(workflow's row) -> text: where its steps seem to be, in a column or key that is not read; else an empty
-- text.
create or replace function minutehand.steps_elsewhere(p_row jsonb) returns text
language sql immutable as $$
  select coalesce((
    select format('; they seem to be in %s, which is not read: Minutehand reads steps, template_config, workflow_config and action_type',
                  string_agg(place, ' and ' order by place))
    from (
      select place from minutehand.unread_steps(p_row) as place order by place limit 3) found
    having count(*) > 0), '')
$$;

-- minutehand.unread_steps(workflow's row) -> columns, and keys of columns that hold steps, whose value looks like steps and is not
-- read: by their name, or by a list of objects with a type or an action.
create or replace function minutehand.unread_steps(p_row jsonb) returns setof text
language sql immutable as $$
  select case when v.key is null then 'column ' || c.key else c.key || '.' || v.key end
  from jsonb_each(p_row) c
  cross join lateral (
    select null::text as key, c.value where c.key not in ('steps', 'template_config', 'workflow_config', 'action_config')
    union all
    select e.key, e.value
    from jsonb_each(case when c.key in ('steps', 'template_config', 'workflow_config') and jsonb_typeof(c.value) = 'object'
      then c.value else '{}' end) e
    where e.key not in ('steps', 'actions', 'action', 'trigger', 'triggers', 'conditions')
    union all
    select e.key, e.value
    from jsonb_each(case when c.key = 'trigger_config' and jsonb_typeof(c.value) = 'object' then c.value else '{}' end) e
    where e.key in ('steps', 'actions', 'action', 'nodes', 'flow')
  ) v
  cross join lateral (select case jsonb_typeof(v.value) when 'string' then minutehand.json_in_text(v.value #>> '{}') else v.value end as value) held
  where c.key not in ('trigger_conditions', 'conditions', 'settings', 'delivery_window', 'multi_channel_config', 'performance_metrics')
    and (v.key is not null or c.key <> 'trigger_config')
    and jsonb_typeof(held.value) in ('object', 'array') and not minutehand.says_nothing(held.value)
    and (coalesce(v.key, c.key) ~* '(^|_)(actions?|steps?|nodes|flow|tasks|blocks|sequence|stages|pipeline|graph|canvas)$|^(workflow_)?(definition|data|graph|json)$|^visual_config$'
      or jsonb_path_exists(held.value, 'lax $.** ? (@.type() == "object") ? (exists (@.action_type) || exists (@.actionType) || exists (@.action) || exists (@.type) && exists (@.config))', silent => true))
$$;
