-- Trigger configs: reads the conditions in `trigger_config`, in the trigger step of a flow, and in a trigger beside the steps.
-- Every key is read, is harmless, or is an error that names it and says what to write: a key that is skipped
-- would start the workflow on every change.

-- minutehand.unwrapped(workflow's row) -> the row, with JSON that is stored as text read: a jsonb string, or a column of type text.
-- An empty text is null.  What is no JSON stays a text.
create or replace function minutehand.unwrapped(p_row jsonb) returns jsonb
language plpgsql immutable as $$
declare
  c_columns constant text[] := '{trigger_config,trigger_conditions,conditions,steps,template_config,workflow_config,action_config,settings}';
  v_key text;
  v_text text;
begin
  if jsonb_typeof(p_row -> 'trigger_config') = 'string' or jsonb_typeof(p_row -> 'steps') = 'string'
      or jsonb_typeof(p_row -> 'settings') = 'string' or jsonb_typeof(p_row -> 'trigger_conditions') = 'string'
      or jsonb_typeof(p_row -> 'template_config') = 'string' or jsonb_typeof(p_row -> 'workflow_config') = 'string'
      or jsonb_typeof(p_row -> 'action_config') = 'string' or jsonb_typeof(p_row -> 'conditions') = 'string' then
    foreach v_key in array c_columns loop
      if jsonb_typeof(p_row -> v_key) = 'string' then
        p_row := jsonb_set(p_row, array[v_key], minutehand.json_in_text(p_row ->> v_key));
      end if;
    end loop;
  end if;
  return p_row;
end
$$;

-- minutehand.json_in_text(text) -> jsonb: the object or list that the text contains, also where it was written as JSON twice; null
-- for an empty text; else the text.
create or replace function minutehand.json_in_text(p_text text) returns jsonb
language plpgsql immutable as $$
declare
  v_value jsonb := to_jsonb(p_text);
begin
  if p_text !~ '[^[:space:]]' then
    return 'null';
  end if;
  for i in 1 .. 2 loop
    exit when not minutehand.is_json(v_value #>> '{}');
    v_value := (v_value #>> '{}')::jsonb;
    if jsonb_typeof(v_value) in ('object', 'array', 'null') then
      return v_value;
    end if;
    exit when jsonb_typeof(v_value) <> 'string';
  end loop;
  return to_jsonb(p_text);
end
$$;

-- minutehand.says_nothing(value) -> boolean: is it empty, or a group without a condition, as builders save: {"operator": "AND",
-- "rules": []}?
create or replace function minutehand.says_nothing(p_value jsonb, p_depth integer default 0) returns boolean
language plpgsql immutable as $$
begin
  return case jsonb_typeof(p_value)
    when 'object' then p_depth < 5 and not exists (
      select from jsonb_each(p_value) as e
      where not minutehand.says_nothing(e.value, p_depth + 1)
        and not (minutehand.plain_key(e.key) = any (minutehand.joining_keys()) and jsonb_typeof(e.value) = 'string'))
    when 'array' then p_depth < 5 and not exists (
      select from jsonb_array_elements(p_value) as item where not minutehand.says_nothing(item, p_depth + 1))
    when 'string' then p_value #>> '{}' !~ '[^[:space:]]'
    else coalesce(p_value, 'null') = 'null'
  end;
end
$$;

-- minutehand.plain_key(key) -> text: without case, _, - and spaces: daysoverdue for days_overdue and daysOverdue.
create or replace function minutehand.plain_key(p_key text) returns text
language plpgsql immutable as $$
begin
  return lower(translate(p_key, '_- ', '') collate "C");
end
$$;

-- minutehand.joining_keys() -> plain keys that say how conditions are joined.
create or replace function minutehand.joining_keys() returns text[]
language sql immutable as $$
  select '{operator,op,logic,combinator,match,matchtype,conditionlogic,conditionoperator,conditionsoperator,logicaloperator,logicoperator}'::text[]
$$;

-- minutehand.harmless_keys() -> plain keys of a trigger config that change nothing: how an editor shows it, and who saved it.
-- docs/exact.md lists them.
create or replace function minutehand.harmless_keys() returns text[]
language sql immutable as $$
  select ('{$schema,classname,collapsed,color,colour,comment,comments,configversion,connections,createdat,createdby,description,'
    'displayname,docs,documentation,draggable,dragging,edges,emoji,example,examples,expanded,height,help,helptext,icon,id,image,'
    'index,key,label,language,layout,locale,maxretries,meta,metadata,name,next,nextstep,nextsteps,nodeid,note,notes,order,'
    'placeholder,position,positionx,positiony,retries,retry,retrycount,retrydelay,revision,schemaversion,selected,sortorder,'
    'stepid,style,subtitle,summary,templateid,templatename,timezone,title,tooltip,tz,ui,uistate,updatedat,updatedby,uuid,'
    'version,width,x,y,zindex}')::text[]
$$;

-- minutehand.trigger_class(word) -> the kind of change that a trigger type or an event's name means, as builders write it: created,
-- deleted, updated or status_changed; null for another word, such as a status.
create or replace function minutehand.trigger_class(p_word text) returns text
language plpgsql immutable as $$
begin
  return case
    when p_word ~ '(^|_)(status_?changed?|status_?updated?|on_status_change)$' then 'status_changed'
    when p_word ~ '(^|_)(created?|inserted?|added|new)$' then 'created'
    when p_word ~ '(^|_)(deleted?|removed?)$' then 'deleted'
    when p_word ~ '(^|_)(updated?|changed?|modified)$' then 'updated'
  end;
end
$$;

-- minutehand.names_trigger(value, trigger type) -> boolean: does a key such as `event` only repeat the workflow's trigger type, or
-- name a kind of change that contains it?  "job_completed", "completed", "status_change" and "UPDATE" do for job_completed.
create or replace function minutehand.names_trigger(p_value jsonb, p_type text) returns boolean
language plpgsql immutable as $$
declare
  v_word constant text := minutehand.slug(p_value #>> '{}');
  v_type constant text := coalesce(minutehand.slug(p_type), '');
  v_class constant text := coalesce(minutehand.trigger_class(v_word), '');
  v_of_type constant text := coalesce(minutehand.trigger_class(v_type), '');
begin
  return coalesce(jsonb_typeof(p_value) = 'string' and (
    v_word in ('trigger', 'event', 'database', 'database_event', 'database_trigger', 'db_event', 'table', 'record', 'row',
               'automation', 'workflow', 'realtime')
    or v_word = v_type or right(v_type, length(v_word) + 1) = '_' || v_word or starts_with(v_type, v_word || '_')
    or case v_class
      when 'updated' then v_of_type not in ('created', 'deleted')
      when 'status_changed' then v_of_type in ('status_changed', '')
      else v_class <> '' and v_class = v_of_type
    end), false);
end
$$;

-- minutehand.names_table(value, trigger type) -> boolean: is it the table whose changes have this type?  "jobs" and "public.jobs" are
-- for job_completed.
create or replace function minutehand.names_table(p_value jsonb, p_type text) returns boolean
language plpgsql immutable as $$
declare
  v_word constant text := regexp_replace(minutehand.slug(split_part(p_value #>> '{}', '.', -1)), '(ies|es|s)$', '');
begin
  return coalesce(jsonb_typeof(p_value) = 'string' and v_word <> '' and starts_with(p_type, v_word), false);
end
$$;

-- minutehand.is_harmless(key, value, trigger type) -> boolean: can this key of a trigger config be left unread?
create or replace function minutehand.is_harmless(p_key text, p_value jsonb, p_type text) returns boolean
language plpgsql immutable as $$
declare
  v_key constant text := minutehand.plain_key(p_key);
  v_word jsonb;
begin
  if minutehand.says_nothing(p_value) or v_key = any (minutehand.harmless_keys()) then
    return true;
  elsif v_key = any (minutehand.naming_keys()) then
    foreach v_word in array array(
        select jsonb_array_elements(case jsonb_typeof(p_value) when 'array' then p_value else jsonb_build_array(p_value) end)) loop
      if not minutehand.names_trigger(v_word, p_type) then
        return false;
      end if;
    end loop;
    return true;
  elsif v_key = any (minutehand.table_keys()) then
    return minutehand.names_table(p_value, p_type);
  elsif v_key in ('schema', 'schemaname') then
    return p_value = '"public"';
  elsif v_key in ('enabled', 'active', 'isactive', 'isenabled') then
    return p_value = 'true';
  elsif v_key in ('delay', 'timing', 'sendtime', 'schedule', 'when') then
    return lower(p_value #>> '{}') in ('0', 'immediate', 'immediately', 'instant', 'now', 'none', 'false');
  end if;
  return v_key = any (minutehand.joining_keys()) and lower(p_value #>> '{}') in ('and', 'or', 'all', 'any');
end
$$;

-- minutehand.naming_keys(), table_keys() -> plain keys that repeat the trigger type, and its table.
create or replace function minutehand.naming_keys() returns text[]
language sql immutable as $$
  select '{type,trigger,triggertype,event,eventtype,eventname,subtype,kind,operation,events}'::text[]
$$;
create or replace function minutehand.table_keys() returns text[]
language sql immutable as $$
  select '{table,tablename,entity,entitytype,resource,model,object,objecttype}'::text[]
$$;

-- minutehand.what_to_write(key, value) -> text: in place of a key of a trigger config that is not read.
create or replace function minutehand.what_to_write(p_key text, p_value jsonb) returns text
language plpgsql immutable as $$
declare
  v_key constant text := minutehand.plain_key(p_key);
begin
  return case
    when v_key ~ '^(minutes?|hours?|days?|weeks?|months?|years?)($|over|before|after|since|until|ago|in|from|past|old|offset|without)'
        or v_key ~ '^(offset|delay|relative|remind|schedule|cron|recurr|frequency|interval|timing|sendtime|runat|startat|timeof|every|overdue|due(date|in|after|before))'
      then 'it asks for a time, and this trigger type starts when a row changes: for a time write the trigger_type "schedule" or "date" '
           '(docs/time.md), or remove it, switch the workflow off and start it with: minutehand enqueue'
    when v_key in ('enabled', 'active', 'isactive', 'isenabled')
      then 'switch the workflow off by its column is_active, or remove the key'
    when v_key ~ 'cooldown|ratelimit|dedup|throttle|debounce|^once|^max(executions|runs|times|per)'
      then 'write it as settings.rate_limit'
    when v_key = any (minutehand.naming_keys() || minutehand.table_keys())
      then 'it is not what the column trigger_type says: write that column alone'
    when v_key in ('steps', 'actions', 'action', 'nodes', 'flow') then 'steps are read from the column steps'
    when v_key in ('unless', 'exclude', 'excluding', 'except', 'ifnot')
      then 'write "conditions": {"not": [{"field": …, "operator": …, "value": …}]}'
    when jsonb_typeof(p_value) in ('string', 'number', 'boolean') and v_key not in ('if', 'when', 'where', 'onlyif', 'filter',
        'filters', 'rule', 'query', 'criteria', 'expression', 'value', 'values')
      then format('write "conditions": [{"field": %s, "operator": "equals", "value": %s}]',
                  to_jsonb(left(p_key, 60)), left(p_value::text, 60))
    when jsonb_typeof(p_value) = 'array' and not jsonb_path_exists(p_value, '$[*] ? (@.type() == "object" || @.type() == "array")')
      then format('write "conditions": [{"field": %s, "operator": "in", "value": %s}]',
                  to_jsonb(left(p_key, 60)), left(p_value::text, 60))
    else 'write "conditions": [{"field": …, "operator": …, "value": …}]'
  end;
end
$$;

-- minutehand.config_conditions(name, config, trigger type, status column) -> (conditions, problem) of a trigger config; all of the
-- conditions must hold.  name: of the config, for the problem.  The keys of a condition (`field`) and of a group (`all`, `rules`)
-- are read at the top, too.
create or replace function minutehand.config_conditions(
  p_name text, p_config jsonb, p_type text, p_status text, out conditions jsonb, out problem text
) returns setof record language plpgsql immutable as $$
declare
  v_key text;
  v_value jsonb;
  v_plain text;
  v_node jsonb := '{}';
  v_joining jsonb := '{}';
begin
  if p_config is null or p_config in ('null', '{}', '[]') then
    return;
  elsif jsonb_typeof(p_config) = 'array' then
    conditions := p_config;
    return next;
    return;
  elsif jsonb_typeof(p_config) <> 'object' then
    problem := format('%s is %s: write {"conditions": […]}', p_name, minutehand.type_name(p_config));
    return next;
    return;
  end if;
  for v_key, v_value in select e.key, e.value from jsonb_each(p_config) e order by e.key loop
    v_plain := minutehand.plain_key(v_key);
    if v_plain = any (minutehand.joining_keys()) then
      v_joining := v_joining || jsonb_build_object(v_key, v_value);
    elsif v_key in ('field', 'property', 'column') then
      v_node := v_node || jsonb_build_object(v_key, v_value);
    elsif v_plain in ('all', 'any', 'not', 'and', 'or', 'conditions', 'condition', 'rules') then
      if v_value <> 'null' and (v_plain = 'not' or minutehand.normal_conditions(v_value) <> '[]') then
        v_node := v_node || jsonb_build_object(case v_plain when 'condition' then 'conditions' else v_plain end, v_value);
      end if;
    elsif v_key in ('value', 'values') and p_config ?| '{field,property,column}'
        or v_key in ('from_status', 'fromStatus', 'to_status', 'toStatus', 'from_tags', 'to_tags') then
      null;  -- of the condition, and of minutehand.status_leaves
    elsif p_type is distinct from 'manual' and not minutehand.is_harmless(v_key, v_value, p_type) then
      problem := coalesce(problem, minutehand.unread_key(p_name, v_key, v_value));
    end if;
  end loop;

  if v_node ?| '{field,property,column}' then
    v_node := v_node || v_joining || (
      select coalesce(jsonb_object_agg(e.key, e.value), '{}') from jsonb_each(p_config) e where e.key in ('value', 'values'));
  elsif v_node ?| '{conditions,rules}' and v_joining <> '{}' then
    v_node := v_node || jsonb_build_object('operator', (select value from jsonb_each(v_joining) order by key limit 1));
    if (select count(distinct lower(value #>> '{}')) from jsonb_each(v_joining)) > 1 then
      problem := coalesce(problem, format('%s joins its conditions by %s: keep one', p_name, (
        select string_agg(left(key, 60), ' and ' order by key) from jsonb_object_keys(v_joining) as key)));
    end if;
  elsif v_node = '{}' then
    problem := coalesce(problem, (
      select minutehand.unread_key(p_name, e.key, e.value)
      from jsonb_each(v_joining) e where not minutehand.is_harmless(e.key, e.value, p_type) order by e.key limit 1));
  end if;
  if problem is not null then
    return next;
    return;
  end if;
  -- A list alone is what nearly every workflow has, and is evaluated as it stands.
  conditions := case when v_node - 'conditions' = '{}' then v_node -> 'conditions' else v_node end;
  if v_node <> '{}' then
    return next;
  end if;
  if not p_config ?| '{from_status,to_status,fromStatus,toStatus,from_tags,to_tags}' then
    return;
  end if;
  for conditions in select leaf from minutehand.status_leaves(p_config, p_status) as leaf loop
    problem := p_name || '.' || (conditions ->> 'problem');
    return next;
  end loop;
end
$$;

-- minutehand.unread_key(name of a config, key, value) -> text: that it is not read, and what to write.
create or replace function minutehand.unread_key(p_name text, p_key text, p_value jsonb) returns text
language plpgsql immutable as $$
begin
  return format('%s.%s is not read; %s', p_name, left(p_key, 60), minutehand.what_to_write(p_key, p_value));
end
$$;

-- minutehand.trigger_parts(workflow's row, status column) -> (conditions, problem): all that the row says of the changes that start
-- it.  All conditions must hold.  In PL/pgSQL, as all of this file that is more than an expression: PostgreSQL 15 would plan the
-- functions inside each other, for seconds.
create or replace function minutehand.trigger_parts(p_row jsonb, p_status text)
returns table (conditions jsonb, problem text) language plpgsql immutable as $$
declare
  v_type constant text := p_row ->> 'trigger_type';
  v_name text;
  v_config jsonb;
begin
  if minutehand.time_kind(p_row) is not null then
    return query select t.conditions, t.problem from minutehand.time_parts(p_row) t;
    return;
  end if;
  return query
    select c.conditions, c.problem
    from minutehand.config_conditions('trigger_config', p_row -> 'trigger_config', v_type, p_status) c;
  for v_config in select step from minutehand.trigger_steps(p_row) as step loop
    return query
      select c.conditions, c.problem
      from minutehand.config_conditions('the trigger step', minutehand.step_config(v_config), v_type, p_status) c;
  end loop;
  for v_name, v_config in select b.name, b.config from minutehand.triggers_beside_steps(p_row) b loop
    if v_config is null then
      return query select null::jsonb, format('%s: several triggers with conditions; write a workflow for each', v_name);
    end if;
    return query
      select c.conditions, c.problem from minutehand.config_conditions(v_name, v_config, v_type, p_status) c;
  end loop;
  foreach v_name in array '{trigger_conditions,conditions}'::text[] loop
    if p_row ? v_name then
      return query select p_row -> v_name, null::text;
    end if;
  end loop;
  foreach v_name in array
      '{condition,criteria,filter,filters,rules,trigger_criteria,trigger_filter,trigger_filters,trigger_rules}'::text[] loop
    if jsonb_typeof(p_row -> v_name) in ('object', 'array') and not minutehand.says_nothing(p_row -> v_name) then
      return query select null::jsonb, format('the column %s is not read; write its conditions in trigger_config', v_name);
    end if;
  end loop;
end
$$;

-- minutehand.step_config(trigger) -> what it says of the changes: its config, and what stands beside that.
create or replace function minutehand.step_config(p_trigger jsonb) returns jsonb
language plpgsql immutable as $$
begin
  return (p_trigger - '{type,config}'::text[]) || case
    when jsonb_typeof(p_trigger -> 'config') = 'object' then p_trigger -> 'config'
    when minutehand.says_nothing(p_trigger -> 'config') then '{}'
    else jsonb_build_object('config', p_trigger -> 'config') end;
end
$$;

-- minutehand.triggers_beside_steps(workflow's row) -> (name, config): the conditions and the trigger that stand beside the steps in
-- template_config, workflow_config and an object in steps: {"conditions": {…}, "trigger": {…}, "triggers": [{…}], "actions": […]}.
-- config is null where there are several triggers with conditions: nobody knows which one is meant.
create or replace function minutehand.triggers_beside_steps(p_row jsonb) returns table (name text, config jsonb)
language plpgsql immutable as $$
declare
  v_column text;
  v_holder jsonb;
  v_triggers jsonb;
begin
  foreach v_column in array '{steps,template_config,workflow_config}'::text[] loop
    v_holder := p_row -> v_column;
    continue when jsonb_typeof(v_holder) is distinct from 'object';
    if v_holder ?| '{conditions,from_status,to_status,fromStatus,toStatus}' then
      return query
        select v_column, jsonb_object_agg(e.key, e.value) from jsonb_each(v_holder) e
        where e.key in ('conditions', 'from_status', 'to_status', 'fromStatus', 'toStatus')
          or v_holder ? 'conditions' and minutehand.plain_key(e.key) = any (minutehand.joining_keys());
    end if;
    if jsonb_typeof(v_holder -> 'trigger') = 'object' then
      return query select v_column || '.trigger', minutehand.step_config(v_holder -> 'trigger');
    end if;
    v_triggers := v_holder -> 'triggers';
    if jsonb_typeof(v_triggers) = 'array' then
      if jsonb_array_length(v_triggers) = 1 and jsonb_typeof(v_triggers -> 0) = 'object' then
        return query select v_column || '.triggers', minutehand.step_config(v_triggers -> 0);
      elsif exists (select from jsonb_array_elements(v_triggers) as one where not minutehand.says_nothing(one -> 'conditions')) then
        return query select v_column || '.triggers', null::jsonb;
      end if;
    end if;
  end loop;
end
$$;

-- minutehand.type_name(value) -> text: the type of a JSON value, for a message.
create or replace function minutehand.type_name(p_value jsonb) returns text
language plpgsql immutable as $$
begin
  return case jsonb_typeof(p_value)
    when 'object' then 'an object' when 'array' then 'a list' when 'string' then 'text that is not JSON'
    when 'number' then 'a number' when 'boolean' then 'true or false' else 'null' end;
end
$$;

-- minutehand.trigger_problem(workflow's row) -> text: what it says of the changes that start it and cannot be read, or null.
create or replace function minutehand.trigger_problem(p_row jsonb) returns text
language sql immutable as $$
  select problem from minutehand.trigger_parts(p_row, 'status') where problem is not null limit 1
$$;

-- minutehand.unread_keys(workflow's row) -> text: the keys of trigger_config that are not read and change nothing, or null.
create or replace function minutehand.unread_keys(p_row jsonb) returns text
language sql immutable as $$
  select format('trigger_config: %s %s not read, and %s nothing', string_agg(left(key, 60), ', ' order by key),
                case count(*) when 1 then 'is' else 'are' end, case count(*) when 1 then 'changes' else 'change' end)
  from jsonb_each(case jsonb_typeof(p_row -> 'trigger_config') when 'object' then p_row -> 'trigger_config' else '{}' end) as e
  where minutehand.plain_key(key) = any (minutehand.harmless_keys())
    and not (minutehand.time_kind(p_row) is not null and minutehand.plain_key(key) in ('timezone', 'tz'))
  having count(*) > 0
$$;

-- minutehand.unread_parts(workflow's row) -> [text]: what of a workflow that runs is not read, and keeps it from nothing.
create or replace function minutehand.unread_parts(p_row jsonb) returns jsonb
language plpgsql immutable as $$
declare
  v_parts text[] := array_remove(array[minutehand.unread_keys(p_row)], null);
  v_name text;
begin
  foreach v_name in array '{actions,automation_steps,workflow_actions,workflow_steps}'::text[] loop
    if jsonb_typeof(p_row -> v_name) in ('object', 'array') and not minutehand.says_nothing(p_row -> v_name)
        and minutehand.steps_problem(p_row) is null then
      v_parts := v_parts || format(
        'the column %s is not read: the steps are those in steps, template_config, workflow_config or action_type', v_name);
    end if;
  end loop;
  return to_jsonb(v_parts);
end
$$;
