-- Explain: what became of an execution, link by link (explain_links.sql has the links before it).

-- minutehand.explain_execution(execution, event, config, row now, state, its row now, now) -> links: loop and rate limit, the version
-- that runs, who claimed it, what it waits for, each step, the end.
-- config and row: of its watched table; config is null where the row was not read.
create or replace function minutehand.explain_execution(
  p_log public.automation_execution_logs, p_event public.automation_events, p_config jsonb, p_row jsonb,
  p_workflow public.automation_workflows, p_now timestamptz
) returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_links jsonb := minutehand.explain_start(p_log, p_workflow);
begin
  if minutehand.is_crossed(v_links) then
    return v_links;
  end if;
  if p_log.status = 'pending' then
    v_links := v_links || minutehand.explain_claimed(p_log) || minutehand.explain_recorded_steps(p_log)
      || minutehand.explain_pending(p_log, p_event, p_config, p_row, p_workflow, p_now);
  else
    v_links := v_links || minutehand.explain_claimed(p_log) || minutehand.explain_recorded_steps(p_log)
      || minutehand.explain_end(p_log, p_workflow);
  end if;
  return v_links;
end
$$;

-- minutehand.explain_start(execution, workflow) -> links: was it stopped when it was made, and which version does it run?
create or replace function minutehand.explain_start(
  p_log public.automation_execution_logs, p_workflow public.automation_workflows
) returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_by public.automation_execution_logs;
begin
  if p_log.status = 'skipped' and p_log.code = 'loop' then
    return jsonb_build_array(minutehand.explain_link(
      'loop', false, p_log.reason, case when p_log.reason like 'a chain of%' then 'depth' else 'loop' end));
  elsif p_log.status = 'skipped' and p_log.code = 'rate_limited' then
    select * into v_by
    from public.automation_execution_logs l
    where l.entity_id = p_log.entity_id and l.workflow_id = p_log.workflow_id and l.created_at <= p_log.created_at and l.id <> p_log.id
      and l.status in ('pending', 'processing', 'running', 'completed')
      and minutehand.fold(minutehand.readable_json(l.trigger_data::text) ->> 'new_status')
        is not distinct from minutehand.fold(minutehand.readable_json(p_log.trigger_data::text) ->> 'new_status')
    order by l.created_at desc limit 1;
    return jsonb_build_array(minutehand.explain_link('rate_limit', false, p_log.reason || coalesce(
      format('; it counts execution %s of %s', v_by.id, minutehand.utc_text(v_by.created_at)), ''), 'rate_limited'));
  end if;
  return jsonb_build_array(minutehand.explain_link('started', true, format(
    'execution %s, created at %s%s%s', p_log.id, minutehand.utc_text(p_log.created_at),
    coalesce(', runs version ' || p_log.workflow_version, ''),
    case when p_workflow.version > p_log.workflow_version then format(' (the workflow is at version %s now)', p_workflow.version)
      else '' end)
    || case when p_log.event_id is null then '; the app inserted it itself' else '' end));
end
$$;

-- minutehand.explain_claimed(execution) -> links: who claimed it last, and the attempts since the last progress; none if nobody did.
create or replace function minutehand.explain_claimed(p_log public.automation_execution_logs) returns jsonb
language sql stable set search_path = '' as $$
  select case when coalesce(p_log.claimed_at, p_log.started_at) is null then '[]'::jsonb
    else jsonb_build_array(minutehand.explain_link('claimed', true, format(
      'by %s at %s%s', coalesce(p_log.worker, 'a processor that is not ours'),
      minutehand.utc_text(coalesce(p_log.claimed_at, p_log.started_at)),
      case when p_log.attempt > 0 then format(', attempt %s of %s', p_log.attempt, coalesce(p_log.max_attempts::text, '5')) else '' end
      || case when p_log.lost_leases > 0 then format('; %s workers were lost while running it', p_log.lost_leases) else '' end))) end
$$;

-- minutehand.explain_recorded_steps(execution) -> links: each step's result, at most 20.
create or replace function minutehand.explain_recorded_steps(p_log public.automation_execution_logs) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(minutehand.explain_link(
    'step', s.step ->> 'status' = 'success', concat_ws(' ',
      coalesce(s.step ->> 'name', s.step #>> '{result,type}', s.step ->> 'stepId') || ':', s.step ->> 'status',
      '(' || (s.step ->> 'code') || ')', coalesce(s.step ->> 'error', s.step ->> 'reason'))) order by s.nr), '[]')
  from (
    select step, nr
    from jsonb_array_elements(minutehand.as_objects(p_log.actions_executed::text)) with ordinality as s (step, nr) limit 20) s
$$;

-- minutehand.explain_pending(…) -> links: what a pending execution waits for, and what the check before its next step says now.
create or replace function minutehand.explain_pending(
  p_log public.automation_execution_logs, p_event public.automation_events, p_config jsonb, p_row jsonb,
  p_workflow public.automation_workflows, p_now timestamptz
) returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_wait record;
  v_stop record;
  v_pause public.automation_control;
  v_seen constant timestamptz := (select max(heartbeat_at) from public.automation_workers);
