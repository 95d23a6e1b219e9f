-- automation_direct_sweep(p_limit, p_hold_seconds, p_now) -> automation_tick's answer and {"called": n, "problem": text | null}
-- The tick of direct mode where no machine runs one: pg_cron runs it in the database each minute.  It does a tick's
-- housekeeping and the matching that follows it, and calls the executor for up to p_limit due executions: those that no call
-- reached, retries, lost leases.  Tenants take turns (R4). An extra call changes nothing.  The first call that cannot be made
-- ends it, and is reported.
-- Locks: as automation_tick; the executions that are called for, skip locked.  Errors: none.  Called by: pg_cron.
create or replace function public.automation_direct_sweep(
  p_limit integer default 10, p_hold_seconds integer default 3600, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_config constant jsonb := minutehand.direct_config();
  v_tick constant jsonb := public.automation_tick(
    jsonb_build_object(
      'id', 'pg_cron', 'mode', 'sweep', 'host', 'the database', 'batch_size', p_limit, 'tick_seconds', 60), p_hold_seconds, p_now);
  v_id uuid;
  v_called integer := 0;
  v_problem text := case
    when not coalesce((v_config ->> 'enabled')::boolean, false) then 'direct mode is off'
    when not minutehand.may_call_out() then v_tick #>> '{identity,reason}' end;
begin
  if v_tick -> 'to_match' <> '[]' then
    begin
      perform public.automation_match(v_tick -> 'to_match', p_now);
    exception when others then  -- what is due is called for all the same
      raise warning 'minutehand: changes were not matched: %', sqlerrm;
    end;
  end if;
  if v_problem is null and not (v_tick ->> 'holding')::boolean and not (v_tick ->> 'paused')::boolean then
    begin
      foreach v_id in array minutehand.pick_by_tenant(p_limit, v_now) || minutehand.pick_suspects(1, v_now) loop
        perform minutehand.direct_call_existing(v_config, v_id);
        v_called := v_called + 1;
      end loop;
    exception when others then
      v_called := 0;  -- the calls before it are rolled back with it
      v_problem := sqlerrm;
    end;
  end if;
  return v_tick || jsonb_build_object('called', v_called, 'problem', v_problem);
end
$$;
comment on function public.automation_direct_sweep is 'minutehand: the tick of direct mode, from within the database';

-- minutehand.direct_call_existing(config, id): calls the executor for an execution that stood before (with --no-claim: begins it).
create or replace function minutehand.direct_call_existing(p_config jsonb, p_id uuid) returns void
language plpgsql set search_path = '' as $$
declare
  v_log public.automation_execution_logs;
begin
  select * into v_log from public.automation_execution_logs where id = p_id;
  if (p_config ->> 'no_claim')::boolean then
    v_log := minutehand.direct_begin(v_log);
    update public.automation_execution_logs
    set status = v_log.status, lease_token = v_log.lease_token, lease_expires_at = v_log.lease_expires_at,
        worker = v_log.worker, attempt = v_log.attempt, max_attempts = v_log.max_attempts, started_at = v_log.started_at,
        claimed_at = v_log.claimed_at
    where id = p_id;
  end if;
  perform minutehand.direct_call(p_config, v_log);
end
$$;
