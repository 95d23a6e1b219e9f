-- Matching: which workflows does a change start?

-- minutehand.match_events(limit, now) -> {"matched": events, "executions": created, "set_aside": events}
-- Matches events that the trigger left unmatched (over its budget, after an error, a locked table).  Any number may run at once.
-- An event that fails is tried again with a growing delay, and set aside with its error after 5 attempts; if the database is
-- at fault (a column is missing, the disk is full), it is tried until that is fixed.  No event is started after 3 s: the
-- platform ends a statement after 8 s, and all its work would be lost.
-- Locks: the events (skip locked), then sorted advisory locks on rows (R10).  Called by: automation_tick.
create or replace function minutehand.match_events(p_limit integer, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_deadline constant timestamptz := clock_timestamp() + interval '3 s';
  v_events public.automation_events[];
  v_event public.automation_events;
  v_result record;
  v_made integer := 0;
  v_matched integer := 0;
  v_set_aside integer := 0;
begin
  select array_agg(e order by e.id) into v_events
  from (
    select *
    from public.automation_events
    where matched_at is null and match_attempts < 5 and coalesce(match_after, '-infinity') <= p_now
    order by id
    limit p_limit
    for update skip locked
  ) e;
  if v_events is null then
    return jsonb_build_object('matched', 0, 'executions', 0, 'set_aside', 0);
  end if;

  -- The rate limit is counted under these locks; sorted, so that two ticks never wait for each other in a circle.
  perform pg_advisory_xact_lock(key)
  from (select distinct minutehand.rate_limit_lock(null, entity_id) as key from unnest(v_events) order by 1) keys;

  foreach v_event in array v_events loop
    exit when clock_timestamp() > v_deadline;
    begin
      select * into v_result
      from minutehand.match_event(
        v_event,
        (select config from minutehand.watched where name = v_event.table_name limit 1),
        null, true);
    exception when others then
      select sqlerrm as problem, minutehand.is_temporary_error(sqlstate) as passing into v_result;
    end;
    if v_result.problem is null then
      update public.automation_events set matched_at = p_now, error = null where id = v_event.id;
      v_matched := v_matched + 1;
    else
      update public.automation_events
      set match_attempts = case when v_result.passing then least(match_attempts + 1, 4) else match_attempts + 1 end,
          match_after = p_now + minutehand.backoff(match_attempts + 1),
          error = v_result.problem
      where id = v_event.id
      returning v_set_aside + (match_attempts >= 5)::integer into v_set_aside;
    end if;
  end loop;
  if v_matched > 0 then
    select count(*) into v_made
    from public.automation_execution_logs
    where event_id in (select e.id from unnest(v_events) e);
  end if;
  return jsonb_build_object('matched', v_matched, 'executions', v_made, 'set_aside', v_set_aside);
end
$$;

-- minutehand.row_before(event) -> jsonb: the row before the change; null for an INSERT.  An UPDATE stores the whole new row, and
-- of the old one only what differs.
create or replace function minutehand.row_before(p_event public.automation_events) returns jsonb
language sql immutable as $$
  select case p_event.operation when 'UPDATE' then p_event.new || p_event.old else p_event.old end
$$;

-- minutehand.row_after(event) -> jsonb: the row after the change; for a DELETE the row that is gone.
create or replace function minutehand.row_after(p_event public.automation_events) returns jsonb
language sql immutable as $$
  select coalesce(p_event.new, p_event.old)
$$;

-- minutehand.match_event(event, config, deadline, isolate) -> (problem, passing): problem is null when every workflow was decided;
-- passing is true when the database is at fault for everything that failed.
-- Past the deadline it stops with problem `budget`.  With `isolate` each workflow has a block of its own, so that one that fails
-- does not affect the others; without it, an error leaves through the caller's block (a block costs a subtransaction, and nearly
-- no event needs more than one).
create or replace function minutehand.match_event(
  p_event public.automation_events, p_config jsonb, p_deadline timestamptz, p_isolate boolean,
  out problem text, out passing boolean
) language plpgsql as $$
declare
  v_workflow public.automation_workflows;
  v_old jsonb := minutehand.row_before(p_event);
  v_new jsonb := minutehand.row_after(p_event);
  v_single_tenant boolean := p_config is not null and p_config ->> 'tenant' is null;
  v_made boolean := false;
