-- automation_context(p_items, p_now) -> [{"id", "held", "stop"?: {"ended", "code", "reason"}, "type", "status", "row",
--   "old", "links": {"client": {…}}}]; `status` is the name of the row's status column
-- What templates see, read fresh, and the last check before a step (R15).  p_items is [{"id", "token"}] of claimed
-- executions.  `held` is false when the lease is lost.  `stop` says why the execution must not go on, and how it ends
-- (minutehand.may_run).
-- A linked row is reached by a foreign key within the table's own schema (client_id -> client), or by the trigger's
-- `links`; a row of another tenant is not included.
-- Locks: none.  Errors: none.  Called by: executors of the app's own; automation_advance answers the same.
create or replace function public.automation_context(p_items jsonb, p_now timestamptz default null)
returns jsonb language sql stable security definer set search_path = '' as $$
  select minutehand.read_contexts(p_items, coalesce(p_now, now()))
$$;
comment on function public.automation_context is 'minutehand: the rows that an execution is about, read fresh';
