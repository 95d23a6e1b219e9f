-- automation_cancel(p_ids, p_reason, p_now) -> [{"id", "answer": "cancelled" | "refused" | "missing", "reason"?}]
-- Ends what is pending or processing.  A processing one loses its lease: its worker stops before its next side effect and
-- can write no more; what it has sent by then stays in communication_logs.  What waited in line behind them is due at once.
-- Locks: the lines' advisory locks, sorted; execution rows, by id.  Errors: none.  Called by: store.cancel.
create or replace function public.automation_cancel(
  p_ids jsonb, p_reason text default null, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_items constant jsonb := (
    select coalesce(jsonb_agg(jsonb_build_object('id', minutehand.to_uuid(value))), '[]')
    from jsonb_array_elements_text(p_ids));
  v_result jsonb;
begin
  perform minutehand.lock_groups(v_items);
  with asked as (
    select distinct value as id from jsonb_array_elements_text(p_ids)
  ), found as (
    select l.id, l.status, l.lease_expires_at is not null as is_ours
    from public.automation_execution_logs l
    where l.id = any (array(select minutehand.to_uuid(id) from asked))
    order by l.id
    for update
  ), cancelled as (
    update public.automation_execution_logs l
    set status = 'cancelled', code = 'cancelled', reason = coalesce(p_reason, 'cancelled by a person'),
        completed_at = v_now, lease_token = null, lease_expires_at = null
    from found f
    where l.id = f.id
      and (f.status = 'pending' or f.is_ours)
    returning l.id
  )
  select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'id', a.id,
    'answer', case when c.id is not null then 'cancelled' when f.id is not null then 'refused' else 'missing' end,
    'reason', case
      when c.id is not null then null
      when f.id is null then 'there is no such execution'
      when f.status in ('processing', 'running') then 'another processor runs it'
      else format('it is %s already', f.status) end))), '[]')
  into v_result
  from asked a
  left join found f on f.id = minutehand.to_uuid(a.id)
  left join cancelled c on c.id = f.id;
  perform minutehand.wake(v_items, v_now, true);
  return v_result;
end
$$;
comment on function public.automation_cancel is 'minutehand: ends pending or processing executions';
