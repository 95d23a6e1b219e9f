-- What a row remembers of its way.

-- minutehand.append_history(past, what, began, at, said) -> past and one more episode:
--   {"what": "retry" | "wait" | "lost" | "ended", "began": its claim, "at": its end, "attempt", "worker", "code", "reason",
--    "due": when it goes on, "status" (of one that had ended), "by": the press that revived it, "times"}
-- What is put off for the same reason again and again is one episode, counted.  The newest 30 are kept.
create or replace function minutehand.append_history(
  p_past jsonb, p_what text, p_began timestamptz, p_at timestamptz, p_said jsonb
) returns jsonb language plpgsql immutable set search_path = '' as $$
declare
  v_past jsonb := coalesce(p_past, '[]');
  v_last constant jsonb := v_past -> -1;
  v_said constant jsonb := jsonb_strip_nulls(p_said || jsonb_build_object(
    'what', p_what, 'began', p_began, 'at', p_at, 'reason', left(p_said ->> 'reason', 500)));
begin
  if p_what = 'wait' and v_last ->> 'what' = 'wait' and v_last -> 'code' = v_said -> 'code'
     and v_last -> 'reason' = v_said -> 'reason' then
    return jsonb_set(v_past, '{-1}', v_said || jsonb_build_object(
      'began', coalesce(v_last -> 'began', v_said -> 'began'), 'times', coalesce((v_last -> 'times')::integer, 1) + 1));
  elsif jsonb_array_length(v_past) >= 30 then
    v_past := v_past - 0;
  end if;
  return v_past || v_said;
end
$$;

-- minutehand.append_history_end(log, by, now) -> its past and how it had ended, before a person's press revives it.
create or replace function minutehand.append_history_end(
  p_log public.automation_execution_logs, p_by text, p_now timestamptz
) returns jsonb language sql stable set search_path = '' as $$
  select minutehand.append_history(
    p_log.past::jsonb, 'ended', p_log.claimed_at, coalesce(p_log.completed_at, p_now), jsonb_build_object(
      'status', p_log.status, 'code', p_log.code,
      'reason', coalesce(p_log.reason, p_log.error_message), 'attempt', p_log.attempt, 'worker', p_log.worker, 'by', p_by,
      'due', p_now))
$$;
