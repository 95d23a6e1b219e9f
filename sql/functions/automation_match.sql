-- automation_match(p_ids, p_now) -> {"matched": events, "executions": created, "set_aside": events}
-- Matches the events that a tick picked (`to_match` of automation_tick), one at a time, so that a large row is in memory alone.
-- An event that fails is tried again with a growing delay, and set aside with its error after 5 attempts; if the database is
-- at fault (a column is missing, the disk is full), it is tried until that is fixed; so is a change whose row lacked a column
-- that its watch needs (minutehand.complete_events).  No event is started after 3 s, because the
-- platform ends a statement after 8 s and all its work would be lost: what is left is picked again by the next tick, and no
-- attempt is counted.  So is an event that another call holds.
-- Locks: sorted advisory locks on rows (R10), then the events (skip locked).  Errors: none.  Called by: store.match.
create or replace function public.automation_match(p_ids jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' set jit = off as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_deadline constant timestamptz := clock_timestamp() + interval '3 s';
  v_ids constant bigint[] := array(select value::bigint from jsonb_array_elements_text(p_ids));
  v_id bigint;
  v_event public.automation_events;
  v_result record;
  v_done bigint[] := '{}';
  v_matched integer := 0;
  v_started integer := 0;
  v_set_aside integer := 0;
begin
  if exists (select from public.automation_events where id = any (v_ids) and missing_columns is not null) then
    perform minutehand.complete_events(v_ids);
  end if;
  -- The rate limit is counted under these locks; sorted, so that two calls never wait for each other in a circle.
  perform pg_advisory_xact_lock(key)
  from (
    select distinct minutehand.rate_limit_lock(null, entity_id) as key
    from public.automation_events where id = any (v_ids) order by 1
  ) keys;

  foreach v_id in array v_ids loop
    exit when clock_timestamp() > v_deadline and v_done <> '{}';
    select * into v_event
    from public.automation_events where id = v_id and matched_at is null for update skip locked;
    continue when not found;  -- matched by now; or another pick holds it for a moment, and it is given back below
    v_done := v_done || v_id;
    begin
      if v_event.missing_columns is not null then
        select v_event.error as problem, true as passing into v_result;
      else
        select * into v_result
        from minutehand.match_event(
          v_event,
          (select config from minutehand.watched where name = v_event.table_name limit 1),
          clock_timestamp() + interval '3 s', true, null);
      end if;
      v_result.problem := case
        when v_result.problem = 'budget' then 'its workflows need more than 3 s to compare this row'
        else v_result.problem end;
    exception when others then
      select sqlerrm as problem, not minutehand.is_unstorable(sqlstate) as passing into v_result;
    end;
    if v_result.problem is null then
      update public.automation_events set matched_at = v_now, match_attempts = 0, match_after = null, error = null
      where id = v_id;
      v_matched := v_matched + 1;
    else
      update public.automation_events
      set match_attempts = case when v_result.passing then least(match_attempts, 3) else match_attempts end,
          match_after = v_now + minutehand.backoff(match_attempts),
          error = v_result.problem
      where id = v_id
      returning v_set_aside + (match_attempts >= 5)::integer into v_set_aside;
    end if;
  end loop;

  -- What was not begun is given back: it would wait for the lease of its pick.
  update public.automation_events
  set match_attempts = greatest(match_attempts - 1, 0), match_after = null
  where id = any (v_ids) and id <> all (v_done) and matched_at is null;
  if v_matched > 0 then  -- the table may be missing, which only a match notices
    select count(*) into v_started from public.automation_execution_logs where event_id = any (v_done);
  end if;
  if v_started > 0 then  -- before anybody claims them
    begin
      perform minutehand.check_volume(true, v_now);
    exception when others then
      raise warning 'minutehand: the volume guard failed: %', sqlerrm;
    end;
  end if;
  return jsonb_build_object('matched', v_matched, 'executions', v_started, 'set_aside', v_set_aside);
end
$$;
comment on function public.automation_match is 'minutehand: matches the events that a tick picked';
