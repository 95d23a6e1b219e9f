-- Condition forms (R9): translates every form that apps write into one, or says what is wrong with it.  Never raises.
-- Accepted:
--   null, [], {}                        no conditions: every change
--   [node, ...]                         all of them
--   {"all" | "any" | "not": [node, ...] | node}, also "and", "or"; `not` of several: not all of them
--   {"conditions" | "rules": [...], "operator" | "op" | "logic" | "combinator" | "match": "and" | "or" (default: and)}
--   {"field" | "property" | "column": name, "operator" | "op": (default: equals), "value" | "values": value}
-- Operators are read without regard to case, spaces, _ and -.

-- Whether an object is a leaf in normal form: nothing to translate, nothing to complain of.
create or replace function minutehand.is_normal_leaf(p_node jsonb) returns boolean
language sql immutable
as $$
  select coalesce(
    jsonb_typeof(p_node -> 'field') = 'string'
    and p_node ->> 'field' <> ''
    and case
      when p_node ->> 'operator' in ('equals', 'not_equals') then p_node ? 'value'
      when p_node ->> 'operator' in ('in', 'not_in', 'changed_from', 'changed_to')
        then jsonb_typeof(p_node -> 'value') = 'array'
      when p_node ->> 'operator'
        in ('contains', 'not_contains', 'starts_with', 'ends_with', 'greater_than', 'less_than')
        then jsonb_typeof(p_node -> 'value') in ('string', 'number', 'boolean') and p_node ->> 'value' <> ''
      else p_node ->> 'operator' in ('is_empty', 'is_not_empty', 'changed')
    end
    and not p_node ?| '{all,any,not,and,or,conditions,rules,problem}',
    false)
$$;

-- A leaf in normal form: other names for its keys and operators translated, lists made lists; with a problem if it
-- has one.
create or replace function minutehand.normal_leaf(p_node jsonb) returns jsonb
language plpgsql immutable
as $$
declare
  v_given jsonb := coalesce(nullif(coalesce(p_node -> 'operator', p_node -> 'op'), 'null'), '"equals"');
  v_operator text;
  v_value jsonb := coalesce(p_node -> 'value', p_node -> 'values');
  v_leaf jsonb;
