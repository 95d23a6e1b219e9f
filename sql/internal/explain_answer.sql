-- Explain: one answer of automation_explain: the links of a change and a workflow, or what is known of a row without one.

-- minutehand.explain_answer(event, execution, workflow's id, config, row now, now) -> {"workflow", "workflow_id", "event_id", "occurred_at",
--   "execution_id", "status", "fired", "code", "reason", "links"}.  event or execution may be a row of nulls, not both;
-- without a workflow it is about the change alone.
create or replace function minutehand.explain_answer(
  p_event public.automation_events, p_log public.automation_execution_logs, p_workflow_id uuid, p_config jsonb, p_row jsonb,
  p_now timestamptz
) returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_workflow public.automation_workflows;
  v_definition jsonb;
  v_state jsonb;
  v_links jsonb := '[]';
begin
  if p_event.id is not null then
    v_links := minutehand.explain_change(p_event, p_config, p_now);
    if minutehand.is_crossed(v_links) and p_log.id is not null then
      v_links := v_links - -1;  -- it did start this one
    end if;
  end if;
  if p_log.id is not null then
    select * into v_workflow from public.automation_workflows w where w.id = p_workflow_id and minutehand.is_of_workflow(p_log, w);
    v_definition := minutehand.definition_of(p_log);
    if p_event.id is not null and p_event.operation <> 'ENQUEUE' and (p_event.operation <> 'SCHEDULE' or p_event.entity_id is not null)
        and v_definition is not null then
      v_links := v_links || minutehand.without_codes(minutehand.explain_conditions(p_event, p_config, v_definition));
    end if;
    v_links := v_links || minutehand.explain_execution(p_log, p_event, p_config, p_row, v_workflow, p_now);
  elsif p_workflow_id is null then
    if not minutehand.is_crossed(v_links) then
      v_links := v_links || minutehand.explain_link('workflow', false, format(
        '%s has no workflow', minutehand.tenant_text(p_event.organization_id, p_event.user_id)), 'no_workflow');
    end if;
  else
    select * into v_workflow from public.automation_workflows w where w.id = p_workflow_id;
    v_state := to_jsonb(s) from minutehand.workflow_at(p_workflow_id, greatest(p_event.matched_at, p_event.occurred_at)) s;
    v_definition := nullif(v_state -> 'definition', 'null');
    if not minutehand.is_crossed(v_links) then
      v_links := v_links || minutehand.explain_workflow(p_event, p_config, v_state, v_workflow);
    end if;
    if not minutehand.is_crossed(v_links) then
      v_links := v_links || minutehand.explain_conditions(p_event, p_config, v_definition);
    end if;
    if not minutehand.is_crossed(v_links) then
      v_links := v_links || minutehand.explain_missing(p_event, v_state);
    end if;
  end if;
  return jsonb_build_object(
    'workflow', coalesce(v_workflow.name, v_definition ->> 'name'), 'workflow_id', p_workflow_id, 'event_id', p_event.id,
    'occurred_at', coalesce(p_event.occurred_at, p_log.created_at), 'execution_id', p_log.id,
    'status', case p_log.status when 'running' then 'processing' else p_log.status end,
    'fired', p_log.id is not null and not (p_log.status = 'skipped' and coalesce(p_log.code in ('loop', 'rate_limited'), false)))
    || minutehand.explain_outcome(v_links);
end
$$;

