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

-- minutehand.organization_of(row, config) -> text: the organization that a row of a watched table names, or null.
create or replace function minutehand.organization_of(p_row jsonb, p_config jsonb) returns text
language sql immutable as $$
  select case when p_config ->> 'tenant' <> p_config ->> 'user' then p_row ->> (p_config ->> 'tenant') end
$$;
