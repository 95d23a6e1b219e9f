-- Tenants: to whom a row belongs.  The tenant is the row's organization if it names one, else its user.
-- The functions are plain SQL, so that an index on the same expression serves them.

-- minutehand.tenant_of(row) -> text: the tenant; '' when the row names neither organization nor user.
create or replace function minutehand.tenant_of(p_log public.automation_execution_logs) returns text
language sql immutable as $$
  select coalesce(p_log.organization_id::text, p_log.user_id::text, '')
$$;

create or replace function minutehand.tenant_of(p_workflow public.automation_workflows) returns text
language sql immutable as $$
  select coalesce(p_workflow.organization_id::text, p_workflow.user_id::text, '')
$$;

create or replace function minutehand.tenant_of(p_send public.communication_logs) returns text
language sql immutable as $$
  select coalesce(p_send.organization_id::text, p_send.user_id::text, '')
$$;

-- minutehand.same_tenant(row's organization, row's user, other organization, other user) -> boolean
-- If the row names an organization, only that is compared, else its user; an organization never equals a user.  So the rows
-- of a table without organizations belong to their users, even if each of a user's workflows names an organization.
create or replace function minutehand.same_tenant(
  p_row_organization_id text, p_row_user_id text, p_organization_id text, p_user_id text
) returns boolean language sql immutable as $$
  select coalesce(case
    when p_row_organization_id is not null then p_row_organization_id = p_organization_id
    else p_row_user_id = p_user_id
  end, false)
$$;

-- minutehand.is_of_workflow(log, workflow) -> boolean: does this execution belong to its workflow's tenant?  Whoever may insert
-- executions may name any workflow: one of another tenant is not shown, does not run and does not count for its limits.
-- An execution or a workflow without a tenant belongs to an app with a single one.
create or replace function minutehand.is_of_workflow(
  p_log public.automation_execution_logs, p_workflow public.automation_workflows
) returns boolean language sql immutable as $$
  select minutehand.tenant_of(p_log) = '' or minutehand.tenant_of(p_workflow) = '' or minutehand.same_tenant(
    p_log.organization_id::text, p_log.user_id::text, p_workflow.organization_id::text, p_workflow.user_id::text)
$$;

-- minutehand.is_of_definition(log, definition) -> boolean: the same for a kept version.  A workflow may be deleted, and its id
-- inserted again by another tenant.
create or replace function minutehand.is_of_definition(p_log public.automation_execution_logs, p_definition jsonb)
returns boolean language sql immutable as $$
  select minutehand.tenant_of(p_log) = '' or coalesce(p_definition ->> 'organization_id', p_definition ->> 'user_id') is null
    or minutehand.same_tenant(
      p_log.organization_id::text, p_log.user_id::text, p_definition ->> 'organization_id', p_definition ->> 'user_id')
$$;

-- minutehand.is_row_of_workflow(row, config, workflow) -> boolean: does a row of a watched table belong to the workflow's tenant?
-- Each row does where the table has a single tenant.
create or replace function minutehand.is_row_of_workflow(
  p_row jsonb, p_config jsonb, p_workflow public.automation_workflows
) returns boolean language sql stable as $$
  select p_config ->> 'tenant' is null or minutehand.same_tenant(
    minutehand.organization_of(p_row, p_config), p_row ->> coalesce(p_config ->> 'user', 'user_id'),
    p_workflow.organization_id::text, p_workflow.user_id::text)
    and (minutehand.organization_of(p_row, p_config) is not null
         or minutehand.may_be_member(p_workflow.user_id::text, p_workflow.organization_id::text))
$$;

-- minutehand.names_no_tenant(row, config) -> boolean: a row of a table that has tenants names neither an organisation nor a user.
create or replace function minutehand.names_no_tenant(p_row jsonb, p_config jsonb) returns boolean
language sql immutable as $$
  select p_config ->> 'tenant' is not null
    and coalesce(minutehand.organization_of(p_row, p_config), p_row ->> coalesce(p_config ->> 'user', 'user_id')) is null
$$;

-- minutehand.may_be_member(user, organization) -> boolean: false where the user is known to be of another organisation.  Whoever
-- writes a workflow of their organisation may name any user in it: that gives no right to the rows of that user.
create or replace function minutehand.may_be_member(p_user text, p_organization text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if p_organization is null or p_user is null then
    return true;
  end if;
  return coalesce(minutehand.profile_organization(p_user) = p_organization, true);
end
$$;

-- minutehand.organization_of(row, config) -> text: the organization that a row of a watched table names, or null.
create or replace function minutehand.organization_of(p_row jsonb, p_config jsonb) returns text
language sql immutable as $$
  select case when p_config ->> 'tenant' <> p_config ->> 'user' then p_row ->> (p_config ->> 'tenant') end
$$;

-- minutehand.effective_organization(organization, user) -> text: the organisation of a row, else that of its user's profile.
create or replace function minutehand.effective_organization(p_organization text, p_user text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if p_organization is not null or p_user is null then
    return p_organization;
  end if;
  return minutehand.profile_organization(p_user);
end
$$;

-- minutehand.profile_organization(user) -> text: the user's organisation: the claim app_metadata.organization_id, which only a
-- server can write (user_metadata is the user's own), else the organisation in the user's row of public.profiles; null where
-- the app has neither.  pg_temp is last in the path of these: the trigger calls them in sessions of the app (automation_capture).
-- Locks: waits 250 ms at most for the app's (lock_wait).
create or replace function minutehand.profile_organization(p_user text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' as $$
declare
  v_key text;
  v_found text;
begin
  if minutehand.lock_wait() <> '250ms' then
    perform set_config('lock_timeout', minutehand.lock_wait(), true);
  end if;
  if minutehand.has_column(minutehand.readable('auth.users'), 'raw_app_meta_data')
     and has_table_privilege(minutehand.owner(), 'auth.users', 'select') then
    execute 'select raw_app_meta_data::jsonb ->> ''organization_id'' from auth.users where id::text = $1'
    into v_found using p_user;
  end if;
  if v_found is not null then
    return v_found;
  end if;
  select a.attname into v_key
  from pg_catalog.pg_attribute a
  where a.attrelid = minutehand.readable('public.profiles') and a.attname in ('user_id', 'id') and not a.attisdropped
    and minutehand.has_column(a.attrelid, 'organization_id')
  order by a.attname desc  -- user_id before id
  limit 1;
  if v_key is not null then
    execute format('select organization_id::text from public.profiles where %I::text = $1 limit 1', v_key)
    into v_found using p_user;
  end if;
  return v_found;
end
$$;

-- minutehand.has_column(relation, name) -> boolean; false for no relation.
create or replace function minutehand.has_column(p_relation oid, p_name text) returns boolean
language sql stable as $$
  select exists (
    select from pg_catalog.pg_attribute where attrelid = p_relation and attname = p_name and attnum > 0 and not attisdropped)
$$;
