-- An execution as JSON, for lists and pages.

-- minutehand.execution_json(log, workflow name) -> jsonb: one execution as lists show it.  The app's `running` becomes processing.
-- If a callee marked `completed` an execution that had failed as uncertain, its code is left out.
create or replace function minutehand.execution_json(p_log public.automation_execution_logs, p_workflow text) returns jsonb
language sql stable as $$
  select jsonb_build_object(
    'id', p_log.id, 'workflow_id', p_log.workflow_id, 'workflow', p_workflow, 'entity_id', p_log.entity_id,
    'status', case p_log.status when 'running' then 'processing' else p_log.status end,
    'attempt', coalesce(p_log.attempt, 0), 'max_attempts', p_log.max_attempts,
    'code', case when p_log.status <> 'completed' then p_log.code end,
    'reason', case when p_log.status <> 'completed' then coalesce(p_log.reason, p_log.error_message) end,
    'created_at', p_log.created_at, 'scheduled_at', p_log.scheduled_at, 'started_at', p_log.started_at,
    'claimed_at', p_log.claimed_at, 'completed_at', p_log.completed_at, 'worker', p_log.worker,
    'allowed', to_jsonb(minutehand.allowed_actions(p_log)))
$$;

-- minutehand.label_of(log) -> {"table", "operation", "old_status", "new_status"}: the change that it is about, as far as known.
create or replace function minutehand.label_of(p_log public.automation_execution_logs) returns jsonb
language sql stable as $$
  select jsonb_strip_nulls(jsonb_build_object(
    'table', t.data -> 'table_name', 'operation', t.data -> 'operation', 'old_status', t.data -> 'old_status',
    'new_status', t.data -> 'new_status'))
  from (select case when minutehand.is_json(p_log.trigger_data::text) then p_log.trigger_data::jsonb end as data) t
$$;
