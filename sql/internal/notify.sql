-- Wakes workers that listen.

-- minutehand.notify(): wakes listening workers, once a transaction, and only while one is alive: NOTIFY takes a lock at
-- commit that all committers share (R12).  The payload is empty; a poll always backs it up.  Not sent where it could fail
-- the app's commit: a transaction that has notified cannot be prepared, and a full queue refuses.
create or replace function minutehand.notify() returns void
language plpgsql volatile as $$
begin
  if current_setting('minutehand.hinted', true) = 'yes' then
    return;
  end if;
  perform set_config('minutehand.hinted', 'yes', true);
  if exists (
       select from public.automation_workers where listens and heartbeat_at > minutehand.clock() - interval '60 seconds')
     and current_setting('max_prepared_transactions') = '0'
     and pg_notification_queue_usage() < 0.5 then
    perform pg_notify('minutehand', '');
  end if;
end
$$;
