"""An app whose tables stood before us, in the shape that they have in the field.

json columns, NOT NULLs, text ids, uuid owners with foreign keys, CHECKs that know only the app's words, policies,
triggers of its own, and a history in eleven words.
"""

from __future__ import annotations

import json
from typing import Any

from psycopg.types.json import Json

from tests.servers import Database

NORTH = "11111111-1111-4111-8111-111111111111"
ANNA = "22222222-2222-4222-8222-222222222222"
#: The app's tables; ours of the same names are adopted.
TABLES = ("automation_workflows", "automation_execution_logs", "communication_logs", "jobs", "clients")
#: What its processors ever wrote.
WORDS = (
    *("pending", "running", "processing", "completed", "failed", "skipped"),
    *("expired", "cancelled", "paused", "delayed", "started"),
)

APP = f"""
create schema if not exists auth;
create function auth.uid() returns uuid language sql stable as
$$ select nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;

create table organizations (id uuid primary key, name text not null);
create table users (id uuid primary key, email text);
create table profiles (user_id uuid primary key references users, organization_id uuid references organizations);
insert into organizations values ('{NORTH}', 'North Heating');
insert into users values ('{ANNA}', 'anna@example.com');
insert into profiles values ('{ANNA}', '{NORTH}');

create table clients (
  id text primary key, user_id uuid not null references users, organization_id uuid references organizations,
  name text not null, first_name text, last_name text, email text, phone text, status text, tags text[],
  last_contacted_at timestamptz
);
create table jobs (
  id text primary key, user_id uuid not null references users, organization_id uuid references organizations,
  client_id text references clients, title text, status text, job_type text, revenue numeric, tags text[],
  schedule_start timestamptz, deleted_at timestamptz, updated_at timestamptz
);
create table automation_workflows (
  id uuid primary key default gen_random_uuid(), user_id uuid not null references users,
  organization_id uuid not null references organizations, name text not null, description text,
  status text constraint automation_workflows_status_check check (status in ('active', 'inactive', 'draft', 'paused')),
  is_active boolean, enabled boolean, category text, trigger_type text, trigger_config json, trigger_conditions json,
  steps json, template_config json, settings json, delivery_window json, execution_count int default 0,
  last_executed_at timestamptz, created_at timestamptz default now(), updated_at timestamptz default now()
);
create table automation_execution_logs (
  id uuid primary key default gen_random_uuid(),
  workflow_id uuid references automation_workflows on delete cascade, automation_id uuid,
  organization_id uuid references organizations, trigger_type text not null, trigger_data json, status text not null,
  actions_executed json, error_message text, details json, started_at timestamptz, completed_at timestamptz,
  created_at timestamptz default now(), resume_at timestamptz, execution_time_ms int,
  constraint automation_execution_logs_status_check check (status = any (array[
    'pending', 'running', 'processing', 'completed', 'failed', 'expired', 'cancelled', 'paused', 'delayed', 'started'
  ]) or (status = 'skipped' and true)),
  constraint ended_after_its_start check (completed_at is null or started_at is null or completed_at >= started_at)
);
create table communication_logs (
  id uuid primary key default gen_random_uuid(), user_id uuid not null references users, client_id text, job_id text,
  type varchar(20) not null constraint communication_logs_type_check check (type in ('sms', 'email', 'voice')),
  direction text not null constraint communication_logs_direction_check check (direction in ('inbound', 'outbound')),
  status text not null
    constraint communication_logs_status_check check (status in ('pending', 'sent', 'failed', 'delivered')),
  from_address text not null, to_address text not null, subject text, content text, metadata json, error_message text,
  external_id text, idempotency_key text, recipient text, created_at timestamptz default now(), sent_at timestamptz
);

alter table automation_workflows enable row level security;
create policy "members read" on automation_workflows for select
  using (organization_id in (select organization_id from profiles where user_id = auth.uid()));
create policy "owners write" on automation_workflows for all using (auth.uid() = user_id);
alter table automation_execution_logs enable row level security;
create policy "System can manage automation logs" on automation_execution_logs for all using (true);
alter table communication_logs enable row level security;
create policy "own messages" on communication_logs for select using (auth.uid() = user_id);

create function touch() returns trigger language plpgsql as $$ begin new.updated_at := now(); return new; end $$;
create trigger touch_jobs before update on jobs for each row execute function touch();
create trigger touch_workflows before update on automation_workflows for each row execute function touch();
create function count_execution() returns trigger language plpgsql as $$
begin
  if new.status = 'completed' and old.status <> 'completed' then
    update automation_workflows set execution_count = execution_count + 1, last_executed_at = now()
    where id = new.workflow_id;
  end if;
  return new;
end $$;
create trigger count_execution after update on automation_execution_logs
  for each row execute function count_execution();

insert into clients (id, user_id, organization_id, name, email) values
  ('C-1', '{ANNA}', '{NORTH}', 'Lakeview Hotel', 'hotel@example.com'),
  ('C-2', '{ANNA}', '{NORTH}', 'Corner Bakery', null);
"""


