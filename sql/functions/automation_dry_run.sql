-- automation_dry_run(p_workflow, p_row, p_payload, p_now) -> {"now", "workflow": {"id", "version", "name", "definition", "zone"},
--   "trigger_data", "entity_id", "type", "row", "old", "links", "hidden", "since": when the change occurred | null, "change": {"id",
--   "operation", "types"} | null, "execution": the one that the change started, {"id", "status", "code", "reason"} | null,
--   "version_then": the workflow's version that the change met | null, "unknown": why that is not known | null,
--   "conditions": result tree | null, "status": status column, "stops": [{"code", "reason", "as_of": "then" | "now"}],
--   "tenant": {"organization_id", "user_id"}, "writable": [table]}
-- Would this workflow start, and what would its run see?  With p_row it judges the row's newest change of the workflow's trigger
-- type, else its newest change, among the newest 5,000 changes of all tables: its start by the workflow, row and time as they were
-- then, all that follows as of now.  Without a change everything is as of now, and `old` is null.  With p_payload alone it does as
-- automation_enqueue.  `stops`: every reason that kept it from starting, or would keep it from running.
-- Locks: none; writes nothing.  Errors: as automation_enqueue.  Called by: store.dry_run.
create or replace function public.automation_dry_run(
  p_workflow text, p_row text default null, p_payload jsonb default null, p_now timestamptz default null
) returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_workflow constant public.automation_workflows := minutehand.find_workflow(p_workflow);
  v_table constant text := minutehand.table_of_workflow(v_workflow);
  v_watched minutehand.watched;
  v_row record;
  v_event public.automation_events;
  v_started public.automation_execution_logs;
  v_log public.automation_execution_logs;
  v_state jsonb;
  v_status text;
  v_trees jsonb;
begin
  if p_row is null and p_payload is null then
    raise exception 'nothing to run workflow "%" on', v_workflow.name
      using errcode = 'MH400', hint = 'Name a row (--row ID) or give a payload (--payload @file).';
  end if;
  select * into v_watched from minutehand.watched w where w.name = v_table;
  v_status := minutehand.status_column(v_watched.config);
  select null::text as key, null::jsonb as current, null::jsonb as links, null::jsonb as hidden into v_row;
  if p_row is not null then
    if minutehand.time_kind(minutehand.row_of(v_workflow)) is null then
      v_event := minutehand.dry_run_change(v_workflow, v_watched, p_row);
    end if;
    select * into v_row from minutehand.dry_run_row(v_workflow, v_watched, v_event, p_row);
    p_row := v_row.key;
  end if;
  if v_event.id is not null then
    v_state := to_jsonb(s) from minutehand.workflow_at(
      v_workflow.id, coalesce(greatest(v_event.matched_at, v_event.occurred_at), v_now)) s;
    select * into v_started
    from public.automation_execution_logs l
    where l.event_id = v_event.id and l.workflow_id = v_workflow.id and l.replay_of is null;
  end if;
  v_trees := minutehand.dry_run_conditions(v_workflow, v_watched.config, v_event, v_state, v_row.current);
  v_log.workflow_id := v_workflow.id;
  v_log.entity_id := p_row;
  v_log.organization_id := coalesce(v_event.organization_id, v_workflow.organization_id::text);
  v_log.user_id := coalesce(v_event.user_id, v_workflow.user_id::text);
  return jsonb_build_object(
    'now', v_now, 'workflow', jsonb_build_object(
      'id', v_workflow.id, 'version', coalesce(v_workflow.version, 1), 'name', v_workflow.name,
      'definition', minutehand.row_of(v_workflow), 'zone', minutehand.zone_of(minutehand.row_of(v_workflow))),
    'trigger_data', jsonb_strip_nulls(jsonb_build_object(
      'table_name', v_table, 'operation', coalesce(v_event.operation, 'ENQUEUE'), 'record_id', p_row,
      'old_status', minutehand.row_before(v_event) ->> v_status, 'new_status', minutehand.row_after(v_event) ->> v_status))
      || case when p_payload is null then '{}' else jsonb_build_object('payload', p_payload) end,
    'entity_id', p_row, 'type', v_watched.config -> 'type',
    'row', coalesce(v_row.current, minutehand.row_after(v_event)), 'old', minutehand.row_before(v_event),
    'links', v_row.links, 'hidden', coalesce(v_row.hidden, '{}') || minutehand.excluded_names(v_watched.config),
    'since', v_event.occurred_at, 'conditions', coalesce(v_trees -> 'then', v_trees -> 'now'), 'status', v_status,
    'change', case when v_event.id is not null then jsonb_build_object(
      'id', v_event.id, 'operation', v_event.operation, 'types', to_jsonb(v_event.types)) end,
    'execution', case when v_started.id is not null then jsonb_build_object(
      'id', v_started.id, 'status', v_started.status, 'code', v_started.code, 'reason', v_started.reason) end,
    'version_then', v_state -> 'version',
    'unknown', v_state -> 'unknown_because',
    'stops', minutehand.dry_run_stops_then(v_workflow, v_watched.config, v_event, v_started, v_state, v_trees -> 'then', v_now)
      || minutehand.dry_run_stops_now(
        v_log, v_workflow, v_event, v_row.current, v_watched.config, v_trees -> 'now', v_now),
    'tenant', jsonb_build_object('organization_id', v_log.organization_id, 'user_id', v_log.user_id),
    'writable', (
      select coalesce(jsonb_agg(w.name), '[]') from minutehand.watched w where (w.config ->> 'writable')::boolean));
