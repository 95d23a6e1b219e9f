-- automation_tick(p_worker, p_now) -> {"now", "schema_version", "due", "due_capped", "next_seconds", "lost_leases",
--   "matched", "paused"}
-- The housekeeping of one beat, in one bounded call: the worker's heartbeat, lost leases, unmatched events, pruning; and
-- what a caller needs to decide whether to claim, so that nothing due is one call.  p_worker: {"id", "mode", "host",
-- "version", "listens"}.  Any number may run at once.
-- Locks: rows, skip locked.  Errors: none.  Called by: store.tick.
create or replace function public.automation_tick(p_worker jsonb default null, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_lost integer;
  v_matched jsonb;
  v_due integer;
begin
  if p_worker is not null then
    insert into public.automation_workers as w (id, mode, host, version, listens, started_at, heartbeat_at)
    values (p_worker ->> 'id', p_worker ->> 'mode', p_worker ->> 'host', p_worker ->> 'version',
            coalesce((p_worker ->> 'listens')::boolean, false), v_now, v_now)
    on conflict (id) do update set heartbeat_at = excluded.heartbeat_at, listens = excluded.listens;
  end if;
  v_lost := minutehand.return_lost_leases(500, v_now);
  v_matched := public.automation_match_events(500, v_now);
  perform minutehand.prune(500, v_now);

  -- Counted to a cap: a backlog of a million must not cost a scan each minute.
  select count(*) into v_due
  from (
    select from public.automation_execution_logs
    where status = 'pending' and coalesce(scheduled_at, created_at) <= v_now
      and not minutehand.is_paused(organization_id::text, user_id::text, workflow_id)
    limit 1000
  ) due;
  return jsonb_build_object(
    'now', v_now, 'schema_version', (public.automation_schema_version() ->> 'version')::integer,
    'due', v_due, 'due_capped', v_due = 1000, 'next_seconds', minutehand.seconds_to_next(v_now),
    'lost_leases', v_lost, 'matched', v_matched -> 'matched',
    'paused', exists (select from public.automation_control where scope = 'all'));
end
$$;
comment on function public.automation_tick is 'minutehand: the housekeeping of one beat';

-- minutehand.return_lost_leases(limit, now) -> how many.  The row returns with backoff and the claim's attempt back: a lost
-- lease is counted apart (R7); the third ends it as poisoned.  Rows without our token are another processor's.
create or replace function minutehand.return_lost_leases(p_limit integer, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
  v_lost integer;
begin
  with expired as (
    select id
    from public.automation_execution_logs
    where status = 'processing' and lease_token is not null and lease_expires_at < p_now
    order by id
    limit p_limit
    for update skip locked
  )
  update public.automation_execution_logs l
  set lost_leases = coalesce(l.lost_leases, 0) + 1,
      attempt = greatest(l.attempt - 1, 0),
      status = case when coalesce(l.lost_leases, 0) >= 2 then 'failed' else 'pending' end,
      code = case when coalesce(l.lost_leases, 0) >= 2 then 'poisoned' else 'lost_lease' end,
      reason = case when coalesce(l.lost_leases, 0) >= 2
        then format('its worker vanished %s times while running it', coalesce(l.lost_leases, 0) + 1)
        else format('its worker %s vanished while running it', coalesce(l.worker, '(unnamed)')) end,
      error_message = case when coalesce(l.lost_leases, 0) >= 2
        then format('its worker vanished %s times while running it', coalesce(l.lost_leases, 0) + 1) end,
      completed_at = case when coalesce(l.lost_leases, 0) >= 2 then p_now end,
      scheduled_at = case when coalesce(l.lost_leases, 0) >= 2 then l.scheduled_at
        else p_now + minutehand.backoff(coalesce(l.lost_leases, 0) + 1) end,
      lease_token = null, lease_expires_at = null
  from expired
  where l.id = expired.id;
  get diagnostics v_lost = row_count;
  return v_lost;
end
$$;

-- minutehand.prune(limit, now): one small bite: events older than 30 days, but those of unfinished executions; workers
-- silent for a day.  By primary key, whose order is the events' order, so nothing young is read.
create or replace function minutehand.prune(p_limit integer, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  delete from public.automation_events
  where id in (
    select e.id
    from public.automation_events e
    where e.id in (select id from public.automation_events order by id limit p_limit)
      and e.occurred_at < p_now - interval '30 days'
      and not exists (
        select from public.automation_execution_logs l
        where l.event_id = e.id and l.status in ('pending', 'processing'))
    for update skip locked);
  delete from public.automation_workers where heartbeat_at < p_now - interval '1 day';
$$;
