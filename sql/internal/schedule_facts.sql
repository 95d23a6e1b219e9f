-- What is known of a workflow that a time starts: for lists, lint, doctor and explain.

-- minutehand.time_zone_of(form, workflow) -> text: the zone in which its times are meant: its own, else the workflow's (zones.sql).
create or replace function minutehand.time_zone_of(p_form jsonb, p_workflow public.automation_workflows) returns text
language plpgsql stable as $$
begin
  return case lower(p_form ->> 'zone')
    when 'utc' then 'UTC'
    when 'organization' then minutehand.tenant_zone(minutehand.tenant_of(p_workflow))
    when 'business' then minutehand.tenant_zone(minutehand.tenant_of(p_workflow))
    else coalesce(p_form ->> 'zone', minutehand.workflow_zone(
      minutehand.as_object(p_workflow.settings::text), minutehand.tenant_of(p_workflow))) end;
end
$$;

-- minutehand.time_facts(workflow) -> {"kind", "form", "zone", "next_at", "problem": what keeps it from starting, beside its form} of a
-- workflow that a time starts; null for another one.
create or replace function minutehand.time_facts(p_workflow public.automation_workflows) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_row constant jsonb := minutehand.row_of(p_workflow);
  v_kind constant text := minutehand.time_kind(v_row);
  v_form jsonb;
begin
  if v_kind is null then
    return null;
  end if;
  v_form := case v_kind when 'date' then minutehand.date_form(v_row) else minutehand.schedule_form(v_row) end;
  return jsonb_build_object(
    'kind', v_kind, 'form', case when not v_form ? 'problem' then v_form end, 'zone', minutehand.time_zone_of(v_form, p_workflow),
    'next_at', (
      select s.next_at from minutehand.schedules s
      where s.workflow_id = p_workflow.id and s.version = coalesce(p_workflow.version, 1)),
    'problem', case
      when v_form ? 'problem' then null
      when v_kind = 'date' then minutehand.dates_problem(p_workflow, v_form)
      when v_form #>> '{for_each,table}' is not null then minutehand.rows_problem(p_workflow, v_form #>> '{for_each,table}') end);
end
$$;

-- minutehand.rows_problem(workflow, table) -> text: why it gets no rows of this table, or null.
create or replace function minutehand.rows_problem(p_workflow public.automation_workflows, p_table text) returns text
language sql stable set search_path = '' as $$
  select nullif(coalesce((
    select case when w.config ->> 'tenant' is not null and minutehand.tenant_of(p_workflow) = ''
      then 'it has neither organization_id nor user_id, and the rows of ' || w.name || ' have tenants' else '' end
    from minutehand.watched w where w.name = minutehand.watched_name(p_table)),
    format('table %s is not watched; watch it with: minutehand trigger add %s', left(p_table, 60), left(p_table, 60))), '')
$$;

-- minutehand.dates_problem(workflow, form of a date trigger) -> text: why its dates cannot be found, or null.
create or replace function minutehand.dates_problem(p_workflow public.automation_workflows, p_form jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_source constant record := minutehand.date_source(p_form, p_workflow.trigger_type);
  v_zone constant text := minutehand.time_zone_of(p_form, p_workflow);
begin
  return coalesce(
    v_source.problem, minutehand.rows_problem(p_workflow, v_source.name),
    case when not minutehand.is_zone(v_zone) then format('timezone: there is no zone "%s"; write a name such as Europe/Berlin', left(v_zone, 60)) end);
end
$$;

-- minutehand.table_of_workflow(workflow) -> text: the watched table whose rows it is about: as minutehand.table_of_type; of a workflow that
-- a time starts, the one that it names.
create or replace function minutehand.table_of_workflow(p_workflow public.automation_workflows) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_row constant jsonb := minutehand.row_of(p_workflow);
begin
  return case minutehand.time_kind(v_row)
    when 'date' then (minutehand.date_source(minutehand.date_form(v_row), p_workflow.trigger_type)).name
    when 'schedule' then minutehand.watched_name(minutehand.schedule_form(v_row) #>> '{for_each,table}')
    else minutehand.table_of_type(p_workflow.trigger_type) end;
end
$$;

-- minutehand.watched_name(name) -> text: as minutehand.watched has it: without quotes and without the schema public.
create or replace function minutehand.watched_name(p_table text) returns text
language sql immutable as $$
  select regexp_replace(replace(p_table, '"', ''), '^public\.', '')
$$;
