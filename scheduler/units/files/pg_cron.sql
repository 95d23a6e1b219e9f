-- Minutehand every minute from the database: paste this into the SQL editor of Supabase, or run it with psql.
-- It needs the extension pg_cron, and direct mode: `minutehand direct on --url https://…` names what to call, an edge
-- function or a `minutehand serve`.  The database sends no messages itself: it calls that URL, which runs the executions.

-- 1. Every minute: the housekeeping (lost leases, retries, unmatched events), and a call for up to 10 due executions.  A larger
--    p_limit runs a backlog faster; `minutehand run-once --drain` runs all of it.
select cron.schedule('minutehand', '* * * * *', 'select public.automation_direct_sweep(p_limit => 10)');

-- 2. Every ten minutes: delete up to 500 executions that ended and are older than 90 days.
select cron.schedule('minutehand-prune', '*/10 * * * *', 'select public.automation_prune(p_keep_seconds => 90 * 86400)');

-- 3. Every day: delete pg_cron's own record of each run after a week; otherwise it grows without limit.
select cron.schedule('minutehand-history', '17 4 * * *',
  $$delete from cron.job_run_details where end_time < now() - interval '7 days'$$);

-- Does it work?
--   select public.automation_direct_status();
--   select status, return_message, end_time from cron.job_run_details order by runid desc limit 5;
-- Remove it:
--   select cron.unschedule(jobname) from cron.job where jobname in ('minutehand', 'minutehand-prune', 'minutehand-history');
