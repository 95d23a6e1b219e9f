-- automation_bulk_step(p_id, p_limit, p_now) -> the bulk action after the step, as automation_bulk_get; null: none is due
-- Does the action to the next executions that match, at most p_limit and no more than its spread allows by now.  Without
-- p_id it takes the running one that waits longest.  Any number of servers may call it at once: the one that another call
-- works on is passed over.  An error that repetition cannot help stops the bulk action, so that no tick fails because of it.
-- Locks: the bulk action's row, skip locked; then as automation_retry, automation_cancel.  Errors: MH404 no such bulk action.
-- Called by: store.bulk_step.
create or replace function public.automation_bulk_step(
  p_id text default null, p_limit integer default 100, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_bulk public.automation_bulk_actions;
  v_page jsonb;
  v_ids jsonb;
  v_results jsonb;
begin
  select * into v_bulk
  from public.automation_bulk_actions b
  where b.status = 'running' and (p_id is null or b.id = minutehand.to_uuid(p_id)) and minutehand.bulk_allowed(b, v_now) > 0
  order by b.updated_at
  limit 1
  for update skip locked;
  if v_bulk.id is null then
    return case when p_id is not null then public.automation_bulk_get(p_id, v_now) end;
  end if;
  begin
    v_page := public.automation_search(
      v_bulk.filter, least(p_limit, minutehand.bulk_allowed(v_bulk, v_now)), v_bulk.cursor, 100000, v_now);
    v_ids := (select coalesce(jsonb_agg(row -> 'id'), '[]') from jsonb_array_elements(v_page -> 'rows') as r (row));
    if v_bulk.action = 'retry' then
      v_results := public.automation_retry(v_ids, v_bulk.actor, v_now);
    else
      v_results := public.automation_cancel(v_ids, null, v_bulk.actor, v_now);
    end if;
  exception
    when transaction_rollback or insufficient_resources or object_not_in_prerequisite_state or operator_intervention then
      raise;  -- may succeed when it is repeated
    when others then
      update public.automation_bulk_actions
      set status = 'stopped', note = left(concat_ws('; ', note, 'stopped by an error: ' || sqlerrm), 500), updated_at = v_now
      where id = v_bulk.id;
      return public.automation_bulk_get(v_bulk.id::text, v_now);
  end;
  update public.automation_bulk_actions b
  set done = b.done + r.done, failed = b.failed + r.failed, cursor = v_page -> 'next', updated_at = v_now,
      status = case when v_page -> 'next' = 'null' or b.done + b.failed + r.done + r.failed >= b.total
        then 'finished' else 'running' end
  from (
    select count(*) filter (where result ->> 'answer' not in ('refused', 'missing')) as done,
           count(*) filter (where result ->> 'answer' in ('refused', 'missing')) as failed
    from jsonb_array_elements(v_results) as s (result)) r
  where b.id = v_bulk.id;
  return public.automation_bulk_get(v_bulk.id::text, v_now);
end
$$;
comment on function public.automation_bulk_step is 'minutehand: the next step of a bulk action';

-- minutehand.bulk_allowed(bulk action, now) -> integer: to how many more executions its spread allows the action by now.
-- The first is allowed at once, the last when the spread is over.
create or replace function minutehand.bulk_allowed(p_bulk public.automation_bulk_actions, p_now timestamptz)
returns integer language sql stable set search_path = '' as $$
  select case p_bulk.spread_seconds when 0 then p_bulk.total
    else least(p_bulk.total, floor(
      p_bulk.total * extract(epoch from p_now - p_bulk.created_at) / p_bulk.spread_seconds) + 1)::integer end
    - p_bulk.done - p_bulk.failed
$$;
