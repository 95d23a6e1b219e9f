-- Explain: the chain of one change and one workflow, link by link (automation_explain).  Each part is a list of links, and a part that
-- ends with a crossed one is the last.  Nothing is decided here: the switches are minutehand.is_row_on's, the conditions the one
-- evaluator's, the waits and refusals those of eligibility.sql, the rest is what the execution itself recorded.

-- minutehand.explain_link(name, held, detail, code, wanted, actual) -> {"name", "held", "wanted", "actual", "detail", "code"?}: a
-- link; held is null where it is not known.  One with a code is crossed: the chain stops there.
create or replace function minutehand.explain_link(
  p_name text, p_held boolean, p_detail text, p_code text default null, p_wanted jsonb default null, p_actual jsonb default null
) returns jsonb language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'name', p_name, 'held', p_held, 'wanted', p_wanted, 'actual', p_actual, 'detail', left(p_detail, 2000))
    || case when p_code is null then '{}' else jsonb_build_object('code', p_code) end
$$;

-- minutehand.is_crossed(links) -> boolean: does the chain stop with the last of them?
create or replace function minutehand.is_crossed(p_links jsonb) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(p_links -> -1 ? 'code', false)
$$;

-- minutehand.tenant_text(organisation, user) -> text: a tenant by name, or `no tenant`.
create or replace function minutehand.tenant_text(p_organization text, p_user text) returns text
language sql immutable set search_path = '' as $$
  select case when p_organization is not null then 'organisation ' || p_organization
    when p_user is not null then 'user ' || p_user else 'no tenant' end
$$;