#: All that the app's tables have, but their rows: what stands here before must stand here afterwards.
OWN = """
with own as (select * from pg_class where relnamespace = 'public'::regnamespace and relname = any (%s))
select 'table' as kind, relname::text as name,
       jsonb_build_array(relrowsecurity, relforcerowsecurity, relacl::text) as what
from own
union all
select 'column', relname || '.' || attname, jsonb_build_array(attnum, format_type(atttypid, atttypmod), attnotnull,
       pg_get_expr(adbin, adrelid))
from own join pg_attribute a on a.attrelid = own.oid and attnum > 0
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
union all
select 'constraint', relname || '.' || conname, jsonb_build_array(pg_get_constraintdef(k.oid), convalidated)
from own join pg_constraint k on conrelid = own.oid
union all
select 'policy', relname || '.' || polname, jsonb_build_array(polcmd, polroles::text, pg_get_expr(polqual, polrelid))
from own join pg_policy on polrelid = own.oid
union all
select 'trigger', relname || '.' || tgname, jsonb_build_array(pg_get_triggerdef(t.oid), tgenabled)
from own join pg_trigger t on tgrelid = own.oid where not tgisinternal
union all
select 'index', relname || '.' || indexrelid::regclass, jsonb_build_array(pg_get_indexdef(indexrelid))
from own join pg_index on indrelid = own.oid
"""


def own(database: Database) -> dict[str, str]:
    """What the app's tables have, by kind and name."""
    rows = database.sql(OWN, list(TABLES))
    return {f"{row['kind']} {row['name']}": json.dumps(row["what"]) for row in rows}


def old_app(database: Database, *, logs: int = 0) -> str:
    """Make the app, with one workflow and so many logs of the last year; gives the workflow's id."""
    database.sql(APP)
    made = workflow(database, "Stood before", trigger_type="invoice_paid")
    database.sql(
        """
        insert into automation_execution_logs (
          workflow_id, organization_id, trigger_type, trigger_data, status, created_at)
        select %s, case when n %% 2 = 0 then %s::uuid end, 'job_status_changed',
               json_build_object('job_id', 'J-' || n, 'new_status', 'completed'), (%s::text[])[1 + n %% 11],
               now() - interval '1 year' + n * interval '5 minutes'
        from generate_series(1, %s) as n
        """,
        made,
        NORTH,
        list(WORDS),
        logs,
    )
    database.sql(
        """
        insert into communication_logs (user_id, client_id, type, direction, status, from_address, to_address)
        select %s, 'C-1', (array['sms', 'email', 'voice'])[1 + n %% 3], 'outbound',
               (array['pending', 'sent', 'failed', 'delivered'])[1 + n %% 4], 'a@example.com', 'b@example.com'
        from generate_series(1, %s) as n
        """,
        ANNA,
        logs // 10,
    )
    return made


def workflow(database: Database, name: str, *steps: dict[str, Any], **columns: Any) -> str:
    """Save a workflow as the app's builder does; gives its id.  Without steps it would never start."""
    values = {
        "user_id": ANNA,
        "organization_id": NORTH,
        "name": name,
        "status": "active",
        "is_active": True,
        "trigger_type": "job_completed",
        "trigger_config": Json({}),
        "steps": Json(list(steps) or [{"type": "stop"}]),
        "settings": Json({}),
        **{column: Json(value) if isinstance(value, dict | list) else value for column, value in columns.items()},
    }
    names, places = ", ".join(values), ", ".join(["%s"] * len(values))
    query = f"insert into automation_workflows ({names}) values ({places}) returning id"
    return str(database.one(query, *values.values())["id"])


def complete(database: Database, job: str = "J-2019", *, client: str | None = "C-1") -> str:
    """Make a job and complete it, by a plain UPDATE; gives its id."""
    database.sql(
        "insert into jobs (id, user_id, organization_id, client_id, title, status)"
        " values (%s, %s, %s, %s, 'Boiler repair', 'In Progress')",
        job,
        ANNA,
        NORTH,
        client,
    )
    database.sql("update jobs set status = 'Completed' where id = %s", job)
    return job
