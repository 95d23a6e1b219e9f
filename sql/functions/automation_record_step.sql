-- automation_record_step(p_steps, p_now) -> [{"id", "held": bool, …context of the next step}]
-- Records finished steps before the next ones begin, and reads each execution's context for the next step in the same call
-- (automation_context).  p_steps: [{"id", "token", "step": {record}, "resume_step"?}].  A repeat changes nothing and gets the
-- same answer; a caller whose lease is lost gets held = false, and nothing is written (R5).  Progress sets the attempts to 0.
-- Locks: execution rows, by id.  Errors: none.
-- Called by: executors of the app's own; automation_advance does the same.
create or replace function public.automation_record_step(p_steps jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
begin
  perform minutehand.append_steps(p_steps, coalesce(p_now, now()));
  return minutehand.read_contexts(p_steps, coalesce(p_now, now()));
end
$$;
comment on function public.automation_record_step is 'minutehand: records finished steps under their leases';
