-- automation_direct_off() -> {"was_on": bool}
-- Stops calling an executor; ticks run what is due.  The token stays in Vault.  The function is dropped, unless a trigger of the
-- app still uses it; there it does nothing.
-- Errors: 55P03 the table is in use (see automation_trigger_add).
-- Locks: ACCESS EXCLUSIVE on automation_execution_logs for an instant, none when it was off.  Called by: store.direct_off.
create or replace function public.automation_direct_off()
returns jsonb language plpgsql security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  v_was_on constant boolean := minutehand.direct_config() is not null;
begin
  if v_was_on then
    perform minutehand.set_direct_triggers(null);
  end if;
  if minutehand.direct_function() = 'ours' and minutehand.direct_used_by() = '{}' then
    drop function public.handle_job_automation_triggers_direct();
  end if;
  return jsonb_build_object('was_on', v_was_on);
end
$$;
comment on function public.automation_direct_off is 'minutehand: stops calling an executor; for the owner';