end
$$;
comment on function public.automation_dry_run is 'minutehand: what a run of a workflow would see, for a dry run';

-- minutehand.dry_run_change(workflow, watched table, row's id) -> the change of the row that a dry run judges, or a row of nulls.  Who
-- is started by hand is not started by a change.
create or replace function minutehand.dry_run_change(
  p_workflow public.automation_workflows, p_watched minutehand.watched, p_row text
) returns public.automation_events language plpgsql stable set search_path = '' as $$
declare
  v_key text;
  v_event public.automation_events;
begin
  if p_watched.name is null or p_workflow.trigger_type = 'manual' then
    return null;
  end if;
  v_key := minutehand.key_text(p_watched.relation, p_watched.config, p_row);
  select e.* into v_event
  from (select * from public.automation_events order by id desc limit 5000) e
  where e.entity_id in (p_row, v_key) and e.table_name = p_watched.name and e.operation not in ('ENQUEUE', 'SCHEDULE', 'DATE')
  order by coalesce(p_workflow.trigger_type = any (e.types), false) desc, e.id desc
  limit 1;
  return v_event;
end
$$;

-- minutehand.dry_run_row(workflow, watched table, change, row's id) -> (key, current: the row now, null where it is gone, links, hidden).
-- Of a row that is gone, the links are those of the row as the change has it.  Errors: as minutehand.checked_row_id.
create or replace function minutehand.dry_run_row(
  p_workflow public.automation_workflows, p_watched minutehand.watched, p_event public.automation_events, p_row text,
  out key text, out current jsonb, out links jsonb, out hidden jsonb
) language plpgsql stable set search_path = '' as $$
begin
  begin
    key := minutehand.checked_row_id(p_workflow, (p_watched).name, p_row);
  exception when sqlstate 'MH404' then
    if p_event.id is null then
      raise;
    end if;
    perform minutehand.check_row_tenant(p_workflow, (p_watched).name, p_row, minutehand.row_after(p_event), (p_watched).config);
    select p_event.entity_id, g.links, g.hidden into key, links, hidden
    from minutehand.read_gone_rows((p_watched).relation, (p_watched).config, jsonb_build_array(jsonb_build_object(
      'key', p_event.entity_id, 'row', minutehand.row_after(p_event)))) g;
    key := p_event.entity_id;
    return;
  end;
  select r.found, r.links, r.hidden into current, links, hidden
  from minutehand.read_app_rows((p_watched).relation, (p_watched).config, array[key]) r;
end
$$;

-- minutehand.dry_run_conditions(workflow, config, change, its state then, row now) -> {"then": result tree, "now": result tree}: the
-- conditions as they were, on the change; as they are, on the change, where they are others now, and on the row without a change.
-- Who is started by hand has none to meet.
create or replace function minutehand.dry_run_conditions(
  p_workflow public.automation_workflows, p_config jsonb, p_event public.automation_events, p_state jsonb, p_row jsonb
) returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_status constant text := minutehand.status_column(p_config);
  v_now constant jsonb := minutehand.conditions_of(minutehand.row_of(p_workflow), v_status);
  v_then constant jsonb := case when minutehand.is_known(p_state)
    then minutehand.conditions_of(p_state -> 'definition', v_status) else v_now end;
  v_new constant jsonb := case when p_event.id is null then p_row else minutehand.row_after(p_event) end;
begin
  if v_new is null or p_workflow.trigger_type = 'manual' then
    return '{}';
  end if;
  return jsonb_strip_nulls(jsonb_build_object(
    'then', case when p_event.id is not null then minutehand.with_excluded(
      minutehand.evaluate_conditions(v_then, v_new, minutehand.row_before(p_event), v_status), p_config) end,
    'now', case when p_event.id is null or v_then is distinct from v_now then minutehand.with_excluded(
      minutehand.evaluate_conditions(v_now, v_new, minutehand.row_before(p_event), v_status), p_config) end));
end
$$;

-- minutehand.is_known(state of minutehand.workflow_at) -> boolean: is the definition of then known?
create or replace function minutehand.is_known(p_state jsonb) returns boolean
language sql immutable as $$
  select coalesce((p_state ->> 'known')::boolean and jsonb_typeof(p_state -> 'definition') = 'object', false)
$$;

-- minutehand.dry_run_stops_then(workflow, config, change, the execution that it started, state then, result tree then, now) ->
-- [{"code", "reason", "as_of": "then"}]: why the change did not start the workflow, as of then; of what is not known of then, as of now.
create or replace function minutehand.dry_run_stops_then(
  p_workflow public.automation_workflows, p_config jsonb, p_event public.automation_events,
  p_started public.automation_execution_logs, p_state jsonb, p_conditions jsonb, p_now timestamptz
) returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_row constant jsonb := case when minutehand.is_known(p_state) then p_state -> 'definition' else minutehand.row_of(p_workflow) end;
  v_as_of constant text := case when minutehand.is_known(p_state) then 'then' else 'now' end;
  v_problem constant text := case when minutehand.is_too_large(v_row) then minutehand.size_problem(v_row)
    else coalesce(minutehand.trigger_problem(v_row), minutehand.steps_problem(v_row)) end;
  v_cut text;
  v_limit record;
  v_chain record;
begin
  if p_event.id is null then
    return '[]';
  elsif p_started.id is not null then
    return case when p_started.status = 'skipped' and p_started.code in ('rate_limited', 'loop') then jsonb_build_array(
      jsonb_build_object('code', p_started.code, 'reason', p_started.reason, 'as_of', 'then')) else '[]' end;
  end if;
  begin
    perform minutehand.check_recorded(minutehand.conditions_of(v_row, minutehand.status_column(p_config)), p_event.cut_columns);
  exception when sqlstate 'MH400' then
    v_cut := sqlerrm;
  end;
  if p_event.matched_at is null then  -- it is still to be matched: nothing that came later was first
    select * into v_limit from minutehand.rate_limited_until(
      p_workflow, p_event.entity_id, minutehand.row_after(p_event) ->> minutehand.status_column(p_config), p_event.occurred_at);
    if p_event.cause is not null then
      select * into v_chain from minutehand.cause_chain(p_event, p_workflow.id, p_config);
    else
      select null::text as reason into v_chain;
    end if;
  else
    select null::timestamptz as until, null::boolean as delay, null::text as reason into v_limit;
    select null::text as reason into v_chain;
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('code', s.code, 'reason', s.reason, 'as_of', s.as_of) order by s.nr), '[]')
    from (
      select 1 as nr, c.code, c.reason, 'then' as as_of from minutehand.unmatched_reason(p_event) c where c.code is not null
      union all
      select t.nr, t.code, t.reason, t.as_of
      from (values
        (2, p_workflow.created_at > p_event.occurred_at, 'created_later', format(
          'it was created at %s, after this change', minutehand.utc_text(p_workflow.created_at)), 'then'),
        (3, p_state ->> 'deleted_at' is not null and coalesce(p_workflow.created_at <= p_event.occurred_at, true), 'deleted_before', format(
          'it was deleted at %s, before this change', minutehand.utc_text((p_state ->> 'deleted_at')::timestamptz)), 'then'),
        (4, not coalesce(v_row ->> 'trigger_type' = any (p_event.types), false), 'other_type', format(
          'it starts on %s; this change is %s', coalesce(v_row ->> 'trigger_type', 'nothing'), array_to_string(p_event.types, ', ')), v_as_of),
        (5, not minutehand.is_row_on(v_row), 'workflow_off', case when v_as_of = 'then' then format(
          'it was switched off then, since %s', minutehand.utc_text((p_state ->> 'since')::timestamptz))
          else 'the workflow is switched off' end, v_as_of),
        (6, v_problem is not null, 'bad_workflow', v_problem, v_as_of),
        (7, v_cut is not null, 'value_not_recorded', v_cut, v_as_of),
        (8, v_cut is null and p_conditions -> 'held' = 'false', 'conditions', 'the row did not meet its conditions', v_as_of),
        (9, v_limit.until is not null and not coalesce(v_limit.delay, false), 'rate_limited', v_limit.reason, 'then'),
        (10, v_chain.reason is not null, 'loop', v_chain.reason, 'then')
      ) as t (nr, applies, code, reason, as_of)
      where t.applies
    ) s);