begin
  passing := true;
  foreach v_workflow in array minutehand.candidate_workflows(p_event, v_single_tenant) loop
    if clock_timestamp() > p_deadline then
      problem := coalesce(problem, 'budget');
      exit;
    elsif p_isolate then
      begin
        v_made := minutehand.start_if_matching(v_workflow, p_event, p_config, v_new, v_old) or v_made;
      exception when others then
        if sqlstate = '55P03' then
          raise;  -- the next workflow would wait for the same lock
        end if;
        passing := passing and minutehand.is_temporary_error(sqlstate);
        problem := concat_ws('; ', problem, format('workflow %s: %s', v_workflow.id, sqlerrm));
      end;
    else
      v_made := minutehand.start_if_matching(v_workflow, p_event, p_config, v_new, v_old) or v_made;
    end if;
  end loop;
  if v_made then
    perform minutehand.notify();
  end if;
end
$$;

-- minutehand.candidate_workflows(event, single tenant?) -> the workflows of its types and tenant that existed when it occurred.
-- Three queries, each with its own index: an app of 1,000 tenants has as many workflows of one type, and each row of a bulk
-- UPDATE would read them all.  The tenants are compared as in minutehand.same_tenant.
create or replace function minutehand.candidate_workflows(p_event public.automation_events, p_single_tenant boolean)
returns public.automation_workflows[] language plpgsql stable as $$
declare
  v_organization_id text := p_event.organization_id;
  v_user_id text := p_event.user_id;
  v_types text[] := p_event.types;
  v_at timestamptz := p_event.occurred_at;
begin
  if p_single_tenant then
    return array(
      select w from public.automation_workflows w
      where w.trigger_type = any (v_types) and coalesce(w.created_at <= v_at, true) order by w.id);
  elsif v_organization_id is not null then
    return array(
      select w from public.automation_workflows w
      where w.organization_id::text = v_organization_id and w.trigger_type = any (v_types)
        and coalesce(w.created_at <= v_at, true) order by w.id);
  end if;
  return array(
    select w from public.automation_workflows w
    where w.user_id::text = v_user_id and w.trigger_type = any (v_types)
      and coalesce(w.created_at <= v_at, true) order by w.id);
end
$$;

-- minutehand.start_if_matching(workflow, event, config, new, old) -> boolean: did this change start an execution of this workflow?
create or replace function minutehand.start_if_matching(
  p_workflow public.automation_workflows, p_event public.automation_events, p_config jsonb, p_new jsonb, p_old jsonb
) returns boolean language plpgsql as $$
declare
  v_status text := minutehand.status_column(p_config);
  v_row jsonb := minutehand.row_of(p_workflow);
begin
  if not minutehand.is_row_on(v_row)
     or not minutehand.conditions_met(minutehand.conditions_of(v_row, v_status), p_new, p_old, v_status) then
    return false;
  end if;
  perform minutehand.start_execution(p_workflow, p_event, p_config, p_new ->> v_status, p_old ->> v_status);
  return true;
end
$$;

-- minutehand.start_execution(workflow, event, config, new status, old status): creates one execution, pending or skipped with why.
create or replace function minutehand.start_execution(
  p_workflow public.automation_workflows, p_event public.automation_events, p_config jsonb, p_new_status text,
  p_old_status text
) returns void language plpgsql as $$
declare
  v_log public.automation_execution_logs;
  v_limit record;
