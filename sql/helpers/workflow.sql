-- Reading a workflow's row: the one home of "is it on?", "whose is it?" and "how often may it fire?".

-- minutehand.is_on(workflow) -> boolean: every switch that the row has says on; `enabled` is one that only some apps have.
-- Total: a row with a json value that jsonb refuses can be neither kept nor run, so it is off (workflow_problem says why).
create or replace function minutehand.is_on(p_workflow public.automation_workflows) returns boolean
language plpgsql stable as $$
begin
  return p_workflow.is_active is not false and lower(coalesce(p_workflow.status, 'active')) = 'active'
    and to_jsonb(p_workflow) ->> 'enabled' is distinct from 'false';
exception when data_exception then
  return false;
end
$$;

-- minutehand.tenant(organization, user) -> text: '' when there is neither.
create or replace function minutehand.tenant(p_organization_id text, p_user_id text) returns text
language sql immutable as $$
  select coalesce(p_organization_id, p_user_id, '')
$$;

-- minutehand.same_tenant(row's organization, row's user, other's organization, other's user) -> boolean
-- The row's organisation decides where the row has one, else its user; an organisation never equals a user.  So the rows of
-- a table without organisations are their owner's, though each of the owner's workflows names an organisation.
create or replace function minutehand.same_tenant(
  p_row_organization_id text, p_row_user_id text, p_organization_id text, p_user_id text
) returns boolean language sql immutable as $$
  select coalesce(case
    when p_row_organization_id is not null then p_row_organization_id = p_organization_id
    else p_row_user_id = p_user_id
  end, false)
$$;

-- minutehand.conditions(workflow) -> jsonb: what the change must meet; null = every change of its type.
create or replace function minutehand.conditions(p_trigger_config jsonb) returns jsonb
language sql immutable as $$
  select case jsonb_typeof(p_trigger_config)
    when 'object' then p_trigger_config -> 'conditions'
    when 'null' then null
    else p_trigger_config  -- nothing but an object is meant here; the evaluator names the problem
  end
$$;

-- minutehand.to_interval(text) -> interval, or null where the text is none.  Total.
create or replace function minutehand.to_interval(p_text text) returns interval
language plpgsql immutable as $$
begin
  return p_text::interval;
exception when others then
  return null;
end
$$;

-- minutehand.rate_limit(settings) -> (n, per, delay): n is null when there is none.
-- The default is the plan's: once an hour per workflow, row and new status (R10).  settings.rate_limit = null turns it
-- off; {"n": 3, "per": "1 day", "on_exceed": "delay"} changes it.  What cannot be read falls back to the default.
create or replace function minutehand.rate_limit(p_settings jsonb, out n integer, out per interval, out delay boolean)
language plpgsql immutable as $$
declare
  v_limit jsonb := case when jsonb_typeof(p_settings) = 'object' then p_settings -> 'rate_limit' end;
  v_per interval;
begin
  n := 1;
  per := interval '1 hour';
  delay := false;
  if v_limit is null then
    return;
  elsif jsonb_typeof(v_limit) = 'null' then
    n := null;
  elsif jsonb_typeof(v_limit) = 'object' then
    if jsonb_typeof(v_limit -> 'n') = 'number' and (v_limit ->> 'n')::numeric between 1 and 100000 then
      n := (v_limit ->> 'n')::numeric::integer;
    end if;
    v_limit := jsonb_build_object('per', v_limit -> 'period') || v_limit;
    if jsonb_typeof(v_limit -> 'per') in ('string', 'number') then
      v_per := minutehand.to_interval(v_limit ->> 'per');
    end if;
    if v_per > interval '0' and v_per <= interval '10 years' then  -- no calendar ends within ten years of a change
      per := v_per;
    end if;
    delay := lower(coalesce(v_limit ->> 'on_exceed', 'drop')) = 'delay';
  end if;
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
      insert into public.automation_workflow_versions (workflow_id, version, definition, saved_at)
      values (new.id, new.version, minutehand.definition(to_jsonb(new)), minutehand.clock())
      on conflict (workflow_id, version) do update set definition = excluded.definition, saved_at = excluded.saved_at;
    end if;
  exception when others then
    raise warning 'minutehand: this version of workflow % was not kept: %', new.id, sqlerrm;
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
    where tgrelid = 'public.automation_workflows'::regclass and tgname = 'minutehand_keep_version'
  ) then
    create trigger minutehand_number_version before insert or update on public.automation_workflows
      for each row execute function minutehand.number_version();
    create trigger minutehand_keep_version after insert or update on public.automation_workflows
      for each row execute function minutehand.keep_version();
  end if;
end
$$;

-- Workflows that stood before us get their first version.  Their rows are left as they are: no version means the first.
insert into public.automation_workflow_versions (workflow_id, version, definition)
select w.id, coalesce(w.version, 1), minutehand.definition(to_jsonb(w))
from public.automation_workflows w
on conflict do nothing;
