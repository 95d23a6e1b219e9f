-- Matching: which workflows does a change start?

-- minutehand.pick_unmatched(limit, now) -> ids of events that the trigger left unmatched (over its budget, after an error, a locked
-- table), for one call of automation_match, which follows in a transaction of its own.  Their attempt is counted here.  If that
-- call does not come back, they have an attempt without an error, and are tried again later and in smaller numbers, so that one
-- that cannot be matched does not take others with it.  Fewest attempts first, unless others have waited for a minute; tenants
-- take turns, among the oldest 5,000.
create or replace function minutehand.pick_unmatched(p_limit integer, p_now timestamptz) returns bigint[]
language plpgsql set search_path = '' as $$
declare
  v_next record;
  v_ids bigint[];
begin
  select found.match_attempts as attempts, found.is_lost into v_next
  from (
    values (1, 1, p_now - interval '1 minute'), (2, 2, p_now - interval '1 minute'), (3, 3, p_now - interval '1 minute'),
           (4, 4, p_now - interval '1 minute'), (5, 0, p_now), (6, 1, p_now), (7, 2, p_now), (8, 3, p_now), (9, 4, p_now)
  ) as turns (turn, attempts, due)
  cross join lateral (
    select match_attempts, match_attempts > 0 and error is null as is_lost
    from public.automation_events
    where matched_at is null and match_attempts = turns.attempts and (match_after is null or match_after <= turns.due)
    order by match_after, id
    limit 1
  ) found
  order by turns.turn
  limit 1;
  if not found then
    return '{}';
  end if;
  with oldest as (
    select e.id, row_number() over (partition by coalesce(e.organization_id, e.user_id) order by e.id) as turn
    from (
      select id, organization_id, user_id
      from public.automation_events
      where matched_at is null and match_attempts = v_next.attempts and (match_after is null or match_after <= p_now)
        and (match_attempts > 0 and error is null) = v_next.is_lost
      order by match_after, id
      limit 5000
    ) e
  ), free as (
    select e.id, o.turn
    from oldest o
    join public.automation_events e on e.id = o.id
    order by o.turn, o.id
    limit case when v_next.is_lost then p_limit / (10 ^ least(v_next.attempts, 3))::integer + 1 else p_limit end
    for update of e skip locked
  ), picked as (
    update public.automation_events e
    set match_attempts = e.match_attempts + 1, match_after = p_now + minutehand.backoff(e.match_attempts + 1)
    from free
    where e.id = free.id and e.matched_at is null and e.match_attempts = v_next.attempts
    returning e.id, free.turn
  )
  select array_agg(id order by turn, id) into v_ids from picked;
  return coalesce(v_ids, '{}');
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
-- Past the deadline it stops with problem `budget`; so it does at conditions of more than `most` comparisons
-- (minutehand.comparisons), which the trigger leaves to the tick.  With `isolate` each workflow has a block of its own, so
-- that one that fails does not affect the others; without it, an error leaves through the caller's block (a block costs a
-- subtransaction, and nearly no event needs more than one).
create or replace function minutehand.match_event(
  p_event public.automation_events, p_config jsonb, p_deadline timestamptz, p_isolate boolean, p_most bigint,
  out problem text, out passing boolean
) language plpgsql as $$
declare
  v_workflow public.automation_workflows;
  -- As values of their own: what is read of a stored row is unpacked anew each time.
  v_old jsonb := minutehand.row_before(p_event) || '{}';
  v_new jsonb := minutehand.row_after(p_event) || '{}';
  v_made boolean := false;
begin
  passing := true;
  foreach v_workflow in array minutehand.candidate_workflows(p_event, p_config, v_new, v_old, p_deadline, p_most) loop
    if clock_timestamp() > p_deadline then
      problem := coalesce(problem, 'budget');
      exit;
    elsif p_isolate then
      begin
        v_made := minutehand.start_if_matching(v_workflow, p_event, p_config, v_new, v_old, p_most) or v_made;
      exception when others then
        if sqlstate = '55P03' then
          raise;  -- the next workflow would wait for the same lock
        elsif sqlstate = 'MH413' then
          problem := coalesce(problem, 'budget');
          exit;
        end if;
        passing := passing and not minutehand.is_unstorable(sqlstate);
        problem := concat_ws('; ', problem, format('workflow %s: %s', v_workflow.id, sqlerrm));
      end;
    else
      v_made := minutehand.start_if_matching(v_workflow, p_event, p_config, v_new, v_old, p_most) or v_made;
    end if;
  end loop;
  if v_made then
    perform minutehand.notify();
  end if;
end
$$;

-- minutehand.has_candidates(event, config) -> boolean: false when no workflow of its types and tenant exists.  Where one of two tenants
-- has all workflows, a sequential scan looks good to the planner, and the other tenant's changes would read them all.
create or replace function minutehand.has_candidates(p_event public.automation_events, p_config jsonb) returns boolean
language plpgsql stable set enable_seqscan = off set jit = off as $$
declare
  v_tenant constant text := coalesce(p_event.organization_id, p_event.user_id);
  v_types constant text[] := p_event.types;
  v_single_tenant constant boolean := p_config is not null and p_config ->> 'tenant' is null;
begin
  if v_single_tenant then
    return exists (select from public.automation_workflows w where w.trigger_type = any (v_types));
  elsif p_event.organization_id is not null then
    return exists (
      select from public.automation_workflows w where w.organization_id::text = v_tenant and w.trigger_type = any (v_types));
  end if;
  return exists (select from public.automation_workflows w where w.user_id::text = v_tenant and w.trigger_type = any (v_types));
end
$$;

