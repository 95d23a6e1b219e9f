-- automation_prune(p_keep_seconds, p_limit, p_now) -> {"deleted": executions, "more": bool, "skipped"?: why nothing was deleted}
-- Deletes up to p_limit executions that have ended and were created longer ago than p_keep_seconds, the oldest first, with their
-- sends; also those that the app itself ran in an adopted table.  Executions that are pending, in flight or locked stay.  If a
-- foreign key of the app still points to one of them, nothing of the call is deleted, and a WARNING says so.
-- It reads at most ten times p_limit rows, so many old rows that stay can hide what is behind them.
-- Locks: the rows that it deletes, skip locked.  Errors: MH400 less than a day.  Called by: store.prune.
create or replace function public.automation_prune(
  p_keep_seconds bigint, p_limit integer default 500, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_cutoff timestamptz;
  v_ids uuid[];
begin
  if p_keep_seconds is null or p_keep_seconds < 86400 then
    raise exception 'executions are kept for a day at least'
      using errcode = 'MH400', hint = 'The rate limits and the idempotency of what is under way need them.';
  end if;
  if minutehand.clock_jumped(coalesce(p_now, now())) then
    return jsonb_build_object('deleted', 0, 'more', false, 'skipped',
      'no processor ran for a day before the last hour: nothing is deleted until one has run for an hour, in case '
      'the clock of the database is wrong');
  end if;
  v_cutoff := coalesce(p_now, now()) - make_interval(secs => least(p_keep_seconds, 3155760000));
  v_ids := array(
    select l.id
    from public.automation_execution_logs l
    where l.id in (
        select id from public.automation_execution_logs
        where created_at < v_cutoff order by created_at, id limit 10 * p_limit)
      and l.status in ('completed', 'failed', 'skipped', 'cancelled') and l.lease_expires_at is null
    order by l.created_at, l.id
    limit p_limit
    for update skip locked);
  delete from public.communication_logs where execution_id = any (v_ids);
  delete from public.automation_execution_logs where id = any (v_ids);
  return jsonb_build_object('deleted', cardinality(v_ids), 'more', cardinality(v_ids) = p_limit);
exception when foreign_key_violation then
  raise warning 'minutehand: nothing was pruned: %', sqlerrm;
  return jsonb_build_object('deleted', 0, 'more', false);
end
$$;
comment on function public.automation_prune is 'minutehand: deletes old executions, a bounded number at a time';
