-- automation_fire(p_looks, p_now) -> {"started": executions, "more": bool}
-- Decides schedules that a tick named (`schedules` of automation_tick), and goes on with the walks of for_each (`walks`) and with the scans of date columns (`dates`).  p_looks:
-- [{"id", "version", "form": as the tick gave them, "until": the tick's now, "instants": [those after "from" up to "until"; the newest
-- 100], "next_at": the first after "until" | null, "problem"?: why it has none}].  A call that is repeated starts nothing twice.  Each
-- schedule has a block of its own; no piece is begun after 3 s, and `more` then says to call again.
-- Locks: rows of minutehand.schedules, schedule_walks and date_scans, skip locked.  Errors: those of class `away`.  Called by: store.fire.
create or replace function public.automation_fire(p_looks jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_deadline constant timestamptz := clock_timestamp() + interval '3 s';
  v_look jsonb;
  v_started integer := 0;
  v_walks record;
  v_dates record;
begin
  if minutehand.is_copy((select state from minutehand.identity)) then
    return '{"started": 0, "more": false}';
  end if;
  for v_look in select value from jsonb_array_elements(p_looks) order by value ->> 'id' loop
    begin
      v_started := v_started + coalesce(minutehand.decide_schedule(v_look, v_now), 0);
    exception when others then
      if minutehand.is_away(sqlstate) then
        raise;
      end if;
      update minutehand.schedules set problem = left(sqlerrm, 500), look_at = v_now + interval '1 minute'
      where workflow_id = minutehand.to_uuid(v_look ->> 'id');
    end;
  end loop;
  select * into v_walks from minutehand.step_walks(v_deadline, v_now);
  select * into v_dates from minutehand.scan_dates(v_deadline, v_now);
  v_started := v_started + v_walks.started + v_dates.started;
  if v_started > 0 then
    perform minutehand.notify();
    begin
      perform minutehand.check_volume(true, v_now);
    exception when others then
      raise warning 'minutehand: the volume guard failed: %', sqlerrm;
    end;
  end if;
  return jsonb_build_object('started', v_started, 'more', v_walks.more or v_dates.more);
end
$$;
comment on function public.automation_fire is 'minutehand: starts what a schedule starts';
