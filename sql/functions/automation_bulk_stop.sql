-- automation_bulk_stop(p_id, p_actor, p_now) -> the bulk action, as automation_bulk_get
-- p_actor: {"via", "name"} of the person, or null.
-- Stops one that is running; executions that it has not reached stay as they are.
-- Locks: its row.  Errors: MH404 no such bulk action.  Called by: store.bulk_stop.
create or replace function public.automation_bulk_stop(
  p_id text, p_actor jsonb default null, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
begin
  update public.automation_bulk_actions
  set status = 'stopped', updated_at = v_now
  where id = minutehand.to_uuid(p_id) and status = 'running';
  if found then
    perform minutehand.audit('bulk_stop', p_id, p_actor, '{}', v_now);
  end if;
  return public.automation_bulk_get(p_id, v_now);
end
$$;
comment on function public.automation_bulk_stop is 'minutehand: stop a bulk action';
