-- automation_metrics(p_now) -> {"now", "schema_version", "pending", "due", "processing", "foreign_processing",
--   "oldest_due_seconds", "last_hour": {status: n}, "uncertain", "events": {"unmatched", "set_aside", "no_tenant", "lost"},
--   "workflows": [{id, name, trigger_type, on, problem}], "tables": [...], "workers": [...], "paused": [...]}
-- What an operator's first look needs; `status` prints it.  Counts stop at 10,000 each, so that a large history costs
-- nothing.  Locks: none.  Errors: none.  Called by: store.metrics.
create or replace function public.automation_metrics(p_now timestamptz default null)
returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_cap constant integer := 10000;
begin
  return jsonb_build_object(
    'now', v_now,
    'schema_version', (public.automation_schema_version() ->> 'version')::integer,
    'pending', (select count(*) from (
      select from public.automation_execution_logs where status = 'pending' limit v_cap) x),
    'due', (select count(*) from (
      select from public.automation_execution_logs
      where status = 'pending' and coalesce(scheduled_at, created_at) <= v_now limit v_cap) x),
    'oldest_due_seconds', (
      select round(extract(epoch from v_now - min(greatest(due, v_now - interval '87600 hours'))))
      from minutehand.heads() where due <= v_now),
    'processing', (select count(*) from (
      select from public.automation_execution_logs
      where status = 'processing' and lease_expires_at is not null limit v_cap) x),
    'foreign_processing', (select count(*) from (
      select from public.automation_execution_logs
      where status in ('processing', 'running') and lease_expires_at is null limit v_cap) x),
    'last_hour', (
      select coalesce(jsonb_object_agg(status, n), '{}') from (
        select status, count(*) as n
        from (
          select case status when 'running' then 'processing' else status end as status
          from public.automation_execution_logs
          where created_at > v_now - interval '1 hour' order by created_at desc limit v_cap) recent
        group by status) s),
    'uncertain', (select count(*) from (
      select from public.automation_execution_logs
      where created_at > v_now - interval '30 days' and status = 'failed' and code = 'uncertain_send' limit v_cap) x),
    'events', jsonb_build_object(
      'unmatched', (select count(*) from (
        select from public.automation_events where matched_at is null and match_attempts < 5 limit v_cap) x),
      'set_aside', (select count(*) from (
        select from public.automation_events where matched_at is null and match_attempts >= 5 limit v_cap) x),
      'no_tenant', (select count(*) from (
        select error from public.automation_events order by id desc limit v_cap) x where error like 'no tenant%'),
      'lost', (select case when is_called then last_value else 0 end from minutehand.lost_events)),
    'workflows', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'id', w.id, 'name', w.name, 'trigger_type', w.trigger_type, 'on', minutehand.is_on(w),
        'problem', minutehand.workflow_problem(w)) order by w.name), '[]')
      from (select * from public.automation_workflows order by name limit 1000) w),
    'tables', public.automation_triggers(),
    'workers', (
      select coalesce(jsonb_agg(to_jsonb(w) order by w.heartbeat_at desc), '[]')
      from (select * from public.automation_workers order by heartbeat_at desc limit 20) w),
    'paused', (select coalesce(jsonb_agg(to_jsonb(c)), '[]') from public.automation_control c));
end
$$;
comment on function public.automation_metrics is 'minutehand: the figures of an operator''s first look';

-- minutehand.workflow_problem(workflow) -> text: why it can never fire as it stands, or null.  Total: an app's json column may
-- hold what jsonb refuses.
create or replace function minutehand.workflow_problem(p_workflow public.automation_workflows) returns text
language plpgsql stable as $$
declare
  v_row jsonb;
begin
  v_row := to_jsonb(p_workflow);
  return coalesce(
    'conditions: ' || minutehand.condition_problem(minutehand.conditions_of(v_row, 'status')),
    case when p_workflow.trigger_type is null then 'it has no trigger_type' end,
    minutehand.steps_problem(v_row));
exception when data_exception then
  return sqlerrm;
end
$$;
