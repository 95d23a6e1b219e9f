-- automation_tick(p_worker, p_hold_seconds, p_now) -> {"now", "schema_version", "due", "due_capped", "next_seconds",
--   "lost_leases", "to_match": [event ids], "paused", "tripped": [names], "missing", "hidden": as in automation_schema_version, "held", "restored",
--   "flooded", "holding", "pace": minutehand.tick_pace, "identity": minutehand.identity_words, "schedules": minutehand.due_schedules, "walks", "dates"}
-- The housekeeping of one tick, in one bounded call: the worker's heartbeat, lost leases, the loop breaker (`tripped`: workflows
-- that this call paused), pruning; and what a caller needs to decide whether to claim.  `to_match` are unmatched events, which
-- the caller passes to automation_match: matching compares what users wrote, so it has a transaction of its own.  p_worker: {"id",
-- "mode", "host", "version", "listens", "batch_size" (null: all that is due), "tick_seconds", "problems", "serves"}.  Any number may run at once.
-- If no processor has run for longer than p_hold_seconds (null: never), executions that were due before that are set aside as
-- stale, not run: `held` of them in this call; after a restore `restored` are held instead; `holding` says that there are more,
-- and to call again.
-- On a copy or a restore of the database (copies.sql) it records the heartbeat, and nothing else happens.  p_worker may name the
-- "project" of the address by which it reaches the database.
-- `schedules` are to be looked at, and `walks` says that rows of a firing have not started yet, `dates` that
-- date columns are to be scanned: the caller passes them to automation_fire.
-- Waits whose rows have changed since they last looked are due at once (minutehand.look_again).
-- Executions of workflows that are past their measure of an hour are held where the workflow asks for it (volume.sql):
-- `flooded` of them in this call.
-- enable_seqscan is off: bad statistics must not lead it out of its indexes into the history.  jit is off: PostgreSQL <= 17
-- overestimates the cost of reading a small table whole, and JIT-compiles the query (100 ms).
-- Locks: rows, skip locked.  Errors: none.  Called by: store.tick.
create or replace function public.automation_tick(
  p_worker jsonb default null, p_hold_seconds integer default null, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = ''
set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_lost integer;
  v_tripped jsonb;
  v_due integer;
  v_backlog record;
  v_is_first boolean := false;
  v_is_restored constant boolean := exists (select from minutehand.backlog where begun = 'hold');
  v_problems jsonb;
  v_volume record;
  v_guard jsonb := '{}';
  v_is_timed constant boolean := exists (
    select from public.automation_workflows w where w.trigger_type = any (minutehand.schedule_types() || minutehand.date_types()));
begin
  perform minutehand.note_project(p_worker ->> 'project');
  if minutehand.is_copy((select state from minutehand.identity)) then
    perform minutehand.record_heartbeat(p_worker, v_now);
    return minutehand.tick_of_copy(v_now);
  end if;
  perform minutehand.turn_pauses(v_now);
  perform minutehand.note_stale_cutoff(p_hold_seconds, v_now);
  perform minutehand.record_heartbeat(p_worker, v_now);
  v_lost := minutehand.return_lost_leases(500, v_now);
  v_tripped := minutehand.trip_breakers(v_now);
  -- Before events are picked: it waits for those that were unmatched when the processors stopped.
  select * into v_backlog from minutehand.skip_stale(5000, v_now);
  begin
    select * into v_volume from minutehand.check_volume(false, v_now);
  exception when others then  -- the queue goes on without it
    select 0 as held, false as holding into v_volume;
    v_guard := jsonb_build_object('volume guard', sqlerrm);
  end;
  begin
    perform minutehand.look_again(500, v_now);
  exception when others then  -- what waits is looked at when its wait is over
    v_guard := v_guard || jsonb_build_object('waits', sqlerrm);
  end;
  v_due := minutehand.count_due(1000, v_now);
  if p_worker is not null then
    insert into minutehand.tick_log (minute, first_at, due) values (date_trunc('minute', v_now), v_now, v_due)
    on conflict do nothing;
    v_is_first := found;
  end if;
  v_problems := v_guard || minutehand.tidy(v_is_first, v_now) || coalesce(p_worker -> 'problems', '{}');
  update public.automation_workers set problems = nullif(v_problems, '{}')
  where id = p_worker ->> 'id' and problems is distinct from nullif(v_problems, '{}');
  return jsonb_build_object(
    'now', v_now, 'schema_version', (public.automation_schema_version() ->> 'version')::integer,
    'due', v_due, 'due_capped', v_due = 1000, 'next_seconds', minutehand.seconds_to_next(v_now),
    'lost_leases', v_lost, 'to_match', minutehand.pick_unmatched(500, v_now), 'held', case when v_is_restored then 0 else v_backlog.held end,
    'restored', case when v_is_restored then v_backlog.held else 0 end, 'flooded', v_volume.held, 'holding', v_backlog.holding or v_volume.holding,
    'tripped', v_tripped, 'missing', minutehand.missing_from_schema(), 'hidden', minutehand.hidden_tables(),
    'pace', minutehand.tick_pace(v_now),
    'bulk_actions', (select count(*) from public.automation_bulk_actions where status = 'running'),
    'schedules', case when v_is_timed then minutehand.due_schedules(50, v_now) else '[]' end,
    'walks', v_is_timed and minutehand.is_walk_due(v_now), 'dates', v_is_timed and minutehand.is_date_due(v_now),
    'paused', (select everything from minutehand.pauses), 'identity', minutehand.identity_words(v_now));
end
$$;
comment on function public.automation_tick is 'minutehand: the housekeeping of one tick';

-- minutehand.record_heartbeat(worker, now): that this processor runs; null: nobody says so.
create or replace function minutehand.record_heartbeat(p_worker jsonb, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  insert into public.automation_workers as w (
    id, mode, host, version, listens, batch_size, tick_seconds, serves, started_at, heartbeat_at)
  select p_worker ->> 'id', p_worker ->> 'mode', p_worker ->> 'host', p_worker ->> 'version',
         coalesce((p_worker ->> 'listens')::boolean, false), (p_worker ->> 'batch_size')::integer,
         (p_worker ->> 'tick_seconds')::double precision, nullif(p_worker -> 'serves', 'null'), p_now, p_now
  where p_worker is not null
  on conflict (id) do update
    set heartbeat_at = excluded.heartbeat_at, listens = excluded.listens, batch_size = excluded.batch_size,
        tick_seconds = excluded.tick_seconds, serves = excluded.serves
$$;

-- minutehand.tick_of_copy(now) -> automation_tick's answer on a copy: nothing is due, matched, returned, held or pruned.
create or replace function minutehand.tick_of_copy(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'now', p_now, 'schema_version', (public.automation_schema_version() ->> 'version')::integer, 'due', 0,
    'due_capped', false, 'next_seconds', null, 'lost_leases', 0, 'to_match', '[]'::jsonb, 'held', 0, 'restored', 0,
    'flooded', 0, 'holding', false, 'tripped', '[]'::jsonb, 'missing', minutehand.missing_from_schema(),
    'hidden', minutehand.hidden_tables(), 'pace', minutehand.tick_pace(p_now), 'bulk_actions', 0, 'schedules', '[]'::jsonb,
    'walks', false, 'dates', false, 'paused', true,
    'identity', minutehand.identity_words(p_now))
$$;

-- minutehand.tidy(is_first, now) -> {"<what>": reason}: what may fail without the queue being the worse for it, each in a block of its
-- own; the answer says what failed.  is_first: the first tick of a minute, which looks at all workflows.
create or replace function minutehand.tidy(p_is_first boolean, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_problems jsonb := '{}';
begin
  begin
    if not minutehand.clock_jumped(p_now) then
      perform minutehand.prune(500, p_now);
      perform minutehand.prune_audit(500, p_now);
      perform minutehand.prune_direct_calls(5000, p_now);
    end if;
  exception when others then
    v_problems := v_problems || jsonb_build_object('pruning', sqlerrm);
  end;
  if p_is_first then
    begin
      perform minutehand.read_zones(5000, p_now);
      v_problems := v_problems || coalesce(
        (select jsonb_build_object('time zones', problem) from minutehand.zone_source where problem is not null), '{}');
    exception when others then
      v_problems := v_problems || jsonb_build_object('time zones', sqlerrm);
    end;
    begin
      perform minutehand.keep_verdicts(interval '1 second');
    exception when others then
      v_problems := v_problems || jsonb_build_object('verdicts', sqlerrm);
    end;
  end if;
  return v_problems;
end
$$;

-- minutehand.return_lost_leases(limit, now) -> how many.  The execution returns with a backoff, and gets the claim's attempt
-- back: a lost lease is counted apart (R7); the third one ends it as poisoned.  If its callee ended it, that end stands.
-- Rows without our token belong to another processor.
create or replace function minutehand.return_lost_leases(p_limit integer, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
  v_expired constant uuid[] := array(
    select l.id
    from public.automation_execution_logs l
    -- No lease of ours lasts for ever.
    where l.lease_token is not null and (l.lease_expires_at < p_now or l.lease_expires_at = 'infinity')
    limit p_limit
    for update skip locked);
begin
  if v_expired <> '{}' then
    perform minutehand.all_or_each('return_leases', v_expired, p_now);
    perform minutehand.wake((select jsonb_agg(jsonb_build_object('id', id)) from unnest(v_expired) as id), p_now, false);
  end if;
  return cardinality(v_expired);
end
$$;

-- minutehand.return_leases(ids, now): returns these, whose leases are lost and whose rows are locked.
create or replace function minutehand.return_leases(p_ids uuid[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_expired public.automation_execution_logs[] := array(
    select l from public.automation_execution_logs l where l.id = any (p_ids));
begin
  perform minutehand.settle_batch(jsonb_agg(jsonb_build_object('id', e.id, 'token', e.lease_token, 'ended', 'done')), p_now)
  from unnest(v_expired) e
  where e.status not in ('processing', 'running', 'pending')
  having count(*) > 0;

  update public.automation_execution_logs l
  set lost_leases = e.lost,
      attempt = greatest(l.attempt, 1) - 1,
      status = case when e.lost > 2 then 'failed' else 'pending' end,
      code = case when e.lost > 2 then 'poisoned' else 'lost_lease' end,
      reason = e.reason,
      error_message = case when e.lost > 2 then e.reason end,
      completed_at = case when e.lost > 2 then p_now end,
      scheduled_at = case when e.lost > 2 then l.scheduled_at else e.due end,
      past = case when e.lost > 2 then l.past::jsonb
        else minutehand.append_history(l.past::jsonb, 'lost', l.claimed_at, p_now, jsonb_build_object(
          'code', 'lost_lease', 'reason', e.reason, 'worker', l.worker, 'attempt', l.attempt,
          'due', e.due)) end,
      lease_token = null, lease_expires_at = null
  from (
    select id, lost, p_now + minutehand.backoff(lost) as due, case when lost > 2 then format('its worker vanished %s times while running it', lost)
      else format('its worker %s vanished while running it', worker) end as reason
    from (
      select id, least(greatest(coalesce(lost_leases, 0), 0), 30000) + 1 as lost, coalesce(worker, '(unnamed)') as worker
      from unnest(v_expired)
      where status in ('processing', 'running', 'pending')
    ) x
  ) e
  where l.id = e.id;
end
$$;

-- minutehand.clock_jumped(now) -> boolean: whether the last tick of more than an hour ago is a day older than that.  A clock that
-- jumps ahead looks like this for its first hour; so does a database whose processors were off, where waiting costs nothing.
-- Whatever deletes by age asks it first.  Ticks of a later time are those of a clock that was wrong and is right again.
create or replace function minutehand.clock_jumped(p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select coalesce(max(first_at) < p_now - interval '25 hours', false)
  from minutehand.tick_log
  where minute <= p_now - interval '1 hour'
$$;

-- minutehand.prune(limit, now): deletes a bounded number: events older than 30 days, except those of unfinished executions;
-- workers silent for a day; ticks of more than a week ago.
create or replace function minutehand.prune(p_limit integer, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_cutoff constant timestamptz := p_now - interval '30 days';
begin
  delete from public.automation_workers where heartbeat_at < p_now - interval '1 day';
  delete from minutehand.tick_log where minute < p_now - interval '7 days';
  delete from public.automation_events
  where id in (
    select e.id
    from public.automation_events e
    where e.id < minutehand.first_event_since(v_cutoff) and e.occurred_at < v_cutoff
      -- One probe an event, of the index that is where replay_of is null; `not exists` may become a join with all of them.
      and (
        select true
        from public.automation_execution_logs l
        where l.event_id = e.id and l.replay_of is null and l.status in ('pending', 'processing', 'running')
        limit 1) is null
    order by e.id
    limit p_limit
    for update of e skip locked);
end
$$;

-- minutehand.first_event_since(time) -> bigint: about where the younger events begin; 0 when the oldest is younger.  Found by
-- bisection, since ids grow with time, and time has no index of its own.
create or replace function minutehand.first_event_since(p_time timestamptz) returns bigint
language plpgsql stable set search_path = '' as $$
declare
  v_low bigint := 0;
  v_high bigint;
  v_middle bigint;
begin
  if (select occurred_at from public.automation_events order by id limit 1) < p_time then
    select min(id), max(id) + 1 into v_low, v_high from public.automation_events;
    while v_low < v_high loop
      v_middle := v_low + (v_high - v_low) / 2;
      if (select occurred_at from public.automation_events where id >= v_middle order by id limit 1) < p_time then
        v_low := v_middle + 1;
      else
        v_high := v_middle;
      end if;
    end loop;
  end if;
  return v_low;
end
$$;
