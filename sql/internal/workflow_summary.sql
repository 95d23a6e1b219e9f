-- The state of a workflow, for ls, show, lint and apply.

-- minutehand.workflow_summary(workflow) -> {"id", "name", "trigger_type", "organization_id", "user_id", "version", "on",
--   "paused": {"scope", "target", "reason", "paused_at"} | null, "problem", "definition": the row | null}
create or replace function minutehand.workflow_summary(p_workflow public.automation_workflows) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', p_workflow.id, 'name', p_workflow.name, 'trigger_type', p_workflow.trigger_type,
    'organization_id', p_workflow.organization_id, 'user_id', p_workflow.user_id,
    'version', coalesce(p_workflow.version, 1), 'on', minutehand.is_on(p_workflow),
    'paused', (
      select to_jsonb(c)
      from minutehand.pauses_over(minutehand.tenant_of(p_workflow), p_workflow.id::text) c
      order by c.scope desc limit 1),
    'problem', minutehand.workflow_problem(p_workflow), 'definition', minutehand.row_of(p_workflow))
$$;

-- minutehand.lint_facts(workflow) -> {"problem", "heard", "unmatched": [{"word", "type", "known": [status]}]}: what the database
-- alone can say against it, saved or not.  `heard`: a watched table has changes of its type.  A setting that cannot be read is a
-- problem here, because it can still be fixed.
create or replace function minutehand.lint_facts(p_workflow public.automation_workflows) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_words jsonb;
  v_facts jsonb;
begin
  select coalesce(jsonb_object_agg(w.config ->> 'type', to_jsonb(minutehand.known_statuses(w.relation, w.config))), '{}')
  into v_words
  from minutehand.watched w
  where starts_with(p_workflow.trigger_type, (w.config ->> 'type') || '_');
  v_facts := minutehand.facts_of_workflow(p_workflow, v_words);
  return jsonb_build_object(
    'problem', coalesce(v_facts ->> 'problem', case
      when p_workflow.organization_id is null and p_workflow.user_id is null and exists (
        select from minutehand.watched w
        where starts_with(p_workflow.trigger_type, (w.config ->> 'type') || '_') and w.config ->> 'tenant' is not null)
      then 'it names neither organization_id nor user_id: no tenant''s changes start it' end, v_facts ->> 'unread'),
    'heard', v_facts -> 'heard',
    'unmatched', (
      select coalesce(jsonb_agg(item || jsonb_build_object('known', v_words -> (item ->> 'type'))), '[]')
      from jsonb_array_elements(v_facts -> 'unmatched') as item));
end
$$;

-- minutehand.newest_executions() -> the newest 20,000 executions, for counts and last runs: no index serves "of this workflow".  It has
-- no settings of its own, so that it becomes part of its caller's query, which reads two columns of a row and not all.
create or replace function minutehand.newest_executions() returns setof public.automation_execution_logs
language sql stable as $$
  select * from public.automation_execution_logs order by created_at desc, id desc limit 20000
$$;

-- minutehand.cannot_fire(workflow) -> text: why no change can start it, or null; what is started by hand needs none.
create or replace function minutehand.cannot_fire(p_workflow public.automation_workflows) returns text
language sql stable set search_path = '' as $$
  select coalesce(minutehand.workflow_problem(p_workflow), case
    when p_workflow.trigger_type <> 'manual' and not exists (select from minutehand.tables_emitting(p_workflow.trigger_type))
    then format('no watched table has changes of type %s', left(p_workflow.trigger_type, 100)) end)
$$;