begin
  select * into v_wait from minutehand.waiting_for(p_log, p_now);
  select * into v_stop
  from minutehand.may_run(p_log, p_workflow, minutehand.is_on(p_workflow), coalesce(p_event.operation, minutehand.readable_json(p_log.trigger_data::text) ->> 'operation'),
                          p_row, p_config, (select p from minutehand.pauses p),
                          minutehand.stop_when(p_workflow), minutehand.row_before(p_event)) m
  where m.code <> 'paused' order by m.nr limit 1;
  if v_stop.code is not null then
    return jsonb_build_array(minutehand.explain_link('eligible', false, format('it will end as %s: %s', v_stop.ended,
      case v_stop.code when 'workflow_off' then minutehand.off_text(p_log, p_workflow) else v_stop.reason end),
      case when v_stop.code = 'workflow_off' then minutehand.off_code(p_workflow) else v_stop.code end));
  elsif v_wait.code = 'paused' then
    select * into v_pause
    from minutehand.pauses_over(minutehand.tenant_of(p_log), p_log.workflow_id::text) order by scope limit 1;
    return jsonb_build_array(minutehand.explain_link('not_paused', false, format(
      '%s (since %s)', v_wait.reason, minutehand.utc_text(v_pause.paused_at)),
      case when v_pause.reason like 'breaker:%' then 'breaker' else 'paused' end, null, to_jsonb(v_pause.scope)));
  elsif v_wait.code in ('waiting', 'flood', 'restored', 'copy', 'earlier_unfinished', 'not_due', 'stale_first', 'runs_alone', 'recipient_limit',
                        'tenant_limit', 'recipient_volume', 'outside_window', 'rate_limited', 'busy', 'quota_exceeded') then
    return jsonb_build_array(minutehand.explain_link('due', false, concat_ws(': ', v_wait.reason,
      case when v_wait.code not in ('flood', 'restored', 'copy') then p_log.reason end), v_wait.code));
  elsif v_wait.code is not null then
    return jsonb_build_array(minutehand.explain_link('due', false, format(
      'it is tried again at %s: %s (%s)', minutehand.utc_text(minutehand.due_at(p_log)), p_log.reason, p_log.code), 'retrying'));
  elsif coalesce(v_seen < p_now - interval '2 minutes', true) then
    return jsonb_build_array(minutehand.explain_link('processor', false, format(
      'it is due since %s, and no processor runs: %s', minutehand.utc_text(minutehand.due_at(p_log)),
      minutehand.processor_text(p_now)), 'no_processor'));
  end if;
  return jsonb_build_array(minutehand.explain_link('due', null, format(
    'it is due since %s; the next tick claims it, after those that are due before it', minutehand.utc_text(minutehand.due_at(p_log))), 'due'));
end
$$;

-- minutehand.off_code(workflow's row) -> text: is it off, or gone?
create or replace function minutehand.off_code(p_workflow public.automation_workflows) returns text
language sql stable set search_path = '' as $$
  select case when p_workflow.id is null then 'deleted_since' else 'switched_off_since' end
$$;

-- minutehand.off_text(execution, workflow's row) -> text: since when it is off, or when it was deleted.
create or replace function minutehand.off_text(
  p_log public.automation_execution_logs, p_workflow public.automation_workflows
) returns text language sql stable set search_path = '' as $$
  select case
    when p_workflow.id is null then 'the workflow was deleted' || coalesce(' at ' || minutehand.utc_text(s.deleted_at), '')
    when minutehand.is_on(p_workflow) then 'the workflow was switched off when the step was to begin; it is on now'
    else format('the workflow is switched off (%s)', minutehand.off_switch(minutehand.row_of(p_workflow)))
      || coalesce(' since ' || minutehand.utc_text(s.since), '') end
  from minutehand.workflow_at(p_log.workflow_id, 'infinity') s
$$;

-- minutehand.explain_end(execution, workflow's row) -> link: how it ended, or that it runs.
create or replace function minutehand.explain_end(
  p_log public.automation_execution_logs, p_workflow public.automation_workflows
) returns jsonb language sql stable set search_path = '' as $$
  select case
    when p_log.status in ('processing', 'running') and p_log.lease_expires_at is null then minutehand.explain_link(
      'end', null, 'another processor than ours took it; ours neither claims nor ends it', 'other_processor')
    when p_log.status in ('processing', 'running') then minutehand.explain_link('end', null, format(
      'it runs now; its lease ends at %s', minutehand.utc_text(p_log.lease_expires_at)), 'running')
    when p_log.status = 'completed' then minutehand.explain_link(
      'end', true, 'completed' || coalesce(' at ' || minutehand.utc_text(p_log.completed_at), ''))
    when p_log.code = 'workflow_off' then minutehand.explain_link(
      'end', false, minutehand.off_text(p_log, p_workflow), minutehand.off_code(p_workflow))
    else minutehand.explain_link('end', false, concat_ws(
      ': ', p_log.status || coalesce(' at ' || minutehand.utc_text(p_log.completed_at), ''), coalesce(p_log.reason, p_log.error_message)),
      coalesce(p_log.code, p_log.status))
  end
$$;