begin
  -- Not fold(), which would make "contains" of "!contains"; and our own words fold alike in Turkish too.
  v_operator := case
    lower(translate(case jsonb_typeof(v_given) when 'string' then v_given #>> '{}' end, ' _-', '') collate "C")
    when 'equals' then 'equals' when 'eq' then 'equals' when '=' then 'equals' when '==' then 'equals'
    when 'notequals' then 'not_equals' when 'neq' then 'not_equals' when 'ne' then 'not_equals'
    when '!=' then 'not_equals' when '<>' then 'not_equals'
    when 'in' then 'in' when 'inlist' then 'in'
    when 'notin' then 'not_in' when 'notinlist' then 'not_in'
    when 'contains' then 'contains' when 'notcontains' then 'not_contains'
    when 'startswith' then 'starts_with' when 'endswith' then 'ends_with'
    when 'greaterthan' then 'greater_than' when 'gt' then 'greater_than' when '>' then 'greater_than'
    when 'lessthan' then 'less_than' when 'lt' then 'less_than' when '<' then 'less_than'
    when 'isempty' then 'is_empty' when 'empty' then 'is_empty'
    when 'isnotempty' then 'is_not_empty' when 'notempty' then 'is_not_empty'
    when 'changed' then 'changed' when 'changedfrom' then 'changed_from' when 'changedto' then 'changed_to'
  end;
  if v_operator in ('in', 'not_in') and jsonb_typeof(v_value) = 'string' then
    v_value := to_jsonb(regexp_split_to_array(btrim(v_value #>> '{}'), '\s*,\s*'));
  elsif v_operator in ('in', 'not_in', 'changed_from', 'changed_to') and jsonb_typeof(v_value) <> 'array' then
    v_value := jsonb_build_array(v_value);
  end if;
  v_leaf := jsonb_build_object(
    'field', coalesce(p_node -> 'field', p_node -> 'property', p_node -> 'column'),
    'operator', coalesce(v_operator, left(v_given #>> '{}', 60)));
  if v_value is not null then
    v_leaf := v_leaf || jsonb_build_object('value', v_value);
  end if;
  if minutehand.is_normal_leaf(v_leaf) then
    return v_leaf;
  end if;
  return v_leaf || jsonb_build_object('problem', case
    when v_operator is null then format(
      'unknown operator "%s"; known: equals, not_equals, in, not_in, contains, not_contains, starts_with, ends_with, '
      'greater_than, less_than, is_empty, is_not_empty, changed, changed_from, changed_to', left(v_given #>> '{}', 60))
    when jsonb_typeof(v_leaf -> 'field') <> 'string' or v_leaf ->> 'field' = '' then 'field is not the name of a column'
    when coalesce(v_value, 'null') in ('null', '""') then format('operator %s needs a value', v_operator)
    else format('operator %s takes one text or number', v_operator)
  end);
end
$$;

-- Any accepted form in normal form: [node, ...] (all of them), {"all" | "any" | "not": [node, ...]} or a leaf.  What is
-- wrong stands as "problem" at its node and, the first of them, at every node above.  A list of normal leaves, the
-- usual case, is returned as it came.
-- Nothing at all is no conditions; nothing within a group is a mistake: guessing there would send too much.
create or replace function minutehand.normal_conditions(p_node jsonb, p_depth integer default 0) returns jsonb
language plpgsql immutable
as $$
declare
  v_keys text[];
  v_kind text := 'all';
  v_items jsonb := p_node;
  v_item jsonb;
  v_normal jsonb[] := '{}';
  v_problem text;
  v_same boolean := true;
  v_text text;
begin
  if p_depth = 0 then
    if p_node is null or p_node in ('null', '[]', '{}') then
      return '[]';
    end if;
    v_text := p_node::text;
    if octet_length(v_text) > 65536 then
      return '{"problem": "conditions are larger than 64 kB"}';
    elsif octet_length(v_text) > 2000 and length(v_text) - length(translate(v_text, '[{', '')) > 1000 then
      -- counted before anything is built of it: a value nested 15,000 deep can be read, but not written again
      return '{"problem": "conditions have more than 1000 parts"}';
    end if;
  end if;

  if jsonb_typeof(p_node) = 'object' then
    if minutehand.is_normal_leaf(p_node)
        or jsonb_typeof(p_node -> 'problem') = 'string' and p_node - 'problem' = '{}' then  -- of minutehand.conditions_of
      return p_node;
    end if;
    v_keys := array(
      select key from jsonb_object_keys(p_node) as key
      where key in ('field', 'property', 'column')
        or lower(key collate "C") in ('all', 'and', 'any', 'or', 'not', 'conditions', 'rules'));
    if cardinality(v_keys) <> 1 then
      return jsonb_build_object('problem', format(
        'a condition has one of field, all, any, not or conditions, this has %s: %s',
        coalesce(nullif(array_to_string(v_keys, ' and '), ''), 'none'), left(p_node::text, 80)));
    elsif v_keys[1] in ('field', 'property', 'column') then
      return minutehand.normal_leaf(p_node);
    end if;
    v_items := p_node -> v_keys[1];
    v_kind := lower(v_keys[1] collate "C");
    if v_kind in ('conditions', 'rules') then
      v_kind := lower(coalesce(
        p_node ->> 'operator', p_node ->> 'op', p_node ->> 'logic', p_node ->> 'combinator', p_node ->> 'match',
        'all') collate "C");
    end if;
    v_kind := case v_kind when 'and' then 'all' when 'or' then 'any' else v_kind end;
    if v_kind not in ('all', 'any', 'not') then
      return jsonb_build_object('problem', format('unknown group "%s"; known: and, or, not', left(v_kind, 60)));
    end if;
    v_items := case jsonb_typeof(v_items)
      when 'object' then jsonb_build_array(v_items) when 'null' then '[]' else v_items
    end;
  end if;
  if jsonb_typeof(v_items) <> 'array' then
    return jsonb_build_object('problem', format('not a condition: %s', left(v_items::text, 80)));
  elsif p_depth >= 16 then
    return '{"problem": "conditions are nested deeper than 16 groups"}';
  elsif v_items = '[]' then
    return case when p_depth = 0 and v_kind <> 'not' then '[]' else '{"problem": "a group without conditions"}' end;
  end if;

  for i in 0 .. jsonb_array_length(v_items) - 1 loop
    v_item := v_items -> i;
    if not minutehand.is_normal_leaf(v_item) then
      v_item := minutehand.normal_conditions(v_item, p_depth + 1);
      v_problem := coalesce(v_problem, v_item ->> 'problem');
      v_same := false;
    end if;
    v_normal := v_normal || v_item;
  end loop;
  if v_same and jsonb_typeof(p_node) = 'array' then
    return p_node;
  end if;
  return jsonb_build_object(v_kind, v_normal)
    || case when v_problem is null then '{}' else jsonb_build_object('problem', v_problem) end;
end
$$;

-- What is wrong with conditions whatever the row, null when nothing is: the workflow's visible config error.
create or replace function minutehand.condition_problem(p_conditions jsonb) returns text
language sql immutable
as $$
  select minutehand.normal_conditions(p_conditions) ->> 'problem'
$$;
