-- automation_advance(p_items, p_now) -> [{…automation_context's answer, "send"?: automation_reserve_sends' answer}]
-- Moves each execution one step forward, in one call: confirms the last send, records the finished steps, reads the row anew,
-- and reserves the next send before it leaves (R13).  p_items:
--   [{"id", "token", "confirm"?: {"key", "status", "external_id"?, "error"?}, "steps"?: [record], "resume_step"?,
--     "pace"?: automation_settle's,
--     "reserve"?: {"step", "channel", "recipient", "sender", "key", "on_uncertain"?, "delivery"?, "pace"?: {"key", "shared"},
--     "unrecorded"?}}]
-- A send to a receiver that asked to slow down (`pace`) gets its place there, in "place", or `later`: minutehand.take_places.  With
-- `unrecorded` that is all that is asked for.  "slowed" in the answer: the tenant's own receivers to ask about.
-- An item with only id and token just reads the row.  Nothing is reserved if the execution must stop.  A repeated call changes
-- nothing and gets the same answer; a caller whose lease is lost gets held = false.  An item that cannot be stored ends alone
-- with stop code `unrecordable`, one that needs a table that cannot be used now is deferred alone; the others go on.
-- Locks: the limits' advisory locks, sorted; communication_logs, by key; execution rows, by id.  Errors: none.
-- Called by: store.advance.
create or replace function public.automation_advance(p_items jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_sends constant jsonb := minutehand.pick_part(p_items, 'reserve');
  v_item jsonb;
  v_answers jsonb := '[]';
begin
  if v_sends <> '[]' and exists (select from public.automation_limits) then
    -- Before any row is locked, and for all items at once, so that no two callers wait for each other.
    perform minutehand.lock_limits(v_sends);
  end if;
  begin
    return minutehand.advance_batch(p_items, v_now);
  exception when others then
    if minutehand.is_away(sqlstate) then
      raise;
    end if;  -- find out which one, each in a block of its own
  end;
  for v_item in select value from jsonb_array_elements(p_items) order by value ->> 'id' loop
    begin
      v_answers := v_answers || minutehand.advance_batch(jsonb_build_array(v_item), v_now);
    exception when others then
      if minutehand.is_away(sqlstate) then
        raise;
      end if;
      v_answers := v_answers || jsonb_build_array(case minutehand.error_class(sqlstate)
        when 'object' then minutehand.advance_without_send(v_item, sqlstate, v_now)
        else minutehand.stopped_context(
          v_item, 'unrecordable', format('what the step did could not be stored: %s', sqlerrm)) end);
    end;
  end loop;
  return v_answers;
end
$$;
comment on function public.automation_advance is 'minutehand: records a step, reads the row anew, reserves the next send';

-- minutehand.advance_without_send(item, sqlstate, now) -> its answer, deferred: communication_logs, most likely, cannot be written now.
-- How the last send ended is not stored there, but the record of its step is, so that it is not sent again.
create or replace function minutehand.advance_without_send(p_item jsonb, p_sqlstate text, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_answer constant jsonb := minutehand.advance_batch(jsonb_build_array(p_item - '{confirm,reserve}'::text[]), p_now) -> 0;
begin
  if v_answer ->> 'stop' is not null then
    return v_answer;
  end if;
  return v_answer || jsonb_build_object('stop', minutehand.sends_problem(p_sqlstate));
end
$$;

-- minutehand.advance_batch(items, now) -> answers: one set-based pass; raises when one of the items cannot be stored.
create or replace function minutehand.advance_batch(p_items jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_sends jsonb := minutehand.pick_part(p_items, 'reserve');
  v_contexts jsonb;
  v_places jsonb;
  v_answers jsonb;
begin
  if p_items @? '$[*].pace' then
    perform minutehand.note_paces(p_items, p_now);
  end if;
  if p_items @? '$[*].confirm' then
    perform minutehand.confirm_sends(minutehand.pick_part(p_items, 'confirm'), p_now);
  end if;
  if p_items @? '$[*].steps' then
    perform minutehand.append_steps((
      select jsonb_agg(item - '{steps,confirm,reserve,pace}'::text[] || jsonb_build_object('step', step) order by nr)
      from jsonb_array_elements(p_items) as item
      cross join lateral jsonb_array_elements(item -> 'steps') with ordinality as s (step, nr)), p_now);
  end if;
  v_contexts := minutehand.with_slowed_keys(minutehand.read_contexts(p_items, p_now), p_now);
  if v_sends = '[]' then
    return v_contexts;
  end if;
  v_sends := (
    select coalesce(jsonb_agg(send), '[]')
    from jsonb_array_elements(v_sends) as send
    join jsonb_array_elements(v_contexts) as c on c -> 'id' = send -> 'id'
    where (c ->> 'held')::boolean and c ->> 'stop' is null);
  v_places := minutehand.take_places(v_sends, p_now);
  v_answers := minutehand.reserve_sends((
    select coalesce(jsonb_agg(send), '[]')
    from jsonb_array_elements(v_sends) as send
    where not send ? 'unrecorded' and not coalesce(v_places -> (send ->> 'id') ? 'answer', false)), p_now);
  if v_places <> '{}' or v_sends @? '$[*].unrecorded' then
    v_answers := minutehand.with_places(v_sends, v_answers, v_places);
  end if;
  return (
    select jsonb_agg(c || coalesce((
      select jsonb_build_object('send', a)
      from jsonb_array_elements(v_sends) as send
      join jsonb_array_elements(v_answers) as a on a -> 'key' = send -> 'key'
      where send -> 'id' = c -> 'id'
      limit 1), '{}'))
    from jsonb_array_elements(v_contexts) as c);
end
$$;
