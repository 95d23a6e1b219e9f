-- Reading a workflow's row: the one home of "is it on?", "whose is it?" and "how often may it fire?".

-- minutehand.is_on(workflow) -> boolean: every switch that the row has says on.
create or replace function minutehand.is_on(p_workflow public.automation_workflows) returns boolean
language sql stable as $$
  select p_workflow.is_active is not false and lower(coalesce(p_workflow.status, 'active')) = 'active'
$$;

-- minutehand.tenant(organization, user) -> text: '' when there is neither.
create or replace function minutehand.tenant(p_organization_id text, p_user_id text) returns text
language sql immutable as $$
  select coalesce(p_organization_id, p_user_id, '')
$$;

-- minutehand.same_tenant(organization, user, organization, user) -> boolean
-- The organisation decides where a side has one, else the user; an organisation never equals a user.
create or replace function minutehand.same_tenant(
  p_organization_a text, p_user_a text, p_organization_b text, p_user_b text
) returns boolean language sql immutable as $$
  select case
    when p_organization_a is not null or p_organization_b is not null
      then p_organization_a is not null and p_organization_b is not null and p_organization_a = p_organization_b
    else p_user_a is not null and p_user_b is not null and p_user_a = p_user_b
  end
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
language plpgsql immutable set search_path = '' as $$
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
language plpgsql immutable set search_path = '' as $$
declare
  v_limit jsonb := case when jsonb_typeof(p_settings) = 'object' then p_settings -> 'rate_limit' end;
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
    per := coalesce(minutehand.to_interval(coalesce(v_limit ->> 'per', v_limit ->> 'period')), per);
    delay := lower(coalesce(v_limit ->> 'on_exceed', 'drop')) = 'delay';
  end if;
end
$$;

-- Keeps each saved definition: an execution runs the version that it matched.  Counters and times are no part of it.
-- Like every trigger of ours it cannot hurt the app: whatever fails here, the save commits.
create or replace function minutehand.definition(p_workflow jsonb) returns jsonb
language sql immutable as $$
  select p_workflow - array[
    'version', 'created_at', 'updated_at', 'execution_count', 'success_count', 'last_triggered_at', 'last_executed_at',
    'performance_metrics']
$$;

create or replace function minutehand.keep_version() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '250ms' as $$
declare
  v_definition jsonb;
begin
  begin
    v_definition := minutehand.definition(to_jsonb(new));
    if tg_op = 'INSERT' then
      new.version := 1;
    elsif v_definition is distinct from minutehand.definition(to_jsonb(old)) then
      new.version := coalesce(old.version, 0) + 1;
    else
      new.version := old.version;
      return new;
    end if;
    insert into public.automation_workflow_versions (workflow_id, version, definition, saved_at)
    values (new.id, new.version, v_definition, minutehand.clock())
    on conflict (workflow_id, version) do update set definition = excluded.definition, saved_at = excluded.saved_at;
  exception when others then
    raise warning 'minutehand: this version of workflow % was not kept: %', new.id, sqlerrm;
  end;
  return new;
end
$$;

do $$
begin
  if not exists (
    select from pg_catalog.pg_trigger
    where tgrelid = 'public.automation_workflows'::regclass and tgname = 'minutehand_keep_version'
  ) then
    create trigger minutehand_keep_version before insert or update on public.automation_workflows
      for each row execute function minutehand.keep_version();
  end if;
end
$$;

-- Workflows that stood before us get their first version.
update public.automation_workflows set version = 1 where version is null;
insert into public.automation_workflow_versions (workflow_id, version, definition)
select w.id, w.version, minutehand.definition(to_jsonb(w))
from public.automation_workflows w
on conflict do nothing;
