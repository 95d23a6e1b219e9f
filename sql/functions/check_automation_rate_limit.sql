-- check_automation_rate_limit(p_job_id, p_workflow_id, p_status) -> boolean: may this workflow fire now for this row and
-- new status?  The plan's own signature, kept for apps that call it; it asks the same rule as the match (R10).
-- Locks: none.  Errors: none.
create or replace function public.check_automation_rate_limit(p_job_id text, p_workflow_id uuid, p_status text)
returns boolean language sql stable security definer set search_path = '' as $$
  select (
    select l.until
    from public.automation_workflows w
    cross join lateral minutehand.rate_limited_until(w, p_job_id, p_status, minutehand.clock()) l
    where w.id = p_workflow_id
  ) is null
$$;
comment on function public.check_automation_rate_limit is 'minutehand: may this workflow fire now for this row?';
