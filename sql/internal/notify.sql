-- Wakes workers that listen.

-- minutehand.notify(): wakes listening workers, once a transaction, and only if one is alive: NOTIFY takes a lock at commit that all
-- committers share (R12).  The payload is empty; polling is the fallback.  It is not sent where it could make the app's commit
-- fail: a transaction that has notified cannot be prepared, and a full queue refuses it.
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