end
$$;

-- minutehand.dry_run_stops_now(execution as it would be, workflow, change, row now, config, result tree now, now) ->
-- [{"code", "reason", "as_of": "now"}]: why the execution would not run now, or the same change not start one.
create or replace function minutehand.dry_run_stops_now(
  p_log public.automation_execution_logs, p_workflow public.automation_workflows, p_event public.automation_events, p_row jsonb,
  p_config jsonb, p_conditions jsonb, p_now timestamptz
) returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_problem constant text := minutehand.workflow_problem(p_workflow);
  v_pauses constant minutehand.pauses := (select p from minutehand.pauses p);
begin
  return (
    select coalesce(jsonb_agg(jsonb_build_object('code', s.code, 'reason', s.reason, 'as_of', 'now') order by s.nr), '[]')
    from (
      select m.nr, m.code, m.reason
      from minutehand.may_run(p_log, p_workflow, minutehand.is_on(p_workflow), p_event.operation, p_row, p_config, v_pauses,
                              minutehand.stop_when(p_workflow), minutehand.row_before(p_event)) m
      union all
      select t.nr, t.code, t.reason
      from (values
        (11, v_problem is not null, 'bad_workflow', v_problem),
        (12, p_conditions -> 'held' = 'false', 'conditions', case when p_event.id is null
          then 'the row does not meet its conditions'
          else format('the change does not meet its conditions of now (version %s)', coalesce(p_workflow.version, 1)) end)
      ) as t (nr, applies, code, reason)
      where t.applies
    ) s);
