-- automation_bulk_start(p_action, p_filter, p_spread_seconds, p_actor, p_note, p_now) -> the bulk action, as
--   automation_bulk_get
-- p_actor: {"via", "name"} of the person, or null; kept for each execution, too.
-- Counts the executions that match, and records that p_action (retry, cancel) is to be done to them; automation_bulk_step
-- does it.  The count stops at 10,000, and so does the action.  Forgets those that ended more than 30 days ago.
-- Locks: an advisory lock, so that at most ten run at once.  Errors: MH400 no such action, ten run already; 22007 a time in
-- the filter that is not one.  Called by: store.bulk_start.
create or replace function public.automation_bulk_start(
  p_action text, p_filter jsonb, p_spread_seconds double precision default 0, p_actor jsonb default null,
  p_note text default null, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_total constant integer := public.automation_count(p_filter) -> 'count';
  v_id uuid;
begin
  if p_action is null or p_action not in ('retry', 'cancel') then
    raise exception '% is not a bulk action', coalesce(p_action, 'null')
      using errcode = 'MH400', hint = 'Use retry or cancel.';
  end if;
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('minutehand.bulk_actions', 0));
  if (select count(*) from public.automation_bulk_actions where status = 'running') >= 10 then
    raise exception 'ten bulk actions are running'
      using errcode = 'MH400', hint = 'Wait until one has finished, or stop one.';
  end if;
  delete from public.automation_bulk_actions where status <> 'running' and updated_at < v_now - interval '30 days';
  insert into public.automation_bulk_actions (
    action, filter, actor, note, total, status, spread_seconds, created_at, updated_at)
  values (
    p_action, p_filter, p_actor, left(p_note, 500), v_total, case v_total when 0 then 'finished' else 'running' end,
    greatest(coalesce(p_spread_seconds, 0), 0), v_now, v_now)
  returning id into v_id;
  perform minutehand.audit(
    'bulk_' || p_action, v_id::text, p_actor, jsonb_build_object('filter', p_filter, 'total', v_total), v_now);
  return public.automation_bulk_get(v_id::text, v_now);
end
$$;
comment on function public.automation_bulk_start is 'minutehand: start an action on all executions that match';
