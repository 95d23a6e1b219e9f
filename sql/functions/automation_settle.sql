-- automation_settle(p_outcomes, p_now) -> [{"id", "answer": "settled" | "already" | "lost" | "failed", "status", "code",
--   "reason", "attempt", "due_seconds"}]
-- Ends many executions in one call (R6).  p_outcomes: [{"id", "token", "ended", "steps"?, "code"?, "reason"?, "more"?,
-- "retry_after_seconds"?, "give_up_seconds"?, "resume_step"?, "on_uncertain"?, "due_in_seconds"?, "earlier"?, "confirm"?,
-- "pace"?}].  `earlier` are records of steps that finished before, `confirm` says how the last send ended
-- (automation_confirm_sends), `pace` how one ended to a receiver that asks, or asked, to slow down (minutehand.note_paces), and
-- `ended` is
--   done       nothing is left to run: completed, or failed if a recorded step failed (`partial` if others succeeded)
--   failed     it cannot run at all (code, reason)          skipped, cancelled   it must not run (code, reason)
--   retry      the step in `steps` was certainly not done: pending again after a backoff, until the attempts are used up; then
--              that step has failed, and the steps that follow run at once (`more`), or the execution ends
--   unknown    the step's send left, and nobody knows whether it arrived: on_uncertain says resend (as retry), hold or drop (R13)
--   released   it was not run after all: pending, and the attempt is given back (due in `due_in_seconds`, if given)
--   deferred   something is in the way that may pass: a lock, a table that cannot be read, a receiver that asks to slow down
--              (`retry_after_seconds`).  Pending, and the attempt is given back; each delay is about as long as it has waited so
--              far (minutehand.deferral); or `due_in_seconds`, or what the receiver's pace allows.  After `give_up_seconds` (a
--              day) the step in `steps` has failed, else the execution
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
    if minutehand.is_away(sqlstate) then
      raise;
    end if;
    v_answers := '[]';  -- find out which one, each in a block of its own
  end;
  for v_outcome in select value from jsonb_array_elements(p_outcomes) order by value ->> 'id' loop
    begin
      v_answers := v_answers || minutehand.settle_batch(jsonb_build_array(v_outcome), v_now);
    exception when others then
      if minutehand.is_away(sqlstate) or minutehand.error_class(sqlstate) = 'object' and not v_outcome ? 'confirm' then
        raise;
      end if;
      v_answers := v_answers || case minutehand.error_class(sqlstate)
        when 'object' then minutehand.settle_unconfirmed(v_outcome, sqlstate, v_now)
        else minutehand.settle_unrecordable(v_outcome, sqlerrm, v_now) end;
    end;
  end loop;
  perform minutehand.wake(v_answers, v_now, true);
  return v_answers;
end
$$;
comment on function public.automation_settle is 'minutehand: ends executions under their leases';

-- minutehand.settle_unconfirmed(outcome, sqlstate, now) -> answers: communication_logs cannot be written now.  The send has left, so the
-- execution ends as it did; how the send ended stands in its step's record, and a WARNING remains.
create or replace function minutehand.settle_unconfirmed(p_outcome jsonb, p_sqlstate text, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
begin
  raise warning 'minutehand: the send of execution % could not be confirmed: %',
    p_outcome ->> 'id', minutehand.sends_problem(p_sqlstate) ->> 'reason';
  return minutehand.settle_batch(jsonb_build_array(p_outcome - 'confirm'), p_now);
end
$$;

-- minutehand.settle_unrecordable(outcome, error, now) -> answers: ends an execution whose outcome could not be stored.
create or replace function minutehand.settle_unrecordable(p_outcome jsonb, p_error text, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_id constant uuid := minutehand.to_uuid(p_outcome ->> 'id');
  v_answer jsonb;
begin
  begin
    -- json that a callee wrote into an adopted table may not be valid jsonb (\u0000), and would prevent this end, too.
    update public.automation_execution_logs
    set actions_executed = jsonb_build_array(jsonb_build_object(
      'stepId', 'actions_executed', 'status', 'failed', 'code', 'unrecordable',
      'error', 'what the executor recorded is not valid JSON'))
    where id = v_id and lease_token = minutehand.to_uuid(p_outcome ->> 'token')
      and lease_expires_at is not null and not minutehand.is_json(actions_executed::text);
    return minutehand.settle_batch(
      jsonb_build_array(jsonb_build_object(
        'id', v_id, 'token', p_outcome ->> 'token', 'ended', 'failed', 'code', 'unrecordable',
        'reason', format('the result could not be stored: %s', p_error))), p_now);
  exception when others then
    if not minutehand.is_unstorable(sqlstate) then
      raise;
    end if;
  end;
  -- A rule of the app's refuses that end, too.
  perform minutehand.end_unstorable(l.id, p_error, p_now)
  from public.automation_execution_logs l
  where l.id = v_id and l.lease_token = minutehand.to_uuid(p_outcome ->> 'token') and l.lease_expires_at is not null;
  if not found then
    return jsonb_build_array(jsonb_build_object('id', v_id, 'answer', 'lost'));
  end if;
  select jsonb_agg(jsonb_build_object(
    'id', l.id, 'answer', 'failed', 'status', l.status, 'code', 'unrecordable', 'reason', l.reason)) into v_answer
  from public.automation_execution_logs l where l.id = v_id;
  return v_answer;
end
$$;
