-- Evaluating conditions on a row (R9); automation_evaluate describes the result.

-- The tree of any conditions.  With a problem anywhere the whole is not met, whatever its other parts say: an `any` of one good and
-- one unreadable condition is not what its author meant.
create or replace function minutehand.evaluate_conditions(
  p_conditions jsonb, p_new jsonb, p_old jsonb, p_status_column text default 'status')
returns jsonb
language plpgsql immutable
as $$
declare
  v_normal jsonb := minutehand.normal_conditions(p_conditions);
  v_count bigint := minutehand.comparisons(v_normal, p_new, p_old, p_status_column);
begin
  if v_count > minutehand.most_comparisons() then
    return jsonb_build_object('held', false, 'problem', minutehand.too_many_comparisons(v_count));
  end if;
  return minutehand.describe_conditions(v_normal, p_new, p_old, p_status_column)
    || case when v_normal ? 'problem' then '{"held": false}' else '{}' end::jsonb;
end
$$;

-- The verdict alone, for the trigger and the tick.  Errors: MH413 more than p_most comparisons, MH400 more than are ever made.
create or replace function minutehand.conditions_met(
  p_conditions jsonb, p_new jsonb, p_old jsonb, p_status_column text default 'status', p_most bigint default null)
returns boolean
language plpgsql immutable
as $$
declare
  v_normal jsonb := minutehand.normal_conditions(p_conditions);
  v_count bigint := minutehand.comparisons(v_normal, p_new, p_old, p_status_column);
begin
  if v_count > minutehand.most_comparisons() then
    raise exception '%', minutehand.too_many_comparisons(v_count) using errcode = 'MH400';
  elsif v_count > p_most then
    raise exception 'left to the tick: % comparisons', v_count using errcode = 'MH413';
  end if;
  return minutehand.normal_met(v_normal, p_new, p_old, p_status_column);
end
$$;

-- The same for normal conditions whose comparisons are counted.
create or replace function minutehand.normal_met(p_normal jsonb, p_new jsonb, p_old jsonb, p_status_column text) returns boolean
language sql immutable
as $$
  select not p_normal ? 'problem' and coalesce(minutehand.conditions_verdict(p_normal, p_new, p_old, p_status_column), false)
$$;

