-- automation_may_send(p_workflow, p_tenant, p_channel, p_recipient, p_now, p_delivery) -> {"key", "answer": "go" | "refused" | "later", "code",
--   "reason", "wait_seconds", "opted_out": [recipient]}
-- Whether a message of a workflow might leave now, for a dry run: opt-outs, limits and windows, by the function that decides when a send is
-- reserved (minutehand.may_send), without pauses: these are told by automation_dry_run.  p_tenant: {"organization_id", "user_id"} of the row.
-- Locks: none; reserves nothing.  Errors: none.  Called by: store.may_send.
create or replace function public.automation_may_send(
  p_workflow uuid, p_tenant jsonb, p_channel text, p_recipient text, p_now timestamptz default null,
  p_delivery jsonb default null
) returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_log public.automation_execution_logs;
  v_verdict record;
begin
  v_log.workflow_id := p_workflow;
  v_log.organization_id := p_tenant ->> 'organization_id';
  v_log.user_id := p_tenant ->> 'user_id';
  select * into v_verdict
  from minutehand.may_send(v_log, p_channel, p_recipient, null, false, null::minutehand.pauses, v_now, p_delivery) m
  order by m.nr
  limit 1;
  return jsonb_build_object(
    'key', '', 'answer', coalesce(v_verdict.answer, 'go'), 'code', v_verdict.code, 'reason', v_verdict.reason,
    'wait_seconds', extract(epoch from v_verdict.until - v_now),
    'opted_out', case when v_verdict.code = 'opted_out' then to_jsonb(
      minutehand.opted_out(minutehand.tenant_of(v_log), p_channel, p_recipient)) end);
end
$$;
comment on function public.automation_may_send is 'minutehand: whether a message might leave now, for a dry run';
