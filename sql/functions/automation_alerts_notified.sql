-- automation_alerts_notified(p_token, p_notified, p_now) -> {"notified": n}
-- Records which notifications, handed out by automation_alerts_claim under p_token, were sent.
-- p_notified: {"<incident>": "opened" | "updated" | "recovered"}.
-- Locks: incidents, by id.  Errors: none.  Called by: store.alerts_notified.
create or replace function public.automation_alerts_notified(p_token uuid, p_notified jsonb, p_now timestamptz default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_notified integer;
begin
  update public.automation_incidents i
  set notified = t.what, notified_at = coalesce(p_now, now()), notifier = null, notifier_until = null
  from jsonb_each_text(p_notified) as t (id, what)
  where i.id = minutehand.to_uuid(t.id) and i.notifier = p_token;
  get diagnostics v_notified = row_count;
  return jsonb_build_object('notified', v_notified);
end
$$;
comment on function public.automation_alerts_notified is 'minutehand: these alerts were sent';