-- minutehand.explain_outcome(links) -> {"code", "reason", "links"}: those of the last link, where it is crossed; else null.
create or replace function minutehand.explain_outcome(p_links jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('links', p_links, 'code', p_links -> -1 -> 'code')
    || jsonb_build_object('reason', case when minutehand.is_crossed(p_links) then p_links -> -1 -> 'detail' end)
$$;

-- minutehand.without_codes(links) -> links: none of them crossed.  The execution exists, so it was not stopped there.
create or replace function minutehand.without_codes(p_links jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_agg(link - 'code' || case when link ? 'code' then '{"held": null}' else '{}' end::jsonb order by nr)
  from jsonb_array_elements(p_links) with ordinality as l (link, nr)
$$;

-- minutehand.explain_missing(event, state) -> link: all holds as far as is known, and there is no execution.
create or replace function minutehand.explain_missing(p_event public.automation_events, p_state jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_oldest constant timestamptz := (
    select l.created_at from public.automation_execution_logs l order by l.created_at, l.id limit 1);
begin
  if not (p_state ->> 'known')::boolean then
    return minutehand.explain_link('started', null, format(
      'not known: as it was last known the workflow would have started, but %s', p_state ->> 'unknown_because'), 'history_unknown');
  elsif coalesce(p_event.occurred_at < v_oldest, true) then
    return minutehand.explain_link('started', null, format(
      'the change met the workflow, and its execution is deleted: executions are known since %s',
      coalesce(minutehand.utc_text(v_oldest), 'none')), 'execution_pruned');
  end if;
  return minutehand.explain_link('started', null,
    'the change met the workflow, and its execution is not there: somebody deleted it, or saved the workflow in the same moment',
    'execution_missing');
end
$$;

-- minutehand.explain_row(table of the subject, subject, events of it?, now) -> an answer without workflow and change, or null: what
-- the table's trigger and the row itself show beside the recorded changes.
create or replace function minutehand.explain_row(p_table jsonb, p_subject jsonb, p_has_events boolean) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_name constant text := p_table ->> 'table';
  v_last public.automation_events;
  v_differs text;
  v_since timestamptz;
  v_code text;
  v_reason text;
begin
  select * into v_last
  from public.automation_events e
  where e.entity_id = p_table ->> 'key' and e.table_name = v_name and e.operation not in ('ENQUEUE', 'SCHEDULE', 'DATE') order by e.id desc limit 1;
  v_differs := minutehand.row_differs(v_last, p_table -> 'config', nullif(p_table -> 'row', 'null'));
  select e.occurred_at into v_since from public.automation_events e order by e.id limit 1;
  if p_table ->> 'trigger' = 'replaced' then
    v_code := 'trigger_replaced';
    v_reason := format('a trigger of %s has the name of ours and calls another function, so no change is recorded', v_name);
  elsif p_table ->> 'trigger' is null then
    v_code := 'no_trigger';
    v_reason := format('%s is not watched, so no change of it is recorded', v_name);
  elsif p_table ->> 'trigger' = 'off' then
    v_code := 'trigger_disabled';
    v_reason := format('the trigger on %s is disabled, so no change is recorded now', v_name);
  elsif p_table -> 'row' = 'null' and v_last.id is null then
    v_code := 'row_unknown';
    v_reason := coalesce(p_table #>> '{problem,reason}', format('%s has no row %s, and no change of one is recorded', v_name, p_table ->> 'key'));
  elsif v_differs is not null then
    v_code := 'bypassed';
    v_reason := format('the row differs from its last recorded change (%s): %s.  Something changed it without the trigger: '
      'session_replication_role = replica, a disabled trigger, TRUNCATE or a restore%s', v_last.id, v_differs, minutehand.lost_text());
  elsif p_has_events then
    return null;
  elsif (p_subject ->> 'since')::timestamptz < v_since or v_last.id is null and exists (
      select from public.automation_execution_logs l
      where l.entity_id = p_table ->> 'key' and l.event_id is not null and l.event_id < (
        select e.id from public.automation_events e order by e.id limit 1)) then
    v_code := 'pruned';
    v_reason := format('no change of %s %s is recorded; changes are kept for 30 days, and known since %s', v_name, p_table ->> 'key',
                       minutehand.utc_text(v_since));
  elsif v_last.id is not null then
    v_code := 'nothing_changed';
    v_reason := format('no change is recorded in this time; the row is as change %s left it at %s.  An UPDATE that sets what stood '
      'there already is no change, and one that was rolled back leaves nothing', v_last.id, minutehand.utc_text(v_last.occurred_at));
  elsif minutehand.lost_text() <> '' then
    v_code := 'change_lost';
    v_reason := format('no change of %s %s is recorded%s', v_name, p_table ->> 'key', minutehand.lost_text());
  else
    v_code := 'never_recorded';
    v_reason := format('the row is there, and no change of it is recorded: it has not changed since %s is watched, or its changes '
      'were rolled back or made without the trigger%s', v_name, coalesce('; changes are known since ' || minutehand.utc_text(v_since), ''));
  end if;
  return minutehand.explain_plain(v_code, v_reason, case when v_code like '%trigger%' then 'trigger' else 'change' end);
end
$$;

-- minutehand.lost_text() -> text: how many changes could not be recorded, as the end of a sentence; '' where none.
create or replace function minutehand.lost_text() returns text
language sql stable set search_path = '' as $$
  select case when is_called then format('; %s changes could not be recorded in this database, and this may be one', last_value) else '' end
  from minutehand.lost_events
$$;

-- minutehand.row_differs(last event, config, row now) -> text: in what the row differs from its last recorded change, or null.  Columns
-- that are excluded, were not recorded or were added since say nothing.
create or replace function minutehand.row_differs(p_event public.automation_events, p_config jsonb, p_row jsonb) returns text
language sql stable set search_path = '' as $$
  select case
    when p_event.id is null or p_event.missing_columns is not null then null
    when p_row is null and p_event.operation <> 'DELETE' then 'the row is gone'
    when p_row is not null and p_event.operation = 'DELETE' and not p_config ? 'soft_delete' then 'the row is there again'
    when p_row is not null and p_event.operation <> 'DELETE' then (
      select string_agg(format('%s is %s, recorded was %s', c.key, minutehand.short_value(c.value),
                               minutehand.short_value(p_event.new -> c.key)), ', ')
      from (
        select key, value from jsonb_each(p_row)
        where p_event.new ? key and p_event.new -> key <> value
          and not coalesce(p_config -> 'virtual' ? key, false)
        order by key limit 5) c)
  end
$$;

-- minutehand.explain_plain(code, reason, link's name) -> an answer of one crossed link.
create or replace function minutehand.explain_plain(p_code text, p_reason text, p_link text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'workflow', null, 'workflow_id', null, 'event_id', null, 'occurred_at', null, 'execution_id', null, 'status', null, 'fired', false,
    'code', p_code, 'reason', p_reason, 'links', jsonb_build_array(minutehand.explain_link(p_link, false, p_reason, p_code)))
$$;

-- minutehand.explain_recipient(subject, executions of it?) -> [answer]: opt-outs of the address, and that nothing was sent to it.
create or replace function minutehand.explain_recipient(p_subject jsonb, p_has_executions boolean) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(minutehand.explain_plain(a.code, a.reason, a.link)), '[]')
  from (
    select 'opted_out' as code, format('%s opted out of %s at %s%s: nothing is sent to it', o.address,
      case o.channel when 'all' then 'everything' else o.channel end, minutehand.utc_text(o.created_at),
      case when o.tenant <> '' then ' for tenant ' || o.tenant else '' end) as reason, 'recipient' as link
    from public.automation_opt_outs o
    where o.address = p_subject ->> 'address'
      and (p_subject ->> 'tenant' is null or o.tenant in ('', p_subject ->> 'tenant'))
    union all
    select 'no_send', format('no send to %s is recorded, and no execution that ended names it; ask about the row that is about it',
      p_subject ->> 'address'), 'recipient'
    where not p_has_executions and not exists (
      select from public.automation_opt_outs o
      where o.address = p_subject ->> 'address' and (p_subject ->> 'tenant' is null or o.tenant in ('', p_subject ->> 'tenant')))
    limit 10) a
$$;

-- minutehand.explain_key(answer, key) -> the answer about the execution of an enqueue with this key: what a later call with it does.
create or replace function minutehand.explain_key(p_answer jsonb, p_key text) returns jsonb
language sql stable set search_path = '' as $$
  select p_answer || minutehand.explain_outcome(
    minutehand.without_codes(p_answer -> 'links') || minutehand.explain_link('key', false, said.text, 'duplicate_key'))
  from (
    select format('the key %s was used at %s, for execution %s; a later enqueue with it starts nothing', p_key,
      minutehand.utc_text((p_answer ->> 'occurred_at')::timestamptz), p_answer ->> 'execution_id') as text) said
$$;
