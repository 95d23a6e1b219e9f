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
    and lower(coalesce(p_row ->> 'status', 'active')) = 'active';
end
$$;

-- minutehand.conditions_of(workflow's row, status column) -> jsonb: the conditions that a change must meet; null: every change of
-- its type.  Reads all places where workflows have conditions: trigger_config, the column trigger_conditions, and the trigger step
-- of a flow (in steps, or in the steps of template_config or workflow_config).  All of them must be met.  Never raises.  It
-- runs for each candidate in the app's own UPDATE, and nearly every row has trigger_config alone.
create or replace function minutehand.conditions_of(p_row jsonb, p_status text) returns jsonb
language plpgsql immutable as $$
declare
  v_config constant jsonb := p_row -> 'trigger_config';
  v_parts jsonb;
begin
  if nullif(p_row -> 'trigger_conditions', 'null') is null and not coalesce(
      v_config ?| '{from_status,to_status,fromStatus,toStatus,from_tags,to_tags}', false) and not coalesce(
      p_row -> 'steps' @> '[{"type": "trigger"}]' or jsonb_typeof(p_row -> 'steps') = 'object', false) and not coalesce(
      p_row #> '{template_config,steps}' @> '[{"type": "trigger"}]', false) and not coalesce(
      p_row #> '{workflow_config,steps}' @> '[{"type": "trigger"}]', false) then
    return minutehand.conditions_in_config(v_config);
  end if;
  select jsonb_agg(part order by place) into v_parts
  from (
    select 1 as place, minutehand.conditions_in_config(v_config) as part
    union all
    select 2, p_row -> 'trigger_conditions'
    union all
    select 3, step #> '{config,conditions}' from minutehand.trigger_steps(p_row) as step
    union all
    select 4, leaf
    from (select v_config as config union all select step -> 'config' from minutehand.trigger_steps(p_row) as step) c
    cross join lateral minutehand.status_leaves(c.config, p_status) as leaf
  ) told
  where minutehand.normal_conditions(part) <> '[]';
  return case jsonb_array_length(v_parts) when 1 then v_parts -> 0 else v_parts end;
end
$$;

-- minutehand.conditions_in_config(trigger_config) -> jsonb: the conditions in it.
create or replace function minutehand.conditions_in_config(p_trigger_config jsonb) returns jsonb
language sql immutable as $$
  select case jsonb_typeof(p_trigger_config)
    when 'object' then p_trigger_config -> 'conditions'
    when 'null' then null
    else p_trigger_config  -- nothing but an object is meant here; the evaluator names the problem
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
-- it, each a list of names, or one; [] means any.  What cannot be read becomes a text, which the evaluator reports as the
-- problem.
create or replace function minutehand.status_leaves(p_config jsonb, p_status text) returns setof jsonb
language sql immutable as $$
  select case
    when told.operator is null then to_jsonb(told.key || ' is not supported: write a condition')
    when jsonb_typeof(told.value) in ('array', 'string')
        and not coalesce(jsonb_path_exists(told.value, 'strict $[*] ? (@.type() != "string")', silent => true), false)
      then jsonb_build_object('field', p_status, 'operator', told.operator, 'value', case jsonb_typeof(told.value)
        when 'array' then told.value else jsonb_build_array(told.value) end)
    else to_jsonb(told.key || ' is not a list of statuses')
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
-- (executor/dialects/locations.py reads them); a trigger is not a step.
create or replace function minutehand.steps_problem(p_row jsonb) returns text
language sql immutable as $$
  select case
    when jsonb_typeof(p_row -> 'steps') not in ('array', 'object', 'null')
      or (jsonb_typeof(p_row -> 'steps') = 'object' and not p_row -> 'steps' ?| '{steps,actions,action}'
          and p_row -> 'steps' <> '{}') then 'steps: expected a list'
    when coalesce(p_row ->> 'action_type', '') = '' and not exists (
      select from unnest(array[
        '$.steps', '$.steps.steps', '$.steps.actions', '$.steps.action', '$.template_config', '$.template_config.steps',
        '$.template_config.actions', '$.template_config.action', '$.workflow_config', '$.workflow_config.steps',
        '$.workflow_config.actions', '$.workflow_config.action']) as place (path)
      cross join lateral jsonb_path_query(p_row, place.path::jsonpath, silent => true) as held
      where (jsonb_typeof(held) = 'array' or place.path like '%.action') and held not in ('null', '""', '{}')
        and jsonb_path_exists(held, '$[*] ? (!(@.type == "trigger"))', silent => true)
    ) then 'it has no steps'
  end
$$;
