-- automation_workflow_list(p_filter) -> [{as minutehand.workflow_facts, "definition": the row | null, "last_run",
--   "last_status"}], by name, 100 at a time
-- p_filter: {"names"?: [name or id], "after"?: [name, id] of the last one of the page before, "brief"?: true for
-- minutehand.steps_for_lint as "definition"}.  `last_run` is read from the newest 20,000 executions.
-- Locks: none.  Errors: MH404 no workflow of such a name, MH409 several ids begin so.  Called by: store.workflows.
create or replace function public.automation_workflow_list(p_filter jsonb default '{}')
returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_named constant uuid[] := case when jsonb_typeof(p_filter -> 'names') = 'array' then array(
    select id
    from jsonb_array_elements_text(p_filter -> 'names') as n, unnest(minutehand.find_workflows(n)) as id) end;
  v_ids uuid[];
  v_context jsonb;
begin
  v_ids := array(
    select w.id
    from public.automation_workflows w
    where (v_named is null or w.id = any (v_named))
      and (p_filter -> 'after' is null
           or (w.name, w.id::text) > (p_filter -> 'after' ->> 0, p_filter -> 'after' ->> 1))
    order by w.name, w.id::text
    limit 100);
  v_context := minutehand.workflow_context(array(
    select distinct trigger_type::text from public.automation_workflows where id = any (v_ids)));
  return (
    with last as materialized (
      select distinct on (workflow_id) workflow_id, created_at, status
      from minutehand.newest_executions()
      order by workflow_id, created_at desc, id desc
    )
    select coalesce(jsonb_agg(
      minutehand.workflow_facts(w, v_context) || jsonb_build_object(
        'definition', case when (p_filter ->> 'brief')::boolean then minutehand.verdict_of(w, v_context) -> 'steps'
          else minutehand.row_of(w) end, 'last_run', l.created_at, 'last_status', l.status)
      order by w.name, w.id::text), '[]')
    from public.automation_workflows w
    left join last l on l.workflow_id = w.id
    where w.id = any (v_ids));
end
$$;
comment on function public.automation_workflow_list is 'minutehand: lists the workflows and their state';