-- minutehand.short_value(value) -> text: a value for a sentence.
create or replace function minutehand.short_value(p_value jsonb) returns text
language sql immutable set search_path = '' as $$
  select case when p_value is null or p_value = 'null' then 'null'
    when length(p_value #>> '{}') > 60 then '"' || left(p_value #>> '{}', 60) || '…"'
    when jsonb_typeof(p_value) = 'string' then '"' || (p_value #>> '{}') || '"' else p_value::text end
$$;

-- minutehand.change_text(event) -> text: what changed, in a sentence; of an UPDATE five columns, with the old and the new value.
create or replace function minutehand.change_text(p_event public.automation_events) returns text
language sql stable set search_path = '' as $$
  select case p_event.operation
    when 'ENQUEUE' then format('started by hand at %s', minutehand.utc_text(p_event.occurred_at))
    when 'SCHEDULE' then format('a firing of its schedule, at %s', minutehand.utc_text(p_event.occurred_at))
    when 'DATE' then format('date trigger: %s of %s %s, at %s', coalesce(p_event.types[2], 'a date'), p_event.table_name, p_event.entity_id,
                            minutehand.utc_text(p_event.occurred_at))
    else format('%s of %s %s at %s', p_event.operation, p_event.table_name, coalesce(p_event.entity_id, '(without a key)'),
                minutehand.utc_text(p_event.occurred_at)) end
    || coalesce((
      select ': ' || string_agg(format('%s %s -> %s', c.key, minutehand.short_value(c.value),
                                       minutehand.short_value(p_event.new -> c.key)), ', ' order by c.nr)
        || case when max(c.total) > 5 then format(' and %s more columns', max(c.total) - 5) else '' end
      from (
        select key, value, count(*) over () as total, row_number() over (order by key <> 'status', key) as nr
        from jsonb_each(case when p_event.operation = 'UPDATE' and jsonb_typeof(p_event.old) = 'object' then p_event.old else '{}' end)) c
      where c.nr <= 5), '')
$$;

-- minutehand.explain_change(event, config, now) -> links: the trigger, the change, and whether it was matched with the workflows.
-- config: of the table as it is watched now, null where it is not.
create or replace function minutehand.explain_change(p_event public.automation_events, p_config jsonb, p_now timestamptz)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_links jsonb := jsonb_build_array(
    minutehand.explain_link('trigger', true, case
      when p_event.operation = 'ENQUEUE' then 'not needed: a person started it'
      when p_event.operation in ('SCHEDULE', 'DATE') then 'not needed: the clock started it'
      when p_config is null then format('%s is not watched now; it was when this changed', p_event.table_name)
      else format('%s was watched', p_event.table_name) end),
    minutehand.explain_link('change', true, minutehand.change_text(p_event), null, null,
      case when pg_column_size(p_event.old) < 4096 then p_event.old end));
  v_code text;
  v_reason text;
begin
  if p_event.error like 'no tenant:%' then
    v_code := 'no_tenant';
    v_reason := format('the row names no tenant (%s), so it starts nobody''s workflow', substr(p_event.error, 12));
  elsif p_event.error like 'imported quietly%' then
    v_code := 'imported_quietly';
    v_reason := 'its transaction set minutehand.quiet, so it starts nothing';
  elsif p_event.error like 'soft-deleted:%' then
    v_code := 'soft_deleted';
    v_reason := format('the row is soft-deleted (%s), so its changes start nothing', p_event.error);
  elsif p_event.missing_columns is not null or p_event.error like 'the row had no column%' then
    v_code := 'column_missing';
    v_reason := p_event.error;
  elsif p_event.matched_at is null and p_event.match_attempts >= 5 then
    v_code := 'match_set_aside';
    v_reason := format('it could not be matched in %s attempts and is set aside: %s', p_event.match_attempts, p_event.error);
  elsif p_event.matched_at is null and p_event.error is not null then
    v_code := 'match_failing';
    v_reason := format('it could not be matched yet: %s; tried again at %s', p_event.error,
                       minutehand.utc_text(p_event.match_after));
  elsif p_event.matched_at is null then
    v_code := 'not_matched_yet';
    v_reason := 'the trigger left it to the next tick of a processor, which has not matched it yet: '
      || minutehand.processor_text(p_now);
  end if;
  return v_links || case when v_code is null then '[]' else jsonb_build_array(
    minutehand.explain_link('match', false, v_reason, v_code)) end;
end
$$;

-- minutehand.processor_text(now) -> text: when a processor last ran.
create or replace function minutehand.processor_text(p_now timestamptz) returns text
language sql stable set search_path = '' as $$
  select coalesce('the last processor ran at ' || minutehand.utc_text(max(heartbeat_at)), 'no processor has run in the last day')
  from public.automation_workers
$$;

-- minutehand.explain_workflow(event, config, workflow's state, its row now) -> links: it existed then, it is of the row's tenant,
-- it has the change's type, it was on, it has steps.  state: minutehand.workflow_at at the match, as jsonb.
create or replace function minutehand.explain_workflow(
  p_event public.automation_events, p_config jsonb, p_state jsonb, p_workflow public.automation_workflows
) returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_definition constant jsonb := p_state -> 'definition';
  v_links jsonb;
  v_switch text;
begin
  v_links := jsonb_build_array(minutehand.explain_existed(p_event, p_state, p_workflow));
  if minutehand.is_crossed(v_links) or v_definition is null or v_definition = 'null' then
    return v_links;
  end if;
  v_links := v_links || minutehand.explain_tenant(p_event, p_config, v_definition);
  if minutehand.is_crossed(v_links) then
    return v_links;
  end if;
  v_links := v_links || minutehand.explain_type(p_event, p_config, v_definition ->> 'trigger_type');
  if minutehand.is_crossed(v_links) then
    return v_links;
  end if;
  if not (p_state ->> 'is_on')::boolean then
    v_switch := minutehand.off_switch(v_definition);
    return v_links || minutehand.explain_link(
      'on', false, format('it was switched off then (%s = %s), since %s%s', v_switch, v_definition ->> v_switch,
        minutehand.utc_text((p_state ->> 'since')::timestamptz),
        case when (p_state ->> 'known')::boolean then '' else '; ' || (p_state ->> 'unknown_because') end),
      'off_' || v_switch, '"on"', p_state -> 'switches');
  end if;
  return v_links
    || minutehand.explain_link('on', case when (p_state ->> 'known')::boolean then true end,
                               coalesce('not known: ' || (p_state ->> 'unknown_because'), 'it was on'), null, '"on"', p_state -> 'switches')
    || minutehand.explain_steps(v_definition);
end
$$;

-- minutehand.off_switch(definition) -> text: the first switch that is off.
create or replace function minutehand.off_switch(p_definition jsonb) returns text
language sql immutable set search_path = '' as $$
  select case when p_definition ->> 'is_active' = 'false' then 'is_active'
    when p_definition ->> 'enabled' = 'false' then 'enabled' else 'status' end
$$;

-- minutehand.explain_existed(event, state, row now) -> link.
create or replace function minutehand.explain_existed(
  p_event public.automation_events, p_state jsonb, p_workflow public.automation_workflows
) returns jsonb language sql stable set search_path = '' as $$
  select case
    when p_state ->> 'deleted_at' is not null then minutehand.explain_link('existed', false, format(
      'it was deleted at %s, before this change', minutehand.utc_text((p_state ->> 'deleted_at')::timestamptz)), 'deleted_before')
    when p_state ->> 'existed' = 'false' or p_workflow.created_at > p_event.occurred_at
      then minutehand.explain_link('existed', false, format(
        'it was created at %s, after this change: a workflow starts for later changes alone',
        minutehand.utc_text(coalesce(p_workflow.created_at, (p_state ->> 'until')::timestamptz))), 'created_later')
    when p_state ->> 'version' is null then minutehand.explain_link(
      'existed', null, 'not known: ' || (p_state ->> 'unknown_because'), 'history_unknown')
    else minutehand.explain_link('existed', (p_state ->> 'existed')::boolean, format(
      'version %s, saved at %s', p_state ->> 'version', minutehand.utc_text((p_state ->> 'since')::timestamptz)))
  end
$$;

-- minutehand.explain_tenant(event, config, definition) -> link: does the row belong to the workflow's tenant?
create or replace function minutehand.explain_tenant(p_event public.automation_events, p_config jsonb, p_definition jsonb)
returns jsonb language sql stable set search_path = '' as $$
  select case
    when p_config is not null and p_config ->> 'tenant' is null or p_event.operation in ('ENQUEUE', 'SCHEDULE', 'DATE')
      then minutehand.explain_link('tenant', true, 'not compared')
    when coalesce(p_definition ->> 'organization_id', p_definition ->> 'user_id') is null
      then minutehand.explain_link('tenant', false, format(
        'the row belongs to %s, and the workflow names no tenant', minutehand.tenant_text(p_event.organization_id, p_event.user_id)),
        'workflow_without_tenant')
    when not minutehand.same_tenant(p_event.organization_id, p_event.user_id, p_definition ->> 'organization_id', p_definition ->> 'user_id')
         or p_event.organization_id is null
            and not minutehand.may_be_member(p_event.user_id, p_definition ->> 'organization_id')
      then minutehand.explain_link('tenant', false, format(
        'the row belongs to %s, the workflow to %s', minutehand.tenant_text(p_event.organization_id, p_event.user_id),
        minutehand.tenant_text(p_definition ->> 'organization_id', p_definition ->> 'user_id')), 'other_tenant')
    else minutehand.explain_link('tenant', true, minutehand.tenant_text(p_event.organization_id, p_event.user_id))
  end
$$;

-- minutehand.explain_type(event, config, trigger type) -> link: is it one of the change's types, and if not, why.
create or replace function minutehand.explain_type(p_event public.automation_events, p_config jsonb, p_type text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_status constant text := minutehand.status_column(p_config);
  v_old constant text := minutehand.row_before(p_event) ->> v_status;
  v_new constant text := minutehand.row_after(p_event) ->> v_status;
  v_word constant text := case when starts_with(p_type, (p_config ->> 'type') || '_')
    then substr(p_type, length(p_config ->> 'type') + 2) end;
  v_code text := 'other_type';
  v_reason text;
begin
  if p_event.operation in ('ENQUEUE', 'SCHEDULE', 'DATE') or p_type = any (p_event.types) then
    return minutehand.explain_link('type', true, coalesce(p_type, 'none') || case p_event.operation
      when 'ENQUEUE' then ', not compared: a person started it' when 'SCHEDULE' then ', not compared: the clock started it' when 'DATE' then ', not compared: the clock started it' else ' is a type of this change' end, null, to_jsonb(p_type), to_jsonb(p_event.types));
  end if;
  v_reason := format('it waits for %s; this change is %s', coalesce(p_type, 'nothing: it has no trigger_type'),
                     array_to_string(p_event.types, ', '));
  if p_type is not null and not exists (
      select from minutehand.watched w where starts_with(p_type, (w.config ->> 'type') || '_')) then
    v_code := 'type_not_emitted';
    v_reason := format('it waits for %s, which no change of a watched table has', p_type);
  elsif v_word is null or v_word in ('created', 'updated', 'deleted') then
    null;
  elsif p_event.operation = 'INSERT' and minutehand.slug(v_new) = v_word then
    v_code := 'insert_in_status';
    v_reason := format('the row was inserted with the status "%s"; %s means a change to it', v_new, p_type);
  elsif p_event.operation = 'UPDATE' and v_old is distinct from v_new and minutehand.fold(v_old) is not distinct from minutehand.fold(v_new) then
    v_code := 'spelling_only';
    v_reason := format('only the spelling of the status changed ("%s" -> "%s"), which is no change of status', v_old, v_new);
  elsif p_event.operation = 'UPDATE' and v_old is not distinct from v_new then
    v_code := 'status_unchanged';
    v_reason := format('the status stayed "%s"; it waits for %s', v_new, p_type);
  elsif p_event.operation = 'UPDATE' then
    v_code := 'other_status';
    v_reason := format('the status became "%s"; it waits for %s', v_new, p_type);
  end if;
  return minutehand.explain_link('type', false, v_reason, v_code, to_jsonb(p_type), to_jsonb(p_event.types));
end
$$;

-- minutehand.explain_steps(definition) -> link: can its definition be read, and does it have steps?
create or replace function minutehand.explain_steps(p_definition jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_problem text := coalesce(
    case when minutehand.is_too_large(p_definition) then minutehand.size_problem(p_definition) end,
    minutehand.trigger_problem(p_definition));
begin
  if v_problem is not null then
    return minutehand.explain_link('steps', false, v_problem, 'bad_workflow');
  end if;
  v_problem := minutehand.steps_problem(p_definition);
  return minutehand.explain_link('steps', v_problem is null, coalesce(v_problem, 'it has steps'), case
    when v_problem like 'steps:%' then 'unreadable_steps' when v_problem is not null then 'no_steps' end);
end
$$;

-- minutehand.deciding_leaf(result tree) -> jsonb: of conditions that are not met, the first node on which that depends.
create or replace function minutehand.deciding_leaf(p_tree jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  v_found jsonb;
begin
  if p_tree ? 'problem' and (p_tree ? 'all' or p_tree ? 'any' or p_tree ? 'not') then
    v_found := jsonb_path_query_first(p_tree, 'strict $.** ? (exists (@.problem) && !exists (@.all) && !exists (@.any) && !exists (@.not))');
  elsif p_tree ? 'all' then
    v_found := minutehand.deciding_leaf(jsonb_path_query_first(p_tree, '$.all[*] ? (@.held == false)'));
  elsif p_tree ? 'any' then
    v_found := minutehand.deciding_leaf(coalesce(jsonb_path_query_first(p_tree, '$.any[*] ? (exists (@.problem))'), p_tree #> '{any,0}'));
  elsif p_tree ? 'not' then
    v_found := jsonb_path_query_first(p_tree, 'strict $.** ? (exists (@.field))') || '{"negated": true}';
  end if;
  return coalesce(v_found, p_tree);
end
$$;

-- minutehand.explain_conditions(event, config, definition) -> links: each condition as it was judged, at most 20, and the one that decides.
create or replace function minutehand.explain_conditions(p_event public.automation_events, p_config jsonb, p_definition jsonb)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_status constant text := minutehand.status_column(p_config);
  v_conditions constant jsonb := minutehand.conditions_of(p_definition, v_status);
  v_tree jsonb;
  v_leaf jsonb;
  v_links jsonb;
begin
  if p_event.cut_columns is not null then
    begin
      perform minutehand.check_recorded(v_conditions, p_event.cut_columns);
    exception when sqlstate 'MH400' then
      return jsonb_build_array(minutehand.explain_link('condition', false, sqlerrm, 'unreadable_condition'));
    end;
  end if;
  v_tree := minutehand.evaluate_conditions(v_conditions, minutehand.row_after(p_event), minutehand.row_before(p_event), v_status);
  if v_tree -> 'held' = 'true' then
    select jsonb_agg(minutehand.explain_link('condition', (leaf ->> 'held')::boolean, minutehand.condition_text(leaf), null,
                                             leaf -> 'wanted', leaf -> 'actual') order by nr) into v_links
    from (
      select leaf, nr from jsonb_path_query(v_tree, 'strict $.** ? (exists (@.field))') with ordinality as l (leaf, nr) limit 20) l;
    return coalesce(v_links, jsonb_build_array(minutehand.explain_link('condition', true, 'it has no conditions')));
  end if;
  v_leaf := minutehand.deciding_leaf(v_tree);
  return jsonb_build_array(minutehand.explain_link(
    'condition', false, minutehand.condition_text(v_leaf), minutehand.condition_code(v_leaf, p_config),
    v_leaf -> 'wanted', v_leaf -> 'actual'));
end
$$;

-- minutehand.condition_code(leaf, config) -> text: why a condition is not met.
create or replace function minutehand.condition_code(p_leaf jsonb, p_config jsonb) returns text
language sql immutable set search_path = '' as $$
  select case
    when p_leaf ->> 'problem' like 'row has no field%' and coalesce(p_config -> 'exclude', '[]') ?| array[
        p_leaf ->> 'field', split_part(regexp_replace(p_leaf ->> 'field', '^(new|old|record)[.]', ''), '.', 1)] then 'excluded_column'
    when p_leaf ->> 'problem' like 'row has no field%' then 'no_such_column'
    when p_leaf ->> 'problem' like 'unknown operator%' then 'unknown_operator'
    when p_leaf ->> 'problem' like 'cannot order%' then 'not_comparable'
    when p_leaf ? 'problem' then 'unreadable_condition'
    when p_leaf -> 'actual' = 'null' and not p_leaf ? 'negated' then 'null_field'
    else 'condition_false'
  end
$$;

-- minutehand.condition_text(leaf) -> text: `status equals "completed": it was "scheduled"`.
create or replace function minutehand.condition_text(p_leaf jsonb) returns text
language sql immutable set search_path = '' as $$
  select case when p_leaf ? 'field' then concat_ws(' ', case when p_leaf ? 'negated' then 'not' end,
      p_leaf ->> 'field', replace(p_leaf ->> 'operator', '_', ' '),
      case when jsonb_typeof(p_leaf -> 'wanted') <> 'null' then minutehand.short_value(p_leaf -> 'wanted') end)
      || ': ' || coalesce(p_leaf ->> 'problem', case when p_leaf ? 'was' then format('it was %s before and %s after',
        minutehand.short_value(p_leaf -> 'was'), minutehand.short_value(p_leaf -> 'actual'))
        else 'it was ' || minutehand.short_value(p_leaf -> 'actual') end)
    else coalesce(p_leaf ->> 'problem', 'its conditions are not met') end
$$;
