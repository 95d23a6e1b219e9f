-- automation_settle(p_outcomes, p_now) -> [{"id", "answer": "settled" | "already" | "lost" | "failed", "status", "code",
--   "reason", "attempt", "due_seconds"}]
-- Ends many executions in one call (R6).  p_outcomes: [{"id", "token", "ended", "steps"?, "code"?, "reason"?, "more"?,
-- "retry_after_seconds"?, "resume_step"?, "on_uncertain"?, "due_in_seconds"?, "earlier"?, "confirm"?}].  `earlier` are records
-- of steps that finished before, `confirm` says how the last send ended (automation_confirm_sends), and `ended` is
--   done       nothing is left to run: completed, or failed if a recorded step failed (`partial` if others succeeded)
--   failed     it cannot run at all (code, reason)          skipped, cancelled   it must not run (code, reason)
--   retry      the step in `steps` was certainly not done: pending again after a backoff, until the attempts are used up; then
--              that step has failed, and the steps that follow run at once (`more`), or the execution ends
--   unknown    the step's send left, and nobody knows whether it arrived: on_uncertain says resend (as retry), hold or drop (R13)
--   released   it was not run after all: pending, and the attempt is given back (due in `due_in_seconds`, if given)
--   waiting    pending again in `due_in_seconds`; a wait is progress and spends no attempt
-- `already`: this caller settled it before.  `lost`: another owns it now, nothing was written.  `failed`: the outcome could not
-- be stored; the execution ended as failed: unrecordable, and the others settled.
-- The executions that waited behind one of these in its ordering group are due at once (minutehand.wake).
-- Locks: the ordering groups' advisory locks, sorted; execution rows, by id.  Errors: none.  Called by: store.settle.
create or replace function public.automation_settle(p_outcomes jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_outcome jsonb;
  v_answers jsonb := '[]';
begin
  perform minutehand.lock_groups(p_outcomes);
  begin
    v_answers := minutehand.settle_batch(p_outcomes, v_now);
    perform minutehand.wake(v_answers, v_now, true);
    return v_answers;
  exception when others then
    if not minutehand.is_unstorable(sqlstate) then
      raise;
    end if;
    v_answers := '[]';  -- find out which one, each in a block of its own
  end;
  for v_outcome in select value from jsonb_array_elements(p_outcomes) order by value ->> 'id' loop
    begin
      v_answers := v_answers || minutehand.settle_batch(jsonb_build_array(v_outcome), v_now);
    exception when others then
      if not minutehand.is_unstorable(sqlstate) then
        raise;
      end if;
      -- json that a callee wrote into an adopted table may not be valid jsonb (\u0000), and would prevent this end, too.
      update public.automation_execution_logs
      set actions_executed = jsonb_build_array(jsonb_build_object(
        'stepId', 'actions_executed', 'status', 'failed', 'code', 'unrecordable',
        'error', 'what the executor recorded is not valid JSON'))
      where id = minutehand.to_uuid(v_outcome ->> 'id') and lease_token = minutehand.to_uuid(v_outcome ->> 'token')
        and lease_expires_at is not null and not minutehand.is_json(actions_executed::text);
      v_answers := v_answers || minutehand.settle_batch(
        jsonb_build_array(jsonb_build_object(
          'id', v_outcome ->> 'id', 'token', v_outcome ->> 'token', 'ended', 'failed', 'code', 'unrecordable',
          'reason', format('the result could not be stored: %s', sqlerrm))), v_now);
    end;
  end loop;
  perform minutehand.wake(v_answers, v_now, true);
  return v_answers;
end
$$;
comment on function public.automation_settle is 'minutehand: ends executions under their leases';
