-- automation_bulk_get(p_id, p_now) -> {"id", "action", "filter", "actor", "note", "total", "done", "failed", "status",
--   "spread_seconds", "created_at", "updated_at", "wait_seconds": until the next step is due | null}
-- A step is due when its spread allows up to 100 more executions, as many as one step takes.
-- Locks: none.  Errors: MH404 no such bulk action.  Called by: store.bulk_get.
create or replace function public.automation_bulk_get(p_id text, p_now timestamptz default null)
returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_bulk public.automation_bulk_actions;
begin
  select * into v_bulk from public.automation_bulk_actions where id = minutehand.to_uuid(p_id);
  if v_bulk.id is null then
    raise exception 'there is no bulk action %', p_id using errcode = 'MH404', hint = 'It may have been deleted.';
  end if;
  return to_jsonb(v_bulk) - 'cursor' || jsonb_build_object('wait_seconds', case
    when v_bulk.status <> 'running' then null
    when v_bulk.spread_seconds = 0 then 0
    else greatest(0, extract(epoch from v_bulk.created_at - v_now) + v_bulk.spread_seconds
      * (v_bulk.done + v_bulk.failed + least(100, ceil(v_bulk.total / v_bulk.spread_seconds)) - 1) / v_bulk.total) end);
end
$$;
comment on function public.automation_bulk_get is 'minutehand: how far a bulk action is';
