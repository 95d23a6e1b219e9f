-- automation_confirm_sends(p_sends, p_now) -> [keys confirmed]
-- p_sends: [{"key", "token", "status": "sent" | "failed" | "uncertain" | "simulated", "external_id"?, "error"?}].  Says how
-- reserved sends ended (R13).  A repeat changes nothing; only the lease that reserved a send may confirm it, even when it has lost
-- the execution meanwhile: that the message went out stays true, and that it was sent is never taken back.
-- Locks: the rows of communication_logs, by key.  Errors: none.
-- Called by: executors of the app's own; automation_advance and automation_settle do the same.
create or replace function public.automation_confirm_sends(p_sends jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
begin
  return minutehand.confirm_sends(p_sends, coalesce(p_now, now()));
end
$$;
comment on function public.automation_confirm_sends is 'minutehand: says how reserved sends ended';