-- minutehand.candidate_workflows(event, config, new, old, deadline, most) -> the workflows of its types and tenant that existed when it
-- occurred, without those that their matchers exclude: of a thousand workflows a change reads the few that it may start.
-- Three queries, each with its own index: an app of 1,000 tenants has as many workflows of one type, and each row of a bulk
-- UPDATE would read them all.  The tenants are compared as in minutehand.same_tenant.
-- The verdict is read by a scalar subquery: NOT EXISTS could become a join that judges the workflows of all tenants.
create or replace function minutehand.candidate_workflows(
  p_event public.automation_events, p_config jsonb, p_new jsonb, p_old jsonb, p_deadline timestamptz, p_most bigint
) returns public.automation_workflows[] language plpgsql stable set enable_seqscan = off set jit = off as $$
declare
  v_organization_id text := p_event.organization_id;
  v_user_id text := p_event.user_id;
  v_types text[] := p_event.types;
  v_at timestamptz := p_event.occurred_at;
  v_status text := minutehand.status_column(p_config);
  v_is_whole boolean := p_event.cut_columns is null;
  v_single_tenant boolean := p_config is not null and p_config ->> 'tenant' is null;
begin
  if v_single_tenant then
    return array(
      select w from public.automation_workflows w
      where w.trigger_type = any (v_types) and coalesce(w.created_at <= v_at, true)
        and (
          select minutehand.is_excluded(v.conditions, v.status_column, p_new, p_old, v_status, v_is_whole, p_deadline, p_most)
          from minutehand.verdicts v
          where v.workflow_id = w.id and v.row_xmin = w.xmin and v.row_ctid = w.ctid and v.row_shape = minutehand.workflows_shape()
        ) is not true
      order by w.id);
  elsif v_organization_id is not null then
    return array(
      select w from public.automation_workflows w
      where w.organization_id::text = v_organization_id and w.trigger_type = any (v_types)
        and coalesce(w.created_at <= v_at, true)
        and (
          select minutehand.is_excluded(v.conditions, v.status_column, p_new, p_old, v_status, v_is_whole, p_deadline, p_most)
          from minutehand.verdicts v
          where v.workflow_id = w.id and v.row_xmin = w.xmin and v.row_ctid = w.ctid and v.row_shape = minutehand.workflows_shape()
        ) is not true
      order by w.id);
  end if;
  return array(
    select w from public.automation_workflows w
    where w.user_id::text = v_user_id and w.trigger_type = any (v_types)
      and coalesce(w.created_at <= v_at, true) and minutehand.may_be_member(v_user_id, w.organization_id::text)
      and (
        select minutehand.is_excluded(v.conditions, v.status_column, p_new, p_old, v_status, v_is_whole, p_deadline, p_most)
        from minutehand.verdicts v
        where v.workflow_id = w.id and v.row_xmin = w.xmin and v.row_ctid = w.ctid and v.row_shape = minutehand.workflows_shape()
      ) is not true
    order by w.id);
end
$$;

-- minutehand.is_excluded(conditions and status column of a matcher, new, old, status column, whole?, deadline, most) -> boolean: is it
-- sure that the change does not start the workflow?  Whatever is not sure is left to start_if_matching, which reads the row and
-- decides alone: conditions for another status column, a row of which columns were cut, more comparisons than `most`, a
-- deadline that has passed.  Never raises.
create or replace function minutehand.is_excluded(
  p_conditions jsonb, p_conditions_status text, p_new jsonb, p_old jsonb, p_status text, p_is_whole boolean,
  p_deadline timestamptz, p_most bigint
) returns boolean language plpgsql stable as $$
begin
  if p_conditions is null then
    return true;
  elsif not p_is_whole or p_conditions_status <> p_status or clock_timestamp() > p_deadline
      or minutehand.comparisons(p_conditions, p_new, p_old, p_status) > least(p_most, minutehand.most_comparisons()) then
    return false;
  end if;
  return not minutehand.normal_met(p_conditions, p_new, p_old, p_status);
end
$$;

-- minutehand.can_start(workflow's row) -> boolean: false for one that is off, too large or without steps, which no change starts.
create or replace function minutehand.can_start(p_row jsonb) returns boolean
language plpgsql immutable as $$
begin
  -- The size alone decides nearly always: see is_too_large.
  return minutehand.is_row_on(p_row)
    and not (pg_column_size(p_row) > minutehand.max_definition_bytes() / 8 and minutehand.is_too_large(p_row))
    and minutehand.steps_problem(p_row) is null;
end
$$;

-- minutehand.start_if_matching(workflow, event, config, new, old, most) -> boolean: did this change start an execution of this
-- workflow?  Errors: MH413 its conditions need more than `most` comparisons on this row; MH400 they compare a column that was
-- not recorded.
create or replace function minutehand.start_if_matching(
  p_workflow public.automation_workflows, p_event public.automation_events, p_config jsonb, p_new jsonb, p_old jsonb,
  p_most bigint
) returns boolean language plpgsql as $$
declare
  v_status text := minutehand.status_column(p_config);
  v_row jsonb := minutehand.row_of(p_workflow);
  v_conditions jsonb;
begin
  if not minutehand.can_start(v_row) then
    return false;
  end if;
  v_conditions := minutehand.conditions_of(v_row, v_status);
  if p_event.cut_columns is not null then
    perform minutehand.check_recorded(v_conditions, p_event.cut_columns);
  end if;
  if not minutehand.conditions_met(v_conditions, p_new, p_old, v_status, p_most) then
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
    case when p_event.entity_id is not null then minutehand.order_of(minutehand.as_object(p_workflow.settings::text)) end, 0, 0)
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
