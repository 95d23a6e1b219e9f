-- The queue: how many executions are due, when the next one is, and how fast the processors run them.

-- minutehand.count_due(cap, now) -> how many may run now, counted to a cap.
-- It reads as many: neither a backlog of a million nor a million that are due next week may cost a scan in each tick.
create or replace function minutehand.count_due(p_cap integer, p_now timestamptz) returns integer
language plpgsql stable set search_path = '' as $$
declare
  v_pauses constant minutehand.pauses := (select p from minutehand.pauses p);
begin
  if v_pauses.everything then
    return 0;
  end if;
  return (
    select count(*)
    from (
      (select
       from public.automation_execution_logs l
       where l.status = 'pending' and minutehand.is_of_all(l) and minutehand.due_of_all(l) <= p_now
         and minutehand.is_claimable(l, v_pauses)
       order by minutehand.due_of_all(l), l.id
       limit p_cap)
      union all
      (select
       from public.automation_execution_logs l
       where l.status = 'pending' and minutehand.is_suspect(l) and minutehand.due_at(l) <= p_now
         and not minutehand.is_paused(minutehand.tenant_of(l), l.workflow_id, v_pauses)
       order by minutehand.due_at(l), l.id
       limit p_cap)
      limit p_cap
    ) counted);
end
$$;

-- minutehand.seconds_to_next(now) -> numeric: seconds until the next execution is due; 0 when one is, null when none waits.
create or replace function minutehand.seconds_to_next(p_now timestamptz) returns numeric
language plpgsql stable set search_path = '' as $$
begin
  return minutehand.seconds_until(minutehand.first_due((select p from minutehand.pauses p)), p_now);
end
$$;

-- minutehand.tick_pace(now) -> {"continuous": bool, "per_tick": n, "tick_seconds": seconds}: what the processors run at most.
-- `continuous`: one that runs all that is due (a worker, or a tick with --drain) was seen within the last 90 seconds.  Otherwise
-- the last one with a batch size decides; the default is 10 a minute.
create or replace function minutehand.tick_pace(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'continuous', exists (
      select from public.automation_workers where batch_size is null and heartbeat_at > p_now - interval '90 seconds'),
    'per_tick', coalesce(max(w.batch_size), 10), 'tick_seconds', coalesce(max(w.tick_seconds), 60))
  from (
    select batch_size, tick_seconds
    from public.automation_workers
    where batch_size > 0 and tick_seconds > 0
    order by heartbeat_at desc
    limit 1
  ) w
$$;
