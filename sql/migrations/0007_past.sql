-- What a row remembers of its way, so that its timeline can be told when it is over.
--
-- Locks: ACCESS EXCLUSIVE on automation_execution_logs for an instant.

-- When it was last claimed (`started_at` is the first time), and what came before: minutehand.append_history says what it holds.
-- Null for whatever ended at its first attempt, which is nearly all.
alter table public.automation_execution_logs
  add column if not exists claimed_at timestamptz,
  add column if not exists past jsonb;

-- How many were due at each minute's first look, counted to 1,000: since when more arrives than is done.
alter table minutehand.tick_log add column if not exists due integer;
