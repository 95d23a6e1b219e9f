-- automation_reserve_sends(p_sends, p_now) -> [{"key", "answer", "code"?, "reason"?, "external_id"?, "wait_seconds"?}]
-- Records each send before it leaves (R13).  Several recipients are separated by `, `; names before addresses are left out.  p_sends: [{"id": execution, "token", "step", "channel", "recipient", "sender",
-- "key", "on_uncertain"?, "delivery"?}].  "delivery" is what the caller knows of its time (sql/internal/windows.sql): {"window": as a
-- workflow's settings.window, "zone": of the recipient, "drop_at": when it loses its sense}.  `answer` is
--   go         it is reserved: send it now, then confirm it
--   sent       it was sent before under this key, or this step has sent it to some of these recipients: "recipient" names who
--              has it, "refused" who was refused for good.  For the others the caller asks again, under a key of theirs
--   uncertain  an earlier worker reserved it and never confirmed it (with on_uncertain = resend: go, under the same key)
--   lost       the lease is lost
--   paused, refused, later   it must not leave now (minutehand.may_send); later: in "wait_seconds".  With the code opted_out
--              "opted_out" lists who: the caller asks again for the others, under a key of theirs, and its step is `skipped`, not
--              failed, when nobody is left
--   deferred   communication_logs cannot be written now (table_problems.sql): settle the execution as deferred
-- A repeat under the same lease gets go again: the reply was lost, not the send.
-- A send that an adopted table cannot store (a NOT NULL or CHECK of the app's) is refused alone, as unrecordable; the others
-- are reserved.
-- Locks: advisory locks of the limits, sorted; the rows of communication_logs, by key.  Errors: none.
-- Called by: executors of the app's own; automation_advance does the same.
create or replace function public.automation_reserve_sends(p_sends jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
begin
  return minutehand.reserve_sends(minutehand.plain_sends(p_sends), coalesce(p_now, now()));
end
$$;
comment on function public.automation_reserve_sends is 'minutehand: records sends before they leave';
