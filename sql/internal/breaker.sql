-- The loop breaker (R11): a workflow that is started again and again by changes without a cause is paused, because it may be
-- causing them itself in a way that does not pass the cause on.

-- minutehand.breaker_limit(settings) -> (n, per): more than n starts within per trip the breaker; n is null when it is off.
-- settings.breaker = null turns it off; {"n": 1000, "per": "1 minute"} changes it, from a second to an hour.  A value that cannot
-- be read falls back to the default.
create or replace function minutehand.breaker_limit(p_settings jsonb, out n integer, out per interval)
language plpgsql immutable as $$
declare
  v_breaker jsonb := case when jsonb_typeof(p_settings) = 'object' then p_settings -> 'breaker' end;
  v_per interval;
begin
  n := 300;
  per := interval '1 minute';
  if jsonb_typeof(v_breaker) = 'null' then
    n := null;
  elsif jsonb_typeof(v_breaker) = 'object' then
    if jsonb_typeof(v_breaker -> 'n') = 'number' and (v_breaker ->> 'n')::numeric between 1 and 1000000 then
      n := (v_breaker ->> 'n')::numeric::integer;
    end if;
    if jsonb_typeof(v_breaker -> 'per') = 'string' then
      v_per := minutehand.to_interval(v_breaker ->> 'per');
    end if;
    if v_per between interval '1 second' and interval '1 hour' then
      per := v_per;
    end if;
  end if;
end
$$;

-- minutehand.starts_by_workflow(from, to) -> how many transactions started each workflow without a cause; a bulk change
-- counts once. An execution that names another tenant than its workflow does not count. Reads the newest 50,000 executions,
-- by their index: a tick must stay cheap, and a loop is young.
create or replace function minutehand.starts_by_workflow(p_from timestamptz, p_to timestamptz)
returns table (workflow_id uuid, starts bigint) language sql stable as $$
  select s.workflow_id, count(*)
  from (
    select distinct l.workflow_id, l.created_at, l.organization_id, l.user_id
    from (
      select workflow_id, created_at, caused_by, status, organization_id::text, user_id::text
      from public.automation_execution_logs
      where created_at > p_from and created_at <= p_to
      order by created_at desc, id desc
      limit 50000
    ) l
    where l.caused_by is null and l.status <> 'skipped' and l.workflow_id is not null
  ) s
  join public.automation_workflows w on w.id = s.workflow_id
  where coalesce(s.organization_id, s.user_id) is null or minutehand.tenant_of(w) = '' or minutehand.same_tenant(
    s.organization_id, s.user_id, w.organization_id::text, w.user_id::text)
  group by s.workflow_id
$$;

-- minutehand.trip_breakers(now) -> names of the workflows that this call paused.
-- Only workflows that were started within the last minute are checked.  If two calls trip at once, one of them reports it.
create or replace function minutehand.trip_breakers(p_now timestamptz) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_workflow record;
  v_starts bigint;
  v_tripped jsonb := '[]';
begin
  for v_workflow in
    select w.id, w.name, b.n, b.per, r.starts, u.resumed_at
    from minutehand.starts_by_workflow(p_now - interval '1 minute', p_now) r
    join public.automation_workflows w on w.id = r.workflow_id
    cross join lateral minutehand.breaker_limit(minutehand.as_object(w.settings::text)) b
    left join minutehand.breaker_resets u on u.workflow_id = w.id::text and u.resumed_at > p_now - b.per
    where b.n is not null and (r.starts > b.n or b.per > interval '1 minute')
  loop
    v_starts := v_workflow.starts;
    if v_workflow.per <> interval '1 minute' or v_workflow.resumed_at is not null then
      select s.starts into v_starts
      from minutehand.starts_by_workflow(greatest(p_now - v_workflow.per, v_workflow.resumed_at), p_now) s
      where s.workflow_id = v_workflow.id;
    end if;
    if v_starts > v_workflow.n then
      insert into public.automation_control (scope, target, reason, paused_at)
      values ('workflow', v_workflow.id::text, format(
        'breaker: started %s times by changes without a cause within %s (limit %s); does it cause them itself?',
        v_starts, minutehand.interval_text(v_workflow.per), v_workflow.n), p_now)
      on conflict (scope, target) do nothing;
      if found then
        v_tripped := v_tripped || to_jsonb(coalesce(v_workflow.name, v_workflow.id::text));
      end if;
    end if;
  end loop;
  return v_tripped;
end
$$;
