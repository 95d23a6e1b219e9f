-- automation_execution(p_id, p_tenant, p_now) -> one execution as in automation_executions, with "steps" (each step's record), "sends" (its
--   rows of communication_logs), "attempt_history" (minutehand.append_history), "trigger_data", "event_id", "caused_by",
--   "workflow_version", "waits_for" (why a pending one is not claimed now, or that direct mode's call
--   for it failed, as text; else null)
-- p_id is its id, or the beginning of an id if only one begins so.  With p_tenant, others' executions do not exist.
-- Errors: MH404 none, MH409 several.  Locks: none.  Called by: store.execution.
create or replace function public.automation_execution(p_id text, p_tenant text default null, p_now timestamptz default null)
returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_log public.automation_execution_logs;
  v_id constant uuid := minutehand.execution_id(p_id, p_tenant);
begin
  select * into v_log from public.automation_execution_logs where id = v_id;
  if not found then
    raise exception 'there is no execution %', p_id
      using errcode = 'MH404', hint = 'See them with: minutehand executions ls';
  end if;
  return minutehand.execution_json(v_log, (
      select w.name from public.automation_workflows w where w.id = v_log.workflow_id and minutehand.is_of_workflow(v_log, w)))
    || jsonb_build_object(
      'steps', minutehand.as_objects(v_log.actions_executed::text),
      'sends', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'step', c.step, 'channel', c.channel, 'recipient', c.recipient, 'status', c.status,
          'external_id', c.external_id, 'error', c.error_message, 'sent_at', c.sent_at) order by c.created_at), '[]')
        from public.communication_logs c where c.execution_id = v_log.id),
      'claimed_at', v_log.claimed_at, 'attempt_history', minutehand.readable_history(v_log.past::text),
      'trigger_data', minutehand.readable_json(v_log.trigger_data::text), 'event_id', v_log.event_id,
      'caused_by', v_log.caused_by, 'workflow_version', v_log.workflow_version,
      'waits_for', coalesce(
        minutehand.waiting_reason(v_log, coalesce(p_now, now())),
        minutehand.direct_reply_reason(v_log, coalesce(p_now, now()))));
end
$$;
comment on function public.automation_execution is 'minutehand: shows one execution';
