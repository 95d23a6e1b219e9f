-- automation_workflow_list(p_filter) -> [{as minutehand.workflow_facts, "definition": the row | null, "last_run",
--   "last_status"}], by name, 100 at a time
-- p_filter: {"names"?: [name or id], "after"?: [name, id] of the last one of the page before, "brief"?: true for
-- minutehand.steps_for_lint as "definition"}.  `last_run` is read from the newest 20,000 executions.
-- Locks: none.  Errors: MH404 no workflow of such a name.  Called by: store.workflows.
create or replace function public.automation_workflow_list(p_filter jsonb default '{}')
returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_names text[] := case when jsonb_typeof(p_filter -> 'names') = 'array'
    then array(select jsonb_array_elements_text(p_filter -> 'names')) end;
  v_unknown text;
  v_ids uuid[];
  v_context jsonb;
begin
  select n into v_unknown
  from unnest(v_names) as n
  where not exists (select from public.automation_workflows w where w.name = n or w.id::text = lower(n))
  limit 1;
  if v_unknown is not null then
    raise exception 'there is no workflow "%"', v_unknown
      using errcode = 'MH404', hint = 'See them with: minutehand workflows ls';
  end if;
  v_ids := array(
    select w.id
    from public.automation_workflows w
    where (v_names is null or w.name = any (v_names) or w.id::text in (select lower(n) from unnest(v_names) as n))
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
