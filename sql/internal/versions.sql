-- Versions: each saved definition of a workflow is kept, and an execution runs the version that it matched.

-- minutehand.row_of(workflow) -> jsonb: the whole row, with the app's own columns, and JSON that is stored as text read
-- (minutehand.unwrapped).  Null if a json value of it is not valid jsonb: such a row can be neither stored as a version nor run (workflow_problem says why).  Never raises.
create or replace function minutehand.row_of(p_workflow public.automation_workflows) returns jsonb
language plpgsql stable as $$
begin
  return minutehand.unwrapped(to_jsonb(p_workflow));
exception when data_exception or statement_too_complex then
  return null;
end
$$;

-- Keeps each saved definition: an execution runs the version that it matched.  Counters and times are no part of it.
create or replace function minutehand.definition(p_workflow jsonb) returns jsonb
language sql immutable as $$
  select p_workflow - array[
    'version', 'created_at', 'updated_at', 'execution_count', 'success_count', 'last_triggered_at', 'last_executed_at',
    'performance_metrics']
$$;

-- Two triggers, since only after the row is written is it known that it was: INSERT … ON CONFLICT DO UPDATE fires BEFORE
-- INSERT too.  Like every trigger of ours they cannot hurt the app, and wait for a lock once (see automation_capture):
-- whatever fails here, the save commits.
create or replace function minutehand.number_version() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' as $$
begin
  begin
    if tg_op = 'UPDATE' then
      new.version := case
        when minutehand.definition(to_jsonb(new)) is distinct from minutehand.definition(to_jsonb(old))
          then coalesce(old.version, 1) + 1
        else old.version
      end;
    elsif coalesce(current_setting('minutehand.versions_blocked', true), '') = '' then
      -- A workflow that was deleted and comes back goes on counting: its executions name the old versions.
      new.version := 1 + coalesce(
        (select max(version) from public.automation_workflow_versions where workflow_id = new.id), 0);
    end if;
  exception when others then
    raise warning 'minutehand: this version of workflow % was not kept: %', new.id, sqlerrm;
    if sqlstate = '55P03' then
      perform set_config('minutehand.versions_blocked', 'yes', true);
    end if;
  end;
  return new;
end
$$;

create or replace function minutehand.keep_version() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' as $$
begin
  begin
    if coalesce(current_setting('minutehand.versions_blocked', true), '') = '' and new.version is not null
       and (tg_op = 'INSERT' or new.version is distinct from old.version) then
      insert into public.automation_workflow_versions (workflow_id, version, definition, saved_at, is_insert)
      values (new.id, new.version, minutehand.definition(to_jsonb(new)), minutehand.clock(), tg_op = 'INSERT')
      on conflict (workflow_id, version) do update
      set definition = excluded.definition, saved_at = excluded.saved_at, is_insert = excluded.is_insert;
      perform minutehand.keep_verdict(new);
    end if;
    perform minutehand.keep_matcher(new.id);
  exception when others then
    raise warning 'minutehand: this version of workflow % was not kept: %', new.id, sqlerrm;
    if sqlstate = '55P03' then
      perform set_config('minutehand.versions_blocked', 'yes', true);
    end if;
  end;
  return null;
end
$$;

-- Keeps when a workflow was deleted, with its last version: explain says so of changes that came later.
create or replace function minutehand.keep_deletion() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' as $$
begin
  begin
    if coalesce(current_setting('minutehand.versions_blocked', true), '') = '' then
      update public.automation_workflow_versions v
      set deleted_at = minutehand.clock()
      where v.workflow_id = old.id and v.version = coalesce(old.version, 1);
    end if;
  exception when others then
    raise warning 'minutehand: the deletion of workflow % was not kept: %', old.id, sqlerrm;
    if sqlstate = '55P03' then
      perform set_config('minutehand.versions_blocked', 'yes', true);
    end if;
  end;
  return null;
end
$$;

do $$
begin
  if not exists (
    select from pg_catalog.pg_trigger
    where tgrelid = 'public.automation_workflows'::regclass and tgname = 'minutehand_keep_deletion'
      and tgfoid = 'minutehand.keep_deletion()'::regprocedure
  ) then
    create or replace trigger minutehand_keep_deletion after delete on public.automation_workflows
      for each row execute function minutehand.keep_deletion();
  end if;
  if not exists (
    select from pg_catalog.pg_trigger
    where tgrelid = 'public.automation_workflows'::regclass and tgname = 'minutehand_keep_version'
      and tgfoid = 'minutehand.keep_version()'::regprocedure
  ) then
    create or replace trigger minutehand_number_version before insert or update on public.automation_workflows
      for each row execute function minutehand.number_version();
    create or replace trigger minutehand_keep_version after insert or update on public.automation_workflows
      for each row execute function minutehand.keep_version();
  end if;
end
$$;

-- Workflows that stood before us get their first version.  Their rows are left as they are: no version means the first.
insert into public.automation_workflow_versions (workflow_id, version, definition)
select w.id, coalesce(w.version, 1), minutehand.definition(r.row)
from public.automation_workflows w
cross join lateral (select minutehand.row_of(w) as row) r
where r.row is not null  -- workflow_problem says of the others what is wrong
on conflict do nothing;