end
$$;

-- minutehand.unmatched_reason(event) -> (code, reason): why a recorded change has started nothing, whatever the workflows; nulls where it
-- was matched.
create or replace function minutehand.unmatched_reason(p_event public.automation_events, out code text, out reason text)
language sql immutable as $$
  select w.code, w.reason
  from (values
    (p_event.error like 'no tenant:%', 'no_tenant', format('the row names no tenant (%s)', substr(p_event.error, 12))),
    (p_event.error like 'imported quietly%', 'imported_quietly', p_event.error),
    (p_event.error like 'soft-deleted:%', 'soft_deleted', p_event.error),
    (p_event.missing_columns is not null, 'column_missing', p_event.error),
    (p_event.matched_at is null and p_event.match_attempts >= 5, 'match_set_aside', format(
      'matching it failed %s times, so it is set aside: %s', p_event.match_attempts, p_event.error)),
    (p_event.matched_at is null and p_event.error is not null, 'match_failing', 'it could not be matched yet: ' || p_event.error),
    (p_event.matched_at is null, 'not_matched_yet', 'it is not matched yet: the next tick of a processor does')
  ) as w (applies, code, reason)
  where w.applies
  limit 1
$$;

-- minutehand.with_excluded(result tree, config) -> the tree, in which a condition on a column that `trigger add --exclude` keeps from
-- being recorded says so.
create or replace function minutehand.with_excluded(p_tree jsonb, p_config jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  v_group text;
  v_column constant text := split_part(regexp_replace(p_tree ->> 'field', '^(new|old|record)[.]', ''), '.', 1);
begin
  if coalesce(p_config -> 'exclude', '[]') = '[]' or p_tree is null then
    return p_tree;
  end if;
  foreach v_group in array array['all', 'any', 'not'] loop
    if jsonb_typeof(p_tree -> v_group) = 'array' then
      return p_tree || jsonb_build_object(v_group, (
        select coalesce(jsonb_agg(minutehand.with_excluded(node, p_config) order by nr), '[]')
        from jsonb_array_elements(p_tree -> v_group) with ordinality as n (node, nr)));
    end if;
  end loop;
  return p_tree || case when p_config -> 'exclude' ? v_column and p_tree ? 'problem'
    then jsonb_build_object('problem', minutehand.excluded_reason(v_column)) else '{}' end;
end
$$;

-- minutehand.excluded_reason(column) -> text: that a column is not recorded and not shown.
create or replace function minutehand.excluded_reason(p_column text) returns text
language sql immutable as $$
  select format('column %s is excluded (minutehand trigger add … --exclude): it is neither recorded nor shown', p_column)
$$;

-- minutehand.excluded_names(config) -> {"job.search": {"code", "reason", "gone"}}: the excluded columns, as a context's `hidden` has what
-- it does not show.
create or replace function minutehand.excluded_names(p_config jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_object_agg(
    (p_config ->> 'type') || '.' || c, jsonb_build_object(
      'code', 'unresolved_variable', 'reason', minutehand.excluded_reason(c), 'gone', true)), '{}')
  from jsonb_array_elements_text(coalesce(p_config -> 'exclude', '[]')) as c
$$;
