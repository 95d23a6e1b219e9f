-- Rate limit: how often a workflow may start for one row and status (R10).

-- minutehand.rate_limit(settings) -> (n, per, delay): at most n starts within per; n is null when there is no limit.
-- The default is the plan's: once an hour per workflow, row and new status.  settings.rate_limit = null turns it off;
-- {"n": 3, "per": "1 day", "on_exceed": "delay"} changes it.  A value that cannot be read falls back to the default.
create or replace function minutehand.rate_limit(p_settings jsonb, out n integer, out per interval, out delay boolean)
language plpgsql immutable as $$
declare
  v_limit jsonb := case when jsonb_typeof(p_settings) = 'object' then p_settings -> 'rate_limit' end;
  v_per interval;
begin
  n := 1;
  per := interval '1 hour';
  delay := false;
  if v_limit is null then
    return;
  elsif jsonb_typeof(v_limit) = 'null' then
    n := null;
  elsif jsonb_typeof(v_limit) = 'object' then
    if jsonb_typeof(v_limit -> 'n') = 'number' and (v_limit ->> 'n')::numeric between 1 and 100000 then
      n := (v_limit ->> 'n')::numeric::integer;
    end if;
    v_limit := jsonb_build_object('per', v_limit -> 'period') || v_limit;
    if jsonb_typeof(v_limit -> 'per') in ('string', 'number') then
      v_per := minutehand.to_interval(v_limit ->> 'per');
    end if;
    if v_per > interval '0' and v_per <= interval '10 years' then  -- no calendar ends within ten years of a change
      per := v_per;
    end if;
    delay := minutehand.fold_case(coalesce(v_limit ->> 'on_exceed', 'drop')) = 'delay';
  end if;
end
$$;

-- minutehand.rate_limited_until(workflow, entity, new status, at) -> (until, delay, reason); until is null when it may run.
-- Counts executions of the workflow's tenant in flight or done, not those skipped, cancelled or failed.  The caller holds
-- what serializes it: the app's own lock on the changed row, or the advisory lock rate_limit_lock.
create or replace function minutehand.rate_limited_until(
  p_workflow public.automation_workflows, p_entity_id text, p_new_status text, p_at timestamptz,
  out until timestamptz, out delay boolean, out reason text
) language plpgsql stable as $$
declare
  v_workflow_id constant uuid := p_workflow.id;  -- an adopted table's ids may be of another type than its executions'
  v_limit record;
begin
  select * into v_limit from minutehand.rate_limit(minutehand.as_object(p_workflow.settings::text));
  if v_limit.n is null or p_entity_id is null then
    return;
  end if;
  -- The n-th newest that counts: when it has left the window, the next may fire.  Where they are delayed, what counts is
  -- when each runs: three changes in a minute run an hour apart.
  select minutehand.bounded_time(f.fires_at) + v_limit.per into until
  from public.automation_execution_logs l
  cross join lateral (
    select case when v_limit.delay then coalesce(l.started_at, greatest(l.scheduled_at, l.created_at)) else l.created_at end
      as fires_at
  ) f
  where l.entity_id = p_entity_id
    and l.workflow_id = v_workflow_id
    and minutehand.is_of_workflow(l, p_workflow)
    and f.fires_at > p_at - v_limit.per
    and l.status in ('pending', 'processing', 'running', 'completed')
    and minutehand.fold(l.trigger_data ->> 'new_status') is not distinct from minutehand.fold(p_new_status)
  order by f.fires_at desc
  offset v_limit.n - 1
  limit 1;
  delay := v_limit.delay;
  if until is not null then
    reason := format(
      'already started %s within %s for this row and status; may start again at %s',
      case v_limit.n when 1 then 'once' else v_limit.n || ' times' end, minutehand.interval_text(v_limit.per),
      minutehand.utc_text(until));
  end if;
end
$$;

-- minutehand.rate_limit_lock(workflow, entity) -> bigint: the lock under which the limit is counted when the row itself is
-- not locked. A row falls into one of 256 slots, whatever the workflow: a tick of 500 events and 1,000 workflows takes 256
-- locks, and never fills the lock table that the app's sessions share.
create or replace function minutehand.rate_limit_lock(p_workflow_id uuid, p_entity_id text) returns bigint
language sql immutable as $$
  select x'6d696e7574650000'::bigint | (hashtextextended(coalesce(p_entity_id, ''), 0) & 255)
$$;