begin
  v_log.status := 'pending';
  v_log.chain_depth := 0;
  if p_event.cause is not null then
    select c.depth, c.reason into v_log.chain_depth, v_log.reason
    from minutehand.cause_chain(p_event, p_workflow.id, p_config) c;
    if v_log.reason is not null then
      v_log.status := 'skipped';
      v_log.code := 'loop';
    end if;
  end if;
  if v_log.status = 'pending' then
    select * into v_limit from minutehand.rate_limited_until(
      p_workflow, p_event.entity_id, p_new_status, p_event.occurred_at);
    if v_limit.until is not null and v_limit.delay then
      v_log.scheduled_at := v_limit.until;
    elsif v_limit.until is not null then
      v_log.status := 'skipped';
      v_log.code := 'rate_limited';
      v_log.reason := v_limit.reason;
    end if;
  end if;
  -- Through a variable: an adopted table's ids may be of another type than the workflow's.
  v_log.user_id := coalesce(p_event.user_id, p_workflow.user_id::text);
  v_log.organization_id := coalesce(p_event.organization_id, p_workflow.organization_id::text);
  insert into public.automation_execution_logs (
    workflow_id, workflow_version, trigger_type, status, trigger_data, created_at, scheduled_at, completed_at, event_id,
    entity_id, user_id, organization_id, code, reason, caused_by, chain_depth, entity_order, attempt, lost_leases)
  values (
    p_workflow.id, coalesce(p_workflow.version, 1), p_workflow.trigger_type, v_log.status,
    jsonb_strip_nulls(jsonb_build_object(
      'table_name', p_event.table_name, 'operation', p_event.operation, 'record_id', p_event.entity_id,
      'old_status', p_old_status, 'new_status', p_new_status)),
    p_event.occurred_at, v_log.scheduled_at, case when v_log.status = 'skipped' then p_event.occurred_at end, p_event.id,
    p_event.entity_id, v_log.user_id, v_log.organization_id, v_log.code, v_log.reason,
    case when v_log.chain_depth > 0 then p_event.cause end, v_log.chain_depth,
    case when p_event.entity_id is not null then minutehand.order_of(p_workflow.settings::jsonb) end, 0, 0)
  -- Ours alone: what another unique index of an adopted table refuses must not vanish.
  on conflict (event_id, workflow_id) where event_id is not null and replay_of is null do nothing;
end
$$;

-- minutehand.cause_chain(event, workflow, config) -> (depth, reason): how deep in a chain of causes this execution would be, and
-- why it must not start (R11).  A cause counts only if it is an execution of the event's own tenant; else depth is 0.
create or replace function minutehand.cause_chain(
  p_event public.automation_events, p_workflow_id uuid, p_config jsonb, out depth integer, out reason text
) language plpgsql stable as $$
declare
  v_above record;
begin
  depth := 0;
  for v_above in
    with recursive above as (
      select l.id, l.workflow_id, l.entity_id, l.caused_by, coalesce(l.chain_depth, 0) as chain_depth, 1 as step
      from public.automation_execution_logs l
      where l.id = p_event.cause
        and (p_config is not null and p_config ->> 'tenant' is null or minutehand.same_tenant(
          p_event.organization_id, p_event.user_id, l.organization_id::text, l.user_id::text))
      union all
      select l.id, l.workflow_id, l.entity_id, l.caused_by, coalesce(l.chain_depth, 0), a.step + 1
      from above a
      join public.automation_execution_logs l on l.id = a.caused_by
      where a.step < 10
    )
    select * from above order by step
  loop
    if v_above.step = 1 then
      depth := least(v_above.chain_depth, 1000000) + 1;
    end if;
    if v_above.workflow_id = p_workflow_id and v_above.entity_id is not distinct from p_event.entity_id then
      reason := format('this workflow itself caused this change of the same row, by execution %s', v_above.id);
      return;
    end if;
  end loop;
  if depth > 5 then
    reason := format('a chain of %s executions caused each other; the limit is 5', depth);
  end if;
end
$$;
