-- Explain: workflows that a time starts (automation_explain, `workflow:NAME`).

-- minutehand.explain_timed(subject, now) -> [answer]: of each workflow that the subject names, whether and when it starts next.
create or replace function minutehand.explain_timed(p_subject jsonb, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(
    jsonb_build_object(
      'workflow', w.name, 'workflow_id', w.id, 'event_id', null, 'occurred_at', null, 'execution_id', null, 'status', null, 'fired', false)
      || minutehand.explain_outcome(minutehand.explain_time(w, p_now)) order by w.name, w.id), '[]')
  from public.automation_workflows w
  where w.id in (select value::uuid from jsonb_array_elements_text(p_subject -> 'workflow_ids'))
$$;

-- minutehand.explain_time(workflow, now) -> links: it is on, it can be read, it is not paused, and when it starts next.
create or replace function minutehand.explain_time(p_workflow public.automation_workflows, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_row constant jsonb := minutehand.row_of(p_workflow);
  v_facts constant jsonb := minutehand.time_facts(p_workflow);
  v_switch text;
  v_problem text;
  v_state minutehand.schedules;
  v_links jsonb;
begin
  if v_facts is null then
    return jsonb_build_array(minutehand.explain_link('type', false, format(
      'it waits for %s: changes start it', coalesce(p_workflow.trigger_type, 'nothing')), 'started_by_changes'));
  end if;
  v_links := jsonb_build_array(minutehand.explain_link('type', true, format('a %s starts it', v_facts ->> 'kind'), null, to_jsonb(p_workflow.trigger_type)));
  if not minutehand.is_row_on(v_row) then
    v_switch := minutehand.off_switch(v_row);
    return v_links || minutehand.explain_link('on', false, format('it is switched off (%s = %s)', v_switch, v_row ->> v_switch),
      'off_' || v_switch, '"on"', minutehand.workflow_switches(v_row));
  end if;
  v_links := v_links || minutehand.explain_link('on', true, 'it is on') || minutehand.explain_steps(v_row);
  if minutehand.is_crossed(v_links) then
    return v_links;
  end if;
  select * into v_state from minutehand.schedules s where s.workflow_id = p_workflow.id and s.version = coalesce(p_workflow.version, 1);
  v_problem := coalesce(v_facts ->> 'problem', v_state.problem, (
    select d.problem from minutehand.date_scans d where d.workflow_id = p_workflow.id and d.problem is not null limit 1));
  if v_problem is not null then
    return v_links || minutehand.explain_link('time', false, v_problem, 'never_fires', v_facts -> 'form');
  elsif minutehand.pause_reason(minutehand.tenant_of(p_workflow), p_workflow.id) is not null then
    return v_links || minutehand.explain_link('pause', false, minutehand.pause_reason(
      minutehand.tenant_of(p_workflow), p_workflow.id) || '; what it misses is caught up as if no processor ran', 'paused');
  elsif v_state.workflow_id is null then
    return v_links || minutehand.explain_link('time', null, 'no processor has looked at it yet: ' || minutehand.processor_text(p_now), 'not_looked_at');
  end if;
  if v_facts ->> 'kind' = 'date' then
    return v_links || minutehand.explain_link('time', false, (
      select format('each row starts it %s (times in %s); decided up to %s', string_agg(
        minutehand.date_text(d.offset_text, v_facts #>> '{form,column}'), ', ' order by d.offset_text), v_facts ->> 'zone',
        minutehand.utc_text(min(d.scanned_to)))
      from minutehand.date_scans d where d.workflow_id = p_workflow.id), 'next_firing', v_facts -> 'form');
  end if;
  return v_links || minutehand.explain_link('time', false, format('it starts next at %s%s (times in %s); last looked at %s',
    minutehand.utc_text(v_state.next_at), case when v_state.next_at <= p_now then ', and waits for the next tick' else '' end,
    v_facts ->> 'zone', minutehand.utc_text(v_state.decided_to)), 'next_firing', v_facts -> 'form');
end
$$;
