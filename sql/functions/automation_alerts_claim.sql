-- automation_alerts_claim(p_token, p_share, p_age_seconds, p_now) -> [{"id", "kind", "subject", "code", "what": "opened" |
--   "updated" | "recovered", "opened_at", "recovered_at", "count", "summary", "sample"}], the oldest first
-- Detects incidents, and hands out the notifications to send; to p_token for two minutes, so that two callers never send the
-- same.  What is not recorded as sent by then (automation_alerts_notified) is handed out again.  The same call repeated
-- returns the same.  p_share: how many of a workflow's executions may fail; p_age_seconds: how long the oldest due one may wait.
-- enable_seqscan: bad statistics must not lead it out of its indexes into the history.
-- Locks: minutehand.alert_state and incidents, skip locked.  Errors: none.  Called by: store.alerts_claim.
create or replace function public.automation_alerts_claim(
  p_token uuid, p_share double precision default 0.2, p_age_seconds bigint default 600, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
begin
  perform minutehand.update_incidents(p_share, make_interval(secs => least(p_age_seconds, 3155760000)), v_now);
  update public.automation_incidents i
  set notifier = p_token, notifier_until = v_now + interval '2 minutes'
  where i.id in (
    select o.id
    from public.automation_incidents o
    where minutehand.next_notification(o, v_now) is not null and (o.notifier_until is null or o.notifier_until <= v_now)
    order by o.opened_at
    limit 100
    for update skip locked);
  return (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', i.id, 'kind', i.kind, 'what', minutehand.next_notification(i, v_now), 'subject', i.subject, 'code', i.code,
      'opened_at', i.opened_at, 'recovered_at', i.recovered_at, 'count', i.count, 'summary', i.summary,
      'sample', i.sample) order by i.opened_at, i.id), '[]')
    from public.automation_incidents i
    where i.notifier = p_token and i.notifier_until > v_now);
end
$$;
comment on function public.automation_alerts_claim is 'minutehand: detects incidents, and hands out the notifications to send';
