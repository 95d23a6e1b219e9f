-- automation_report_problems(p_worker, p_problems) -> {}
-- Notes what a processor cannot do beside running executions, {"prune": reason}, for status and doctor; an empty object: nothing.
-- Its next tick says it again.
-- Locks: its row of automation_workers.  Errors: none.  Called by: store.report_problems.
create or replace function public.automation_report_problems(p_worker text, p_problems jsonb)
returns jsonb language plpgsql security definer set search_path = '' as $$
begin
  update public.automation_workers set problems = nullif(p_problems, '{}') where id = p_worker;
  return '{}';
end
$$;
comment on function public.automation_report_problems is 'minutehand: notes what a processor cannot do';
