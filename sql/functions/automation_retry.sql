-- automation_retry(p_ids, p_now) -> [{"id", "answer": "retried" | "refused" | "missing", "reason"?}]
-- A person's retry of failed or skipped executions: what failed runs again, what succeeded does not (R7).  An uncertain
-- send is refused: whether it arrived is a person's to find out first.
-- Locks: execution rows, by id.  Errors: none.  Called by: store.retry.
create or replace function public.automation_retry(p_ids jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_result jsonb;
begin
  with asked as (
    select distinct value as id from jsonb_array_elements_text(p_ids)
  ), found as (
    select l.id, l.status, l.code, l.lease_expires_at is not null as in_flight
    from public.automation_execution_logs l
    where l.id = any (array(select minutehand.to_uuid(id) from asked))
    order by l.id
    for update
  ), retried as (
    update public.automation_execution_logs l
    set status = 'pending', code = null, reason = null, error_message = null, completed_at = null, attempt = 0,
        lost_leases = 0, scheduled_at = v_now, lease_expires_at = null, resume_step = null,
        past = minutehand.append_history_end(l, 'retry', v_now),
        actions_executed = coalesce((
          select jsonb_agg(step order by nr)
          from jsonb_array_elements(minutehand.as_list(l.actions_executed::text)) with ordinality as s (step, nr)
          where step ->> 'status' is distinct from 'failed'), '[]')
    from found f
    where l.id = f.id and f.status in ('failed', 'skipped') and not f.in_flight
      and f.code is distinct from 'uncertain_send'
    returning l.id
  )
  select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'id', a.id,
    'answer', case when r.id is not null then 'retried' when f.id is not null then 'refused' else 'missing' end,
    'reason', case
      when r.id is not null then null
      when f.id is null then 'there is no such execution'
      when f.in_flight then 'it is being run'
      when f.code = 'uncertain_send' then 'its send may have arrived: find out first, then `executions resolve`'
      else format('it is %s; only failed and skipped ones can be retried', f.status) end))), '[]')
  into v_result
  from asked a
  left join found f on f.id = minutehand.to_uuid(a.id)
  left join retried r on r.id = f.id;
  return v_result;
end
$$;
comment on function public.automation_retry is 'minutehand: a person''s retry of what failed';
