-- automation_trigger_remove(p_table) -> {"table", "removed": bool}
-- Stops watching a table.  What is pending stays pending.
-- Errors: MH404 no such table; 42501 our owner does not own it; 55P03 the table is in use (see automation_trigger_add).
-- Locks: ACCESS EXCLUSIVE on the table for an instant, none when it is not watched.  Called by: store.remove_trigger.
create or replace function public.automation_trigger_remove(p_table text)
returns jsonb language plpgsql security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  v_relation regclass := minutehand.find_table(p_table);
  v_was boolean := exists (select from minutehand.watched where relation = v_relation);
begin
  if v_was then
    perform minutehand.need_to_own(v_relation);
    perform minutehand.remove_triggers(v_relation, '{minutehand_capture,!minutehand_capture,~minutehand_moves}');
    perform minutehand.forget_verdicts();
    perform minutehand.decide_signing();
  end if;
  return jsonb_build_object('table', p_table, 'removed', v_was);
end
$$;
comment on function public.automation_trigger_remove is 'minutehand: stops watching a table; for the owner';
