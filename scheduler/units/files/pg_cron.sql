-- Minutehand's minute from within the database: paste it into the SQL editor of Supabase, or run it with psql.
-- It needs the extension pg_cron, and direct mode: `minutehand direct on --url https://…` says whom to call, an edge
-- function that claims or a `minutehand serve`.  The database itself sends nothing: it rings, and who is rung for works.

-- 1. Every minute: keep house (lost leases, retries, changes matched late) and ring for up to 10 executions that are due.
select cron.schedule('minutehand', '* * * * *', 'select public.automation_direct_sweep(p_limit => 10)');

-- 2. Every ten minutes: delete up to 500 executions that ended, and were made more than 90 days ago.
select cron.schedule('minutehand-prune', '*/10 * * * *', 'select public.automation_prune(p_keep_seconds => 90 * 86400)');

-- 3. Every day: delete what pg_cron itself notes of each run, which grows for ever, after a week.
select cron.schedule('minutehand-history', '17 4 * * *',
  $$delete from cron.job_run_details where end_time < now() - interval '7 days'$$);

-- Does it work?
--   select public.automation_direct_status();
--   select status, return_message, end_time from cron.job_run_details order by runid desc limit 5;
-- Away with it:
--   select cron.unschedule(jobname) from cron.job where jobname in ('minutehand', 'minutehand-prune', 'minutehand-history');
