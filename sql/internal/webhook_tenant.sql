-- Webhook signatures: whose secret signs the webhooks of a workflow.  executor/webhook_secrets.py derives it.

-- minutehand.is_single_tenant() -> boolean: every table was added with `--tenant none`, when one was last added or removed.
create or replace function minutehand.is_single_tenant() returns boolean
language sql stable set search_path = '' as $$
  select coalesce((select single_tenant from minutehand.webhook_signing), false)
$$;

-- minutehand.decide_signing(): decides that anew, if tables are watched.
create or replace function minutehand.decide_signing() returns void
language sql volatile set search_path = '' as $$
  insert into minutehand.webhook_signing as s (single_tenant)
  select bool_and(config ->> 'tenant' is null) from minutehand.watched having count(*) > 0
  on conflict (only_row) do update set single_tenant = excluded.single_tenant
  where s.single_tenant <> excluded.single_tenant
$$;

-- minutehand.webhook_tenant(definition, single tenant?) -> {"kind": "organization" | "user", "id"}: the tenant whose secret signs;
-- null: the operator's own.  Taken from the workflow alone: users of an app may often write executions and profiles.
create or replace function minutehand.webhook_tenant(p_definition jsonb, p_single_tenant boolean) returns jsonb
language sql immutable as $$
  select case
    when p_single_tenant then null
    when p_definition ->> 'organization_id' is not null then
      jsonb_build_object('kind', 'organization', 'id', p_definition ->> 'organization_id')
    when p_definition ->> 'user_id' is not null then jsonb_build_object('kind', 'user', 'id', p_definition ->> 'user_id')
  end
$$;

-- minutehand.column_text(column, value) -> text: the value as that column of automation_workflows prints it: an uuid in lower case.
-- Errors: MH400 for a value that the column cannot hold.
create or replace function minutehand.column_text(p_column text, p_value text) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_type constant text := (
    select pg_catalog.format_type(atttypid, atttypmod) from pg_catalog.pg_attribute
    where attrelid = 'public.automation_workflows'::regclass and attname = p_column and not attisdropped);
  v_text text;
begin
  execute format('select $1::%s::text', v_type) into v_text using p_value;
  return v_text;
exception when data_exception then
  raise exception '% is not a value of automation_workflows.%, which is %', p_value, p_column, v_type
    using errcode = 'MH400', hint = 'Give the id as the app writes it.';
end
$$;
