-- automation_alerts_notified(p_token, p_told, p_now) -> {"told": n}
-- What automation_alerts_claim handed out under p_token was told.  p_told: {"<incident>": "opened" | "updated" | "recovered"}.
-- Locks: incidents, by id.  Errors: none.  Called by: store.alerts_notified.
create or replace function public.automation_alerts_notified(p_token uuid, p_told jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_told integer;
begin
  update public.automation_incidents i
  set told = t.what, told_at = coalesce(p_now, now()), telling = null, telling_until = null
  from jsonb_each_text(p_told) as t (id, what)
  where i.id = minutehand.to_uuid(t.id) and i.telling = p_token;
  get diagnostics v_told = row_count;
  return jsonb_build_object('told', v_told);
end
$$;
comment on function public.automation_alerts_notified is 'minutehand: these alerts were told';
