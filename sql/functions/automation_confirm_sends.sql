-- automation_confirm_sends(p_sends, p_now) -> [keys confirmed]
-- Records how reserved sends ended (R13).  p_sends: [{"key", "token", "status": "sent" | "failed" | "uncertain" | "simulated",
-- "external_id"?, "error"?, "recipient"?, "refused"?}].  `recipient`: of several, those who got it; `refused`: who was refused for
-- good.  A repeat changes nothing.  Only the lease that reserved a send may confirm it, even if it has
-- lost the execution meanwhile: the message did go out.  `sent` is never taken back.
-- Locks: the rows of communication_logs, by key.  Errors: none.
-- Called by: executors of the app's own; automation_advance and automation_settle do the same.
create or replace function public.automation_confirm_sends(p_sends jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
begin
  return minutehand.confirm_sends(p_sends, coalesce(p_now, now()));
end
$$;
comment on function public.automation_confirm_sends is 'minutehand: records how reserved sends ended';
