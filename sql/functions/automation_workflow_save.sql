-- automation_workflow_save(p_workflow, p_dry_run, p_actor, p_now) -> {"answer": "created" | "updated" | "unchanged", "id", "name",
--   "version", "changed": [column], "dry_run", as minutehand.workflow_facts}
-- Saves a workflow by its name within its tenant.  p_workflow contains columns of the row, by name: other columns stay as they are,
-- columns of the app that we do not know are never written, and an empty value ({}, []) where there is none is not a change.
-- The tenant is its organization_id, else its user_id; without both, the only workflow of that name is meant.  An `id` decides
-- alone.  p_actor: {"via", "name"} of the person, or null.
-- Errors: MH400 no name, a column that may not be written or does not exist, a required one is missing, or it is too large;
-- MH404 no such id, MH409 several of that name.
-- Locks: an advisory lock on the name, then the row.  Called by: store.save_workflow.
create or replace function public.automation_workflow_save(
  p_workflow jsonb, p_dry_run boolean default false, p_actor jsonb default null, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_old public.automation_workflows;
  v_new public.automation_workflows;
  v_changed text[];
  v_answer text;
begin
  perform minutehand.refuse_unknown_columns(p_workflow);
  perform pg_advisory_xact_lock(hashtextextended('minutehand.workflow ' || (p_workflow ->> 'name'), 0));
  v_old := minutehand.find_saved_workflow(p_workflow);
  if v_old.id is null then
    p_workflow := '{"is_active": true, "status": "active"}' || p_workflow;
  end if;
  v_new := jsonb_populate_record(v_old, p_workflow - 'id');
  perform minutehand.refuse_large_definition(v_new);
  if v_old.id is null then
    perform minutehand.refuse_missing_columns(v_new);
  end if;
  v_changed := array(
    select key from jsonb_object_keys(p_workflow - 'id') as key
    where minutehand.null_if_empty(minutehand.row_of(v_new) -> key)
          is distinct from minutehand.null_if_empty(minutehand.row_of(v_old) -> key)
    order by key);
  v_answer := case when v_old.id is null then 'created' when v_changed = '{}' then 'unchanged' else 'updated' end;
  if p_dry_run then
    v_new.version := coalesce(v_old.version, 1) + (v_answer = 'updated')::integer;
  elsif v_answer <> 'unchanged' then
    v_new := minutehand.write_workflow(v_old, p_workflow, v_changed, v_now);
    perform minutehand.audit(
      'workflow_save', v_new.id::text, p_actor,
      jsonb_build_object('name', v_new.name, 'version', v_new.version, 'changed', v_changed), v_now);
  end if;
  return minutehand.workflow_facts(
    v_new, minutehand.workflow_context(array[v_new.trigger_type::text])) || jsonb_build_object(
    'answer', v_answer, 'changed', to_jsonb(v_changed), 'dry_run', p_dry_run);
end
$$;
comment on function public.automation_workflow_save is 'minutehand: saves a workflow by its name';

-- minutehand.null_if_empty(value) -> the value, or null for null, {} and [].
create or replace function minutehand.null_if_empty(p_value jsonb) returns jsonb
language sql immutable as $$
  select case when p_value in ('null', '{}', '[]') then null else p_value end
$$;

-- minutehand.refuse_unknown_columns(workflow): raises MH400 unless each key is a column that is ours to write, and there.
create or replace function minutehand.refuse_unknown_columns(p_workflow jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_key text;
begin
  if jsonb_typeof(p_workflow) is distinct from 'object' or coalesce(p_workflow ->> 'name', '') !~ '[^[:space:]]' then
    raise exception 'the workflow has no name' using errcode = 'MH400', hint = 'Give it a `name`: it is saved under it.';
  end if;
  for v_key in select jsonb_object_keys(p_workflow) loop
    if v_key <> all (array[
        'id', 'name', 'description', 'organization_id', 'user_id', 'trigger_type', 'trigger_config', 'trigger_conditions',
        'steps', 'template_config', 'workflow_config', 'action_type', 'action_config', 'settings', 'delivery_window',
        'multi_channel_config', 'is_active', 'status', 'enabled']) then
      raise exception 'a workflow''s column "%" is not written by Minutehand', v_key
        using errcode = 'MH400', hint = 'Leave it out.';
    elsif not exists (
        select from pg_catalog.pg_attribute
        where attrelid = 'public.automation_workflows'::regclass and attname = v_key and not attisdropped) then
      raise exception 'this database''s automation_workflows has no column "%"', v_key
        using errcode = 'MH400', hint = 'Leave it out, or add the column.';
    end if;
  end loop;
end
$$;

-- minutehand.refuse_large_definition(new row): raises MH400 where it is larger than minutehand.max_definition_bytes.
create or replace function minutehand.refuse_large_definition(p_workflow public.automation_workflows) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_problem constant text := minutehand.size_problem(minutehand.row_of(p_workflow));
begin
  if v_problem is not null then
    raise exception 'workflow "%" is too large: %', left(p_workflow.name, 100), v_problem
      using errcode = 'MH400', hint = 'Shorten its texts, or split it into several workflows.';
  end if;
end
$$;

-- minutehand.refuse_missing_columns(new row): raises MH400 where an app's own table demands what the row does not say.
create or replace function minutehand.refuse_missing_columns(p_workflow public.automation_workflows) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_missing text;
begin
  select string_agg(attname, ', ' order by attnum) into v_missing
  from pg_catalog.pg_attribute
  where attrelid = 'public.automation_workflows'::regclass and attnum > 0 and not attisdropped
    and attnotnull and not atthasdef and attidentity = '' and minutehand.row_of(p_workflow) ->> attname is null;
  if v_missing is not null then
    raise exception 'this database''s automation_workflows requires % of workflow "%"', v_missing, p_workflow.name
      using errcode = 'MH400', hint = 'Add it to the file; organization_id and user_id also with --organization and --user.';
  end if;
end
$$;

-- minutehand.refuse_generated_columns(workflow): raises MH400 where the app's table computes one of its columns, such as
-- organization_id from org_id.
create or replace function minutehand.refuse_generated_columns(p_workflow jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_column text;
begin
  select min(attname) into v_column
  from pg_catalog.pg_attribute
  where attrelid = 'public.automation_workflows'::regclass and attgenerated <> '' and p_workflow ? attname;
  if v_column is not null then
    raise exception 'this database computes automation_workflows.% from another column', v_column
      using errcode = 'MH400', hint = 'Create the workflow in the app; then it can be changed here.';
  end if;
end
$$;

-- minutehand.find_saved_workflow(workflow) -> the row that it would be saved into; nulls where there is none.
create or replace function minutehand.find_saved_workflow(p_workflow jsonb) returns public.automation_workflows
language plpgsql stable set search_path = '' as $$
declare
  v_found public.automation_workflows[];
begin
  select array_agg(w) into v_found
  from public.automation_workflows w
  where case when p_workflow ->> 'id' is not null then w.id::text = lower(p_workflow ->> 'id')
    else w.name = p_workflow ->> 'name' and case
      when p_workflow ->> 'organization_id' is not null then w.organization_id::text = p_workflow ->> 'organization_id'
      when p_workflow ->> 'user_id' is not null then w.user_id::text = p_workflow ->> 'user_id'
      else true end
    end;
  if p_workflow ->> 'id' is not null and v_found is null then
    raise exception 'there is no workflow with the id %', p_workflow ->> 'id'
      using errcode = 'MH404', hint = 'Leave the `id` out, and it is saved by its name.';
  elsif cardinality(v_found) > 1 then
    raise exception 'there are % workflows named "%"', cardinality(v_found), p_workflow ->> 'name'
      using errcode = 'MH409', hint = 'Name one by organization_id, user_id or `id`.';
  end if;
  return v_found[1];
end
$$;

-- minutehand.write_workflow(old row, workflow, changed columns, now) -> the row as saved.
create or replace function minutehand.write_workflow(
  p_old public.automation_workflows, p_workflow jsonb, p_changed text[], p_now timestamptz
) returns public.automation_workflows language plpgsql set search_path = '' as $$
declare
  v_saved public.automation_workflows;
begin
  if p_old.id is null then
    perform minutehand.refuse_generated_columns(p_workflow);
    execute format(
      'insert into public.automation_workflows (%1$s) select %1$s '
      'from pg_catalog.jsonb_populate_record(null::public.automation_workflows, $1) returning *',
      (select string_agg(format('%I', key), ', ') from jsonb_object_keys(p_workflow - 'id') as key))
    into v_saved using p_workflow;
    return v_saved;
  end if;
  if exists (
      select from pg_catalog.pg_attribute
      where attrelid = 'public.automation_workflows'::regclass and attname = 'updated_at' and not attisdropped) then
    p_workflow := p_workflow || jsonb_build_object('updated_at', p_now);
    p_changed := p_changed || array['updated_at'];
  end if;
  execute format(
    'update public.automation_workflows w set %s '
    'from pg_catalog.jsonb_populate_record(null::public.automation_workflows, $1) r where w.id = $2 returning w.*',
    (select string_agg(format('%1$I = r.%1$I', key), ', ') from unnest(p_changed) as key))
  into v_saved using p_workflow, p_old.id;
  return v_saved;
end
$$;
