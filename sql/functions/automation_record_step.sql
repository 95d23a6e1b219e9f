-- automation_record_step(p_steps, p_now) -> [{"id", "held": bool, …context of the next step}]
-- Records finished steps before the next ones begin, and reads each execution's context for the next step in the same call
-- (automation_context).  p_steps: [{"id", "token", "step": {record}, "resume_step"?}].  A repeat changes nothing and gets the
-- same answer; a caller whose lease is lost gets held = false, and nothing is written (R5).  Progress sets the attempts to 0.
-- An item that cannot be stored ends alone, as in automation_advance.
-- Locks: execution rows, by id.  Errors: none.
-- Called by: executors of the app's own; automation_advance does the same.
create or replace function public.automation_record_step(p_steps jsonb, p_now timestamptz default null)
returns jsonb language sql security definer set search_path = '' as $$
  select public.automation_advance((
    select coalesce(jsonb_agg(item - 'step' || jsonb_build_object('steps', jsonb_build_array(item -> 'step')) order by nr), '[]')
    from jsonb_array_elements(p_steps) with ordinality as s (item, nr)), p_now)
$$;
comment on function public.automation_record_step is 'minutehand: records finished steps under their leases';
