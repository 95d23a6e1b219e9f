-- automation_bulk_stop(p_id, p_now) -> the bulk action, as automation_bulk_get
-- Stops one that is running; executions that it has not reached stay as they are.
-- Locks: its row.  Errors: MH404 no such bulk action.  Called by: store.bulk_stop.
create or replace function public.automation_bulk_stop(p_id text, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
begin
  update public.automation_bulk_actions
  set status = 'stopped', updated_at = coalesce(p_now, now())
  where id = minutehand.to_uuid(p_id) and status = 'running';
  return public.automation_bulk_get(p_id, p_now);
end
$$;
comment on function public.automation_bulk_stop is 'minutehand: stop a bulk action';
