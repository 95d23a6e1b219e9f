-- What the queue holds: how many are due, and when the next one is.

-- minutehand.count_due(cap, now) -> how many may run now.  Counted to a cap, and through the queue's index tenant by tenant:
-- neither a backlog of a million nor a million that wait for next week may cost a scan each beat.
create or replace function minutehand.count_due(p_cap integer, p_now timestamptz) returns integer
language plpgsql stable set search_path = '' as $$
declare
  v_paused constant text[] := array(select target from public.automation_control where scope = 'workflow');
begin
  if exists (select from public.automation_control where scope = 'all') then
    return 0;
  end if;
  return (
    select count(*)
    from (
      select
      from minutehand.next_by_tenant() h
      cross join lateral (
        select
        from public.automation_execution_logs
        where status = 'pending'
          and coalesce(organization_id::text, user_id::text, '') = h.tenant
          and coalesce(scheduled_at, created_at) <= p_now
          and (workflow_id is null or workflow_id::text <> all (v_paused))
        limit p_cap
      ) due
      where h.tenant <> all (array(select target from public.automation_control where scope = 'tenant'))
      limit p_cap
    ) counted);
end
$$;

-- minutehand.seconds_to_next(now) -> numeric: until the next execution is due; 0 when one is; null when none waits.
create or replace function minutehand.seconds_to_next(p_now timestamptz) returns numeric
language sql stable set search_path = '' as $$
  select minutehand.seconds_until(min(due), p_now)
  from minutehand.next_by_tenant(p_now)
  where not exists (select from public.automation_control where scope = 'all')
$$;
