-- automation_trigger_remove(p_table) -> {"table", "removed": bool}
-- Stops watching a table.  What is pending stays pending.
-- Errors: MH404 no such table.  Locks: ACCESS EXCLUSIVE on the table for an instant.  Called by: store.remove_trigger.
create or replace function public.automation_trigger_remove(p_table text)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_relation regclass := minutehand.find_table(p_table);
  v_was boolean := exists (select from minutehand.watched where relation = v_relation);
begin
  execute format('drop trigger if exists minutehand_capture on %s', v_relation);
  return jsonb_build_object('table', p_table, 'removed', v_was);
end
$$;
comment on function public.automation_trigger_remove is 'minutehand: stops watching a table';
