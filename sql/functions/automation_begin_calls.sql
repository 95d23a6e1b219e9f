-- automation_begin_calls(p_items, p_now) -> [{…automation_context's answer, "called": bool}]
-- Before an execution is handed over as a whole, in one call to another executor: the last check, and a note that the call
-- leaves under this lease (R13).  p_items is [{"id", "token"}].  `called` is true when an earlier worker noted a call and
-- never settled: nobody can know whether that call did its work.  A repeat under the same lease does not count as an earlier
-- call.  The note is the row's resume_step; a settle and a person's retry remove it, a lost lease does not.
-- An item whose note cannot be stored ends alone with stop code `unrecordable`; the others go on.
-- Locks: execution rows, by id.  Errors: none.  Called by: store.begin_calls.
create or replace function public.automation_begin_calls(p_items jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_item jsonb;
  v_answers jsonb := '[]';
begin
  begin
    return minutehand.begin_calls_batch(p_items, v_now);
  exception when others then
    if minutehand.is_away(sqlstate) then
      raise;
    end if;  -- find out which one, each in a block of its own
  end;
  for v_item in select value from jsonb_array_elements(p_items) order by value ->> 'id' loop
    begin
      v_answers := v_answers || minutehand.begin_calls_batch(jsonb_build_array(v_item), v_now);
    exception when others then
      if not minutehand.is_unstorable(sqlstate) then
        raise;
      end if;
      v_answers := v_answers || jsonb_build_array('{"called": false}' || minutehand.stopped_context(
        v_item, 'unrecordable', format('that its call leaves could not be stored: %s', sqlerrm)));
    end;
  end loop;
  return v_answers;
end
$$;
comment on function public.automation_begin_calls is 'minutehand: notes that executions are handed over, and checks them once more';

-- minutehand.begin_calls_batch(items, now) -> answers: one set-based pass; raises when one of the notes cannot be stored.
create or replace function minutehand.begin_calls_batch(p_items jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_called jsonb;
  v_answers jsonb;
begin
  with requested as (
    select i.* from jsonb_to_recordset(p_items) as i (id uuid, token uuid)
  ), locked as (
    select l.id, l.lease_token, l.lease_expires_at, coalesce(l.resume_step, '') as noted
    from public.automation_execution_logs l
    where l.id = any (array(select requested.id from requested))
    order by l.id
    for update
  ), leased as (
    select l.id, l.noted, 'call:' || s.token as note
    from locked l
    join requested s on s.id = l.id
    where l.lease_token = s.token and l.lease_expires_at is not null
  ), begun as (
    update public.automation_execution_logs l
    set resume_step = leased.note
    from leased
    where l.id = leased.id and leased.noted not like 'call:%'
  )
  select coalesce(jsonb_object_agg(id, noted like 'call:%' and noted <> note), '{}') into v_called from leased;

  select coalesce(jsonb_agg(c || jsonb_build_object('called', coalesce(v_called -> (c ->> 'id'), 'false'))), '[]')
  into v_answers
  from jsonb_array_elements(minutehand.read_contexts(p_items, p_now)) c;
  return v_answers;
end
$$;
