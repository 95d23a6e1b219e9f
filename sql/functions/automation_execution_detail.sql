-- automation_execution_detail(p_id, p_tenant, p_now) -> one execution as automation_execution returns it, with "label", "tenant",
--   "definition" (of the version that it ran, or null), "event": {"id", "occurred_at", "matched_at", "table", "operation",
--   "types", "old" (what changed), "new"} | null, "conditions" (the result tree for that event; null for an enqueue, which no condition decides), "related": {"row":
--   [other executions of the same row], "cause": the execution that caused it | null}, "now"
-- Everything that belongs to one execution.  p_id and p_tenant as there.
-- Locks: none.  Errors: MH404 none, MH409 several.  Called by: store.execution_detail.
create or replace function public.automation_execution_detail(
  p_id text, p_tenant text default null, p_now timestamptz default null
) returns jsonb language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_answer jsonb := public.automation_execution(p_id, p_tenant, p_now);
  v_log public.automation_execution_logs;
  v_event public.automation_events;
  v_definition jsonb;
  v_status text;
  v_old jsonb;
begin
  select * into v_log from public.automation_execution_logs where id = (v_answer ->> 'id')::uuid;
  v_event := minutehand.event_of(v_log);
  v_definition := minutehand.definition_of(v_log);
  if v_event.id is not null then
    v_status := minutehand.status_column((select w.config from minutehand.watched w where w.name = v_event.table_name));
    v_old := minutehand.row_before(v_event);
  end if;
  return v_answer || jsonb_build_object(
    'now', coalesce(p_now, now()), 'tenant', minutehand.tenant_of(v_log), 'label', minutehand.label_of(v_log),
    'definition', v_definition,
    'event', case when v_event.id is not null then jsonb_build_object(
      'id', v_event.id, 'occurred_at', v_event.occurred_at, 'matched_at', v_event.matched_at,
      'table', v_event.table_name, 'operation', v_event.operation, 'types', to_jsonb(v_event.types),
      'old', v_event.old, 'new', v_event.new) end,
    'conditions', case when v_event.operation <> 'ENQUEUE' and (v_event.operation <> 'SCHEDULE' or v_event.entity_id is not null) and v_definition is not null then minutehand.with_excluded(
      minutehand.evaluate_conditions(
        minutehand.conditions_of(v_definition, v_status), minutehand.row_after(v_event), v_old, v_status),
      (select w.config from minutehand.watched w where w.name = v_event.table_name)) end,
    'related', jsonb_build_object(
      'row', (
        select coalesce(jsonb_agg(
          minutehand.execution_json(l, w.name) || jsonb_build_object('label', minutehand.label_of(l))
          order by l.created_at desc, l.id desc), '[]')
        from (
          select * from public.automation_execution_logs o
          where o.entity_id = v_log.entity_id and o.id <> v_log.id and minutehand.tenant_of(o) = minutehand.tenant_of(v_log)
          order by o.created_at desc limit 10) l
        left join public.automation_workflows w on w.id = l.workflow_id and minutehand.is_of_workflow(l, w)),
      'cause', (
        select minutehand.execution_json(l, w.name)
        from public.automation_execution_logs l
        left join public.automation_workflows w on w.id = l.workflow_id and minutehand.is_of_workflow(l, w)
        where l.id = v_log.caused_by and minutehand.tenant_of(l) = minutehand.tenant_of(v_log))));
end
$$;
comment on function public.automation_execution_detail is 'minutehand: everything that belongs to one execution';
