-- The stale backlog: executions that came due while no processor ran are not run late; a person releases them.  Late means now
-- minus due, and only of executions that never began: a wait of two days is not late.  After a restore (automation_identify) those
-- that had begun are held too: the database that was backed up may have gone on with them.

-- minutehand.note_stale_cutoff(seconds, now): records the cutoff if no processor has run since then: no heartbeat, and no lease of
-- a processor's long run.  Called before the caller's own heartbeat.  Two calls at once agree: the second waits for the first
-- one's row.
create or replace function minutehand.note_stale_cutoff(p_seconds integer, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_before constant timestamptz := p_now - make_interval(secs => p_seconds);  -- null: never
begin
  if v_before is not null
     and not exists (select from public.automation_workers where heartbeat_at >= v_before)
     and not exists (
       select from public.automation_execution_logs
       where lease_token is not null and lease_expires_at is not null and lease_expires_at >= v_before
         and lease_expires_at < 'infinity' and worker is not null) then
    insert into minutehand.backlog as b (held_before) values (v_before)
    on conflict (only_row) do update set held_before = greatest(b.held_before, excluded.held_before);
  end if;
end
$$;

-- minutehand.skip_stale(limit, now) -> (held, holding): sets up to p_limit stale executions aside (`skipped: stale`); holding says
-- that there are more.  Any processor does this, whichever recorded the cutoff.  Old changes that are still unmatched will bring
-- more.  A deferred execution is not late by itself, but together with the one that it waits for.
-- Locks: the cutoff; execution rows, by id.
create or replace function minutehand.skip_stale(
  p_limit integer, p_now timestamptz, out held integer, out holding boolean
) language plpgsql set search_path = '' as $$
declare
  v_before timestamptz;
  v_begun text;
  v_late uuid[];
begin
  held := 0;
  holding := false;
  select b.held_before, b.begun into v_before, v_begun from minutehand.backlog b for update;
  if v_before is null then
    return;
  end if;
  v_late := array(
    select l.id
    from public.automation_execution_logs l
    where l.status = 'pending' and minutehand.due_at(l) < v_before and (l.started_at is null or v_begun is not null)
      and coalesce(l.code, '') <> 'earlier_unfinished'
    limit p_limit);
  v_late := array(
    select id from public.automation_execution_logs where id = any (v_late) and status = 'pending' order by id for update);
  perform minutehand.all_or_each('skip_late', v_late, p_now);
  held := cardinality(v_late);
  holding := minutehand.undefer_stale(v_late, v_before, p_limit) > 0 or cardinality(v_late) = p_limit or exists (
    select from public.automation_events
    where matched_at is null and match_attempts < 5 and coalesce(match_after, '-infinity') <= p_now
      and occurred_at < v_before);
  if not holding then
    delete from minutehand.backlog;
  end if;
end
$$;

-- minutehand.skip_late(ids, now): sets these aside; the caller has locked them.  Those that are held after a restore stay pending.
create or replace function minutehand.skip_late(p_ids uuid[], p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  update public.automation_execution_logs l
  set status = case when b.begun = 'hold' then 'pending' else 'skipped' end,
      code = case when b.begun = 'hold' then 'restored' else 'stale' end,
      completed_at = case when b.begun = 'hold' then l.completed_at else p_now end,
      scheduled_at = case when b.begun = 'hold' then 'infinity' else l.scheduled_at end,
      reason = format(
        'it was due at %s, %s; release it to run it now', minutehand.utc_text(minutehand.due_at(l)),
        case when b.begun is null then 'when no processor ran' else 'before this database was restored or copied' end)
  from minutehand.backlog b
  where l.id = any (p_ids)
$$;
