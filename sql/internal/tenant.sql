-- Tenants: whose a row is.  The tenant is the organization where there is one, else the user.

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

-- minutehand.tenant_of(log) -> text: whose it is; '' when nobody's.
create or replace function minutehand.tenant_of(p_log public.automation_execution_logs) returns text
language sql stable as $$
  select coalesce(p_log.organization_id::text, p_log.user_id::text, '')
$$;

-- minutehand.organization_of(row, config) -> text: the organisation that a row of a watched table names, if any.
create or replace function minutehand.organization_of(p_row jsonb, p_config jsonb) returns text
language sql immutable as $$
  select case when p_config ->> 'tenant' <> p_config ->> 'user' then p_row ->> (p_config ->> 'tenant') end
$$;
