-- Attempt history: what an execution went through before its present attempt (column `past`), for its timeline.

-- minutehand.append_history(past, what, began, at, facts) -> the history with one more episode:
--   {"what": "retry" | "wait" | "lost" | "ended", "began": when it was claimed, "at": when it ended, "attempt", "worker", "code",
--    "reason", "due": when it goes on, "times", and of one that had ended: "status", "by": the action that revived it, "actor":
--    who did that}
-- Waits that follow each other for the same reason are one episode, with a count.  The newest 30 are kept.
create or replace function minutehand.append_history(
  p_past jsonb, p_what text, p_began timestamptz, p_at timestamptz, p_facts jsonb
) returns jsonb language plpgsql immutable set search_path = '' as $$
declare
  v_past jsonb := case jsonb_typeof(p_past) when 'array' then p_past else '[]' end;
  v_last constant jsonb := case jsonb_typeof(v_past -> -1) when 'object' then v_past -> -1 end;
  v_episode constant jsonb := jsonb_strip_nulls(p_facts || jsonb_build_object(
    'what', p_what, 'began', p_began, 'at', p_at, 'reason', left(p_facts ->> 'reason', 500)));
begin
  if p_what = 'wait' and v_last ->> 'what' = 'wait' and v_last -> 'code' = v_episode -> 'code'
     and v_last -> 'reason' = v_episode -> 'reason' then
    return jsonb_set(v_past, '{-1}', v_episode || jsonb_build_object(
      'began', coalesce(v_last -> 'began', v_episode -> 'began'),
      'times', 1 + coalesce(minutehand.to_count(v_last ->> 'times'), 1)));
  elsif jsonb_array_length(v_past) >= 30 then
    v_past := v_past - 0;
  end if;
  return v_past || v_episode;
end
$$;

-- minutehand.readable_history(past) -> the history's episodes, as lists and pages read them: an app's own column may hold anything.
create or replace function minutehand.readable_history(p_past text) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_agg(kept.episode order by nr), '[]')
  from jsonb_array_elements(minutehand.as_objects(p_past)) with ordinality as e (episode, nr)
  cross join lateral (
    select jsonb_object_agg(key, value) as episode
    from jsonb_each(e.episode)
    where jsonb_typeof(value) = case when key in ('attempt', 'times') then 'number' else 'string' end
  ) kept
  where kept.episode ?& '{what,at}'
$$;

-- minutehand.append_history_end(log, by, actor, now) -> the history with how the execution had ended, before a person revives it.
create or replace function minutehand.append_history_end(
  p_log public.automation_execution_logs, p_by text, p_actor jsonb, p_now timestamptz
) returns jsonb language sql stable set search_path = '' as $$
  select minutehand.append_history(
    minutehand.as_list(p_log.past::text), 'ended', p_log.claimed_at, coalesce(p_log.completed_at, p_now), jsonb_build_object(
      'status', p_log.status, 'code', p_log.code, 'reason', coalesce(p_log.reason, p_log.error_message),
      'attempt', p_log.attempt, 'worker', p_log.worker, 'by', p_by, 'actor', left(p_actor ->> 'name', 200), 'due', p_now))
$$;
