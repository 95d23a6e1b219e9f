-- automation_reserve_sends(p_sends, p_now) -> [{"key", "answer", "code"?, "reason"?, "external_id"?}]
-- p_sends: [{"id": execution, "token", "step", "channel", "recipient", "sender", "key", "on_uncertain"?}].  Writes each send
-- down before it leaves (R13).  `answer` is
--   go         reserved: send it now, then confirm
--   sent       it was sent before, under this key; nothing more to do
--   uncertain  an earlier worker reserved it and never said how it ended (with on_uncertain = resend: go, under the same key)
--   lost       the lease is lost              paused     paused meanwhile              refused    it must not be sent (code)
--   later      a limit delays it (code, reason, "wait_seconds")
-- A repeat under the same lease is answered go again: the reply was lost, not the send.
-- A recipient of several addresses, "a, b", is refused when one of them has opted out.
-- What an adopted table cannot hold (a NOT NULL or CHECK of the app's) is refused alone, as unrecordable: its neighbours are
-- reserved.
-- Locks: advisory locks of the limits that are set, sorted; the rows of communication_logs, by key.  Errors: none.
-- Called by: executors of the app's own; automation_advance does the same.
create or replace function public.automation_reserve_sends(p_sends jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
begin
  return minutehand.reserve_sends(p_sends, coalesce(p_now, now()));
end
$$;
comment on function public.automation_reserve_sends is 'minutehand: writes sends down before they leave';
