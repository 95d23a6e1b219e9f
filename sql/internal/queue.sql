-- The queue: how many executions are due, and when the next one is.

-- minutehand.count_due(cap, now) -> how many may run now, counted to a cap.
-- It goes through the queue's index tenant by tenant: neither a backlog of a million nor a million that are due next week
-- may cost a scan in each tick.
create or replace function minutehand.count_due(p_cap integer, p_now timestamptz) returns integer
language plpgsql stable set search_path = '' as $$
declare
  v_pauses constant minutehand.pauses := (select p from minutehand.pauses p);
begin
  return (
    select count(*)
    from (
      select
      from minutehand.next_by_tenant() n
      cross join lateral (
        select
        from public.automation_execution_logs l
        where l.status = 'pending' and minutehand.tenant_of(l) = n.tenant and minutehand.due_at(l) <= p_now
          and not minutehand.is_paused(n.tenant, l.workflow_id, v_pauses)
        limit p_cap
      ) due
      where not minutehand.is_paused(n.tenant, null, v_pauses)
      limit p_cap
    ) counted);
end
$$;

-- minutehand.seconds_to_next(now) -> numeric: seconds until the next execution is due; 0 when one is, null when none waits.
create or replace function minutehand.seconds_to_next(p_now timestamptz) returns numeric
language sql stable set search_path = '' as $$
  select minutehand.seconds_until(min(due), p_now) from minutehand.next_by_tenant(p_now)
$$;
