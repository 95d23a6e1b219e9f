-- automation_workflow_list(p_filter) -> [{as minutehand.workflow_summary, "last_run", "last_status", and with "facts": as
--   minutehand.lint_facts}], by name, 100 at a time
-- p_filter: {"names"?: [name or id], "after"?: [name, id] of the last one of the page before, "facts"?: true}.  `last_run` is
-- read from the newest 20,000 executions.
-- Locks: none.  Errors: MH404 no workflow of such a name.  Called by: store.workflows.
create or replace function public.automation_workflow_list(p_filter jsonb default '{}')
returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_names text[] := case when jsonb_typeof(p_filter -> 'names') = 'array'
    then array(select jsonb_array_elements_text(p_filter -> 'names')) end;
  v_unknown text;
begin
  select requested into v_unknown
  from unnest(v_names) as requested
  where not exists (select from public.automation_workflows w where w.name = requested or w.id::text = lower(requested))
  limit 1;
  if v_unknown is not null then
    raise exception 'there is no workflow "%"', v_unknown
      using errcode = 'MH404', hint = 'See them with: minutehand workflows ls';
  end if;
  return (
    with last as materialized (
      select distinct on (workflow_id) workflow_id, created_at, status
      from minutehand.newest_executions()
      order by workflow_id, created_at desc, id desc
    )
    select coalesce(jsonb_agg(
      minutehand.workflow_summary(w)
        || jsonb_build_object('last_run', l.created_at, 'last_status', l.status)
        || case when p_filter -> 'facts' = 'true' then minutehand.lint_facts(w) else '{}' end
      order by w.name, w.id::text), '[]')
    from (
      select *
      from public.automation_workflows w
      where (v_names is null or w.name = any (v_names) or w.id::text in (select lower(n) from unnest(v_names) as n))
        and (p_filter -> 'after' is null
             or (w.name, w.id::text) > (p_filter -> 'after' ->> 0, p_filter -> 'after' ->> 1))
      order by w.name, w.id::text
      limit 100
    ) w
    left join last l on l.workflow_id = w.id);
end
$$;
comment on function public.automation_workflow_list is 'minutehand: lists the workflows and their state';
