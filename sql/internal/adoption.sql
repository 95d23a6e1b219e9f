-- Adoption: executions that others inserted.  An app's own trigger or code knows only the plan's columns (R3, R10).

-- minutehand.adopt_claimed(ids, now): rows that others inserted get their row, tenant and version, read from trigger_data and the
-- workflow, and the rate limit decides about them, under sorted locks (R10).  Those of an ordered workflow join their ordering
-- group here, and continue if it is their turn.
create or replace function minutehand.adopt_claimed(p_claimed uuid[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_logs public.automation_execution_logs[];
  v_log public.automation_execution_logs;
  v_in_line uuid[];
begin
  select array_agg(l order by l.created_at, l.id) into v_logs
  from public.automation_execution_logs l
  where l.id = any (p_claimed) and l.status = 'processing'
    and l.event_id is null and l.replay_of is null and l.workflow_version is null;
  if v_logs is null then  -- all of them were ended as unreadable
    return;
  end if;

  perform pg_advisory_xact_lock(key)
  from (
    select distinct minutehand.rate_limit_lock(
      l.workflow_id, minutehand.entity_key(l.entity_id, minutehand.as_object(l.trigger_data::text))) as key
    from unnest(v_logs) l
    order by 1
  ) keys;

  -- The limit counts by entity: what is not decided yet must not count, least of all against itself.
  update public.automation_execution_logs l
  set entity_id = null
  from unnest(v_logs) o
  where l.id = o.id and l.entity_id is not null;
  foreach v_log in array v_logs loop
    perform minutehand.adopt_one(v_log, p_now);
  end loop;

  v_in_line := array(
    select l.id
    from public.automation_execution_logs l
    where l.id = any (p_claimed) and l.status = 'pending' and l.entity_order is not null
      and minutehand.due_at(l) <= p_now);
  if v_in_line <> '{}' then
    v_in_line := minutehand.admit(v_in_line, '{}', p_now);
    update public.automation_execution_logs l
    set status = 'processing', attempt = o.attempt, started_at = o.started_at, lease_expires_at = o.lease_expires_at
    from unnest(v_logs) o
    where l.id = o.id and l.id = any (v_in_line);
  end if;
end
$$;

-- minutehand.adopt_one(log, now): a statement of its own for each, so that it counts the one before.
-- Through variables, because the ids of an adopted table may be of another type than the workflow's.
create or replace function minutehand.adopt_one(p_log public.automation_execution_logs, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_data constant jsonb := minutehand.as_object(p_log.trigger_data::text);
  v_workflow public.automation_workflows;
  v_row jsonb;
  v_problem text;
  v_limit record;
begin
  select * into v_workflow from public.automation_workflows where id = p_log.workflow_id;
  if not found then
    return;
  end if;
  v_row := minutehand.row_of(v_workflow);
  v_problem := case when v_row is not null then minutehand.steps_problem(v_row) end;
  p_log.entity_id := minutehand.entity_key(p_log.entity_id, v_data);
  p_log.workflow_version := coalesce(v_workflow.version, 1);
  -- The organisation of an execution that names a user alone is the user's own, not the workflow's: else whoever may insert
  -- executions could start any organisation's workflows.
  p_log.organization_id := coalesce(p_log.organization_id::text, case
    when p_log.user_id is null or p_log.user_id::text = v_workflow.user_id::text then v_workflow.organization_id::text
    else minutehand.profile_organization(p_log.user_id::text) end);
  p_log.user_id := coalesce(p_log.user_id::text, v_workflow.user_id::text);
  p_log.entity_order := case when p_log.entity_id is not null then minutehand.order_of(minutehand.as_object(v_workflow.settings::text)) end;
  if v_data <> '{}' or minutehand.says_nothing(p_log.trigger_data::jsonb) then
    p_log.trigger_data := jsonb_strip_nulls(jsonb_build_object('new_status', minutehand.new_status_of(v_data))) || v_data;
  end if;
  select * into v_limit from minutehand.rate_limited_until(
    v_workflow, p_log.entity_id, minutehand.new_status_of(v_data), p_now);

  if not minutehand.is_of_workflow(p_log, v_workflow) then
    p_log.status := 'failed';
    p_log.code := 'other_tenant';
    p_log.reason := 'the execution names another tenant than its workflow';
  elsif v_data = '{}' and not minutehand.says_nothing(p_log.trigger_data::jsonb) then
    p_log.status := 'failed';
    p_log.code := 'unreadable';
    p_log.reason := format('trigger_data: expected an object, got %s', minutehand.type_name(p_log.trigger_data::jsonb));
  elsif v_problem is not null then
    p_log.status := 'failed';
    p_log.code := 'bad_workflow';
    p_log.reason := v_problem;
  elsif v_limit.until is not null then
    p_log.status := case when v_limit.delay then 'pending' else 'skipped' end;
    p_log.code := 'rate_limited';
    p_log.reason := v_limit.reason;
    p_log.scheduled_at := case when v_limit.delay then v_limit.until else p_log.scheduled_at end;
  elsif p_log.entity_order is not null then
    p_log.status := 'pending';
  end if;
  update public.automation_execution_logs l
  set entity_id = p_log.entity_id, workflow_version = p_log.workflow_version, trigger_data = p_log.trigger_data,
      organization_id = p_log.organization_id, user_id = p_log.user_id,
      entity_order = case when p_log.status = 'pending' then p_log.entity_order end,
      status = p_log.status, code = p_log.code, reason = p_log.reason, scheduled_at = p_log.scheduled_at,
      error_message = case when p_log.status = 'failed' then p_log.reason end,
      attempt = case when p_log.status = 'processing' then p_log.attempt else greatest(p_log.attempt, 1) - 1 end,
      -- It never began: a delayed one counts by when it will.
      started_at = case when p_log.status <> 'pending' then p_log.started_at end,
      completed_at = case when p_log.status in ('failed', 'skipped') then p_now end,
      lease_expires_at = case when p_log.status = 'processing' then p_log.lease_expires_at end
  where l.id = p_log.id;
end
$$;

-- minutehand.entity_key(entity, trigger_data) -> text: the key of the row that an execution is about, as its table has it; entity:
-- what the execution itself says.
create or replace function minutehand.entity_key(p_entity_id text, p_data jsonb) returns text
language sql stable set search_path = '' as $$
  select coalesce(
    (
      select minutehand.key_text(w.relation, w.config, said.key)
      from minutehand.watched w where w.name = minutehand.table_of(p_data) limit 1
    ), said.key)
  from (select coalesce(p_entity_id, minutehand.entity_of(p_data)) as key) said
$$;

-- minutehand.entity_of(trigger_data) -> text: the id of the row that trigger_data is about, in each shape that apps write.  A value
-- longer than any key is ignored: an index would refuse it, and with it the whole claim.
create or replace function minutehand.entity_of(p_data jsonb) returns text language sql immutable as $$
  select key
  from (
    select coalesce(
      p_data ->> 'record_id', p_data ->> 'job_id', p_data ->> 'jobId', p_data ->> 'entity_id',
      p_data -> 'new_record' ->> 'id', p_data -> 'job' ->> 'id', p_data -> 'trigger_data' ->> 'job_id') as key
  ) said
  where octet_length(key) <= 1000
$$;

-- minutehand.new_status_of(trigger_data) -> text: the new status of that row, likewise.
create or replace function minutehand.new_status_of(p_data jsonb) returns text language sql immutable as $$
  select coalesce(
    p_data ->> 'new_status', p_data ->> 'newStatus', p_data -> 'new_record' ->> 'status', p_data -> 'job' ->> 'status')
$$;