-- Evaluates normal conditions: true, false, or null for "cannot say" (three-valued, like SQL's and, or and not).
create or replace function minutehand.conditions_verdict(p_normal jsonb, p_new jsonb, p_old jsonb, p_status_column text)
returns boolean
language plpgsql immutable
as $$
declare
  v_items jsonb := coalesce(p_normal -> 'all', p_normal -> 'any', p_normal -> 'not', p_normal);
  v_any boolean := p_normal ? 'any';
  v_item jsonb;
  v_one boolean;
  v_held boolean := not v_any;
begin
  if jsonb_typeof(v_items) = 'object' then
    return case
      when not p_normal ? 'problem'
        then (minutehand.evaluate_condition(p_normal, p_new, p_old, p_status_column)).held
    end;
  end if;
  for i in 0 .. jsonb_array_length(v_items) - 1 loop
    v_item := v_items -> i;
    if v_item ? 'field' and not v_item ? 'problem' then
      v_one := (minutehand.evaluate_condition(v_item, p_new, p_old, p_status_column)).held;
    else
      v_one := minutehand.conditions_verdict(v_item, p_new, p_old, p_status_column);
    end if;
    v_held := case when v_any then v_held or v_one else v_held and v_one end;
    exit when v_held = v_any;
  end loop;
  return case when p_normal ? 'not' then not v_held else v_held end;
end
$$;

-- Normal conditions as a tree, each node with its verdict.
create or replace function minutehand.describe_conditions(p_normal jsonb, p_new jsonb, p_old jsonb, p_status_column text)
returns jsonb
language plpgsql immutable
as $$
declare
  v_kind text := case when p_normal ? 'any' then 'any' when p_normal ? 'not' then 'not' else 'all' end;
  v_items jsonb := coalesce(p_normal -> v_kind, p_normal);
  v_leaf record;
  v_node jsonb := '{}';
begin
  if jsonb_typeof(v_items) = 'array' then
    v_node := jsonb_build_object(v_kind, coalesce((
      select jsonb_agg(minutehand.describe_conditions(item, p_new, p_old, p_status_column) order by place)
      from jsonb_array_elements(v_items) with ordinality as items (item, place)), '[]'));
  elsif p_normal ? 'field' then
    v_node := jsonb_build_object(
      'field', p_normal -> 'field', 'operator', p_normal -> 'operator',
      'wanted', minutehand.excerpt(p_normal -> 'value'));
    -- a leaf with a problem is not judged, only looked up
    v_leaf := minutehand.evaluate_condition(
      p_normal || case when p_normal ? 'problem' then '{"operator": "is_empty"}' else '{}' end::jsonb,
      p_new, p_old, p_status_column);
    v_node := v_node || jsonb_build_object('actual', minutehand.excerpt(v_leaf.actual));
    if v_leaf.was is not null then
      v_node := v_node || jsonb_build_object('was', minutehand.excerpt(v_leaf.was));
    end if;
    if v_leaf.problem is not null then
      v_node := v_node || jsonb_build_object('problem', v_leaf.problem);
    end if;
  end if;
  return v_node
    || jsonb_build_object('held', coalesce(minutehand.conditions_verdict(p_normal, p_new, p_old, p_status_column), false))
    || case when p_normal ? 'problem' then jsonb_build_object('problem', p_normal -> 'problem') else '{}' end;
end
$$;

-- Evaluates one leaf in normal form.  held is null if it cannot be evaluated on this row; problem says why.
-- The field is a column, a path into a JSON column (a key that is missing is null), or either behind `new.`, `record.` or `old.`
-- (the old row).  A column that p_old lacks is unchanged, since events store such columns once; without p_old it is an insert,
-- where everything was null.
create or replace function minutehand.evaluate_condition(
  p_leaf jsonb, p_new jsonb, p_old jsonb, p_status_column text,
  out actual jsonb, out was jsonb, out held boolean, out problem text)
language plpgsql immutable
as $$
declare
  v_field text := p_leaf ->> 'field';
  v_operator text := p_leaf ->> 'operator';
  v_wanted jsonb := p_leaf -> 'value';
  v_path text[];
  v_is_status boolean;
  v_order integer;
begin
  actual := p_new -> v_field;
  if actual is null then
    v_path := string_to_array(v_field, '.');
    if v_path[1] in ('new', 'old', 'record') and cardinality(v_path) > 1 and p_new -> v_path[1] is null then
      if v_path[1] = 'old' and (jsonb_typeof(p_old) is distinct from 'object' or p_old ? v_path[2]) then
        p_new := p_old;
      end if;
      v_path := v_path[2:];
      v_field := array_to_string(v_path, '.');
    end if;
    if p_new -> v_path[1] is null
      or cardinality(v_path) > 1 and jsonb_typeof(p_new -> v_path[1]) not in ('object', 'array', 'null') then
      problem := format('row has no field "%s"', left(p_leaf ->> 'field', 60));
      return;
    end if;
    actual := coalesce(p_new #> v_path, 'null');
  end if;
  -- a value longer than any status is text, and does not pay for the regular expression
  v_is_status := coalesce(v_field = p_status_column, false) and pg_column_size(actual) <= 1000;

  if v_operator in ('equals', 'not_equals') then
    held := minutehand.values_equal(actual, v_wanted, v_is_status) = (v_operator = 'equals');
  elsif v_operator in ('in', 'not_in') then
    held := minutehand.list_has(v_wanted, actual, v_is_status);
    if not held and jsonb_typeof(actual) = 'array' then
      -- a list (tags): one of its items is enough
      for i in 0 .. jsonb_array_length(v_wanted) - 1 loop
        held := held or minutehand.list_has(actual, v_wanted -> i, v_is_status);
      end loop;
    end if;
    held := held = (v_operator = 'in');
  elsif v_operator in ('changed', 'changed_from', 'changed_to') then
    v_path := coalesce(v_path, array[v_field]);
    was := case
      when jsonb_typeof(p_old) is distinct from 'object' then 'null'
      when p_old ? v_path[1] then coalesce(p_old #> v_path, 'null')
      else actual
    end;
    held := not minutehand.values_equal(was, actual, v_is_status);
    if held and v_operator <> 'changed' then
      held := minutehand.list_has(
        v_wanted, case v_operator when 'changed_to' then actual else was end, v_is_status);
    end if;
  elsif v_operator in ('is_empty', 'is_not_empty') then
    held := (case jsonb_typeof(actual)
      when 'null' then true
      when 'string' then actual #>> '{}' !~ '[^[:space:]]'
      else actual in ('[]', '{}')
    end) = (v_operator = 'is_empty');
  elsif jsonb_typeof(actual) = 'null' then
    held := v_operator = 'not_contains';
  elsif v_operator in ('contains', 'not_contains') then
    held := (case jsonb_typeof(actual)
      when 'array' then minutehand.list_has(actual, v_wanted, v_is_status)
      else strpos(minutehand.fold_case(actual #>> '{}'), minutehand.fold_case(v_wanted #>> '{}')) > 0
    end) = (v_operator = 'contains');
  elsif v_operator = 'starts_with' then
    held := starts_with(minutehand.fold_case(actual #>> '{}'), minutehand.fold_case(v_wanted #>> '{}'));
  elsif v_operator = 'ends_with' then
    held := right(minutehand.fold_case(actual #>> '{}'), length(minutehand.fold_case(v_wanted #>> '{}'))) = minutehand.fold_case(v_wanted #>> '{}');
  else
    v_order := minutehand.compare_values(actual, v_wanted);
    held := v_order = case v_operator when 'greater_than' then 1 else -1 end;
    if held is null then
      problem := format('cannot order "%s" and "%s"', left(actual #>> '{}', 60), left(v_wanted #>> '{}', 60));
    end if;
  end if;
end
$$;

-- A value as a tree shows it: a long one is cut, since trees are stored, and may show the same value many times.
create or replace function minutehand.excerpt(p_value jsonb) returns jsonb
language sql immutable
as $$
  select case
    when length(p_value::text) > 1000 then to_jsonb(left(p_value #>> '{}', 1000) || ' ...')
    else p_value
  end
$$;

-- minutehand.most_comparisons() -> how many comparisons one workflow's conditions may need on one row: about 0.3 s.
create or replace function minutehand.most_comparisons() returns bigint language sql immutable as $$ select 50000 $$;

create or replace function minutehand.too_many_comparisons(p_count bigint) returns text
language sql immutable
as $$
  select format('the conditions need %s comparisons on this row; at most %s are made', p_count, minutehand.most_comparisons())
$$;

-- minutehand.comparisons(normal conditions, new, old, status column) -> bigint: a bound of the work of evaluating them on a
-- row, before anything is compared: one for each pair of values (5 us), one more for each 1,000 bytes of them, and 4 for a
-- pair of statuses, which are folded.  0 where both are small: an item of a list has at least 5 bytes, so that it is below
-- 10,000.
create or replace function minutehand.comparisons(p_normal jsonb, p_new jsonb, p_old jsonb, p_status_column text)
returns bigint
language plpgsql immutable
as $$
begin
  if pg_column_size(p_normal)::bigint * (pg_column_size(p_new) + coalesce(pg_column_size(p_old), 0)) <= 250000 then
    return 0;
  end if;
  return (
    select coalesce(sum(minutehand.leaf_comparisons(leaf, p_new, p_old, p_status_column)), 0)
    from jsonb_path_query(p_normal, 'strict $.** ? (exists (@.field) && exists (@.operator))') as leaf);
end
$$;

-- minutehand.leaf_comparisons(leaf, new, old, status column) -> bigint: the same for one leaf in normal form.
create or replace function minutehand.leaf_comparisons(p_leaf jsonb, p_new jsonb, p_old jsonb, p_status_column text)
returns bigint
language plpgsql immutable
as $$
declare
  v_actual jsonb := p_new -> (p_leaf ->> 'field');
  v_was jsonb := p_old -> (p_leaf ->> 'field');
  v_wanted jsonb := p_leaf -> 'value';
  v_path text[];
  v_listed bigint;
  v_items bigint;
  v_bytes bigint;
  v_each bigint;
begin
  if v_actual is null then  -- a path, or a prefix
    v_path := string_to_array(regexp_replace(p_leaf ->> 'field', '^(new|old|record)[.]', ''), '.');
    v_actual := p_new #> v_path;
    v_was := p_old #> v_path;
  end if;
  v_bytes := greatest(pg_column_size(v_actual), pg_column_size(v_was), 0);
  v_listed := case when jsonb_typeof(v_wanted) = 'array' then jsonb_array_length(v_wanted) else 1 end;
  if v_bytes <= 1000 and v_listed = 1 then
    return 1;
  end if;
  v_items := greatest(
    case when jsonb_typeof(v_actual) = 'array' then jsonb_array_length(v_actual) end,
    case when jsonb_typeof(v_was) = 'array' then jsonb_array_length(v_was) end, 1);
  v_each := case when p_leaf ->> 'field' like '%' || p_status_column then 4 else 1 end;
  return case
    when p_leaf ->> 'operator' in ('in', 'not_in') then v_listed * (v_each * (1 + v_items) + v_bytes / 1000)
    when p_leaf ->> 'operator' in ('contains', 'not_contains')
      then v_items * (v_each + pg_column_size(v_wanted) / 1000) + v_bytes / 1000
    else v_listed * (v_each + v_bytes / 1000)
  end;
end
$$;

-- minutehand.check_recorded(conditions, columns) -> nothing, or MH400 where they compare one of these columns, whose values
-- were too large to be recorded.
create or replace function minutehand.check_recorded(p_conditions jsonb, p_cut_columns text[]) returns void
language plpgsql immutable
as $$
declare
  v_field text;
begin
  select leaf ->> 'field' into v_field
  from jsonb_path_query(
    minutehand.normal_conditions(p_conditions), 'strict $.** ? (exists (@.field) && exists (@.operator))') as leaf
  where leaf ->> 'field' = any (p_cut_columns)
     or split_part(regexp_replace(leaf ->> 'field', '^(new|old|record)[.]', ''), '.', 1) = any (p_cut_columns)
  limit 1;
  if v_field is not null then
    raise exception 'a condition compares "%", whose value was too large to be recorded with the change', left(v_field, 60)
      using errcode = 'MH400';
  end if;
end
$$;
