-- automation_begin_calls(p_items, p_now) -> [{…automation_context's answer, "called": bool}]
-- Before an execution is handed over as a whole, in one call to an executor elsewhere: the last look before it, and a note
-- that the call leaves under this lease (R13).  p_items is [{"id", "token"}].  `called` is true where an earlier worker
-- noted a call and never settled: whether that was done cannot be known.  A repeat under the same lease is no earlier call.
-- The note is the row's resume_step; each settle and a person's retry take it away, a lost lease does not.
-- Locks: execution rows, by id.  Errors: none.  Called by: store.begin_calls.
create or replace function public.automation_begin_calls(p_items jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_called jsonb;
  v_answers jsonb;
begin
  with said as (
    select i.* from jsonb_to_recordset(p_items) as i (id uuid, token uuid)
  ), locked as (
    select l.id, l.lease_token, l.lease_expires_at, coalesce(l.resume_step, '') as noted
    from public.automation_execution_logs l
    where l.id = any (array(select said.id from said))
    order by l.id
    for update
  ), held as (
    select l.id, l.noted, 'call:' || s.token as note
    from locked l
    join said s on s.id = l.id
    where l.lease_token = s.token and l.lease_expires_at is not null
  ), begun as (
    update public.automation_execution_logs l
    set resume_step = held.note
    from held
    where l.id = held.id and held.noted not like 'call:%'
  )
  select coalesce(jsonb_object_agg(id, noted like 'call:%' and noted <> note), '{}') into v_called from held;

  select coalesce(jsonb_agg(c || jsonb_build_object('called', coalesce(v_called -> (c ->> 'id'), 'false'))), '[]')
  into v_answers
  from jsonb_array_elements(minutehand.read_contexts(p_items, coalesce(p_now, now()))) c;
  return v_answers;
end
$$;
comment on function public.automation_begin_calls is 'minutehand: notes that executions are handed over, and looks once more';
