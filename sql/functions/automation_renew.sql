-- automation_renew(p_tokens, p_lease_seconds, p_now) -> [ids of the executions that the caller still has]
-- Extends the leases of all of one worker's claims.  An execution that is missing in the answer is lost.
-- A lease that expired but was not taken over is still the caller's: the fence is the token, not the clock (R5).  So is an
-- execution whose status the callee wrote meanwhile.
-- enable_seqscan is off: without statistics, a list of tokens would look like a large part of the history.
-- Locks: execution rows, by id.  Errors: none.  Called by: store.renew.
create or replace function public.automation_renew(
  p_tokens jsonb, p_lease_seconds integer default 120, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_ids jsonb;
begin
  with leased as (
    select id
    from public.automation_execution_logs
    where lease_expires_at is not null
      and lease_token = any (array(select jsonb_array_elements_text(p_tokens)::uuid))
    order by id
    for update
  ), renewed as (
    update public.automation_execution_logs l
    set lease_expires_at = v_now + make_interval(secs => p_lease_seconds)
    from leased
    where l.id = leased.id
    returning l.id
  )
  select coalesce(jsonb_agg(id), '[]') into v_ids from renewed;
  return v_ids;
end
$$;
comment on function public.automation_renew is 'minutehand: extends the leases of a worker';
