-- What honest sends need beyond their log: when each was reserved, who decided to send again, and how many may leave.
--
-- Locks: ACCESS EXCLUSIVE on the execution and communication logs for an instant; building the indexes reads
-- communication_logs once.

-- Steps whose uncertain send a person sends again, and how often: {"<step>": 1}.  It makes their next key another one.
alter table public.automation_execution_logs add column if not exists resends jsonb;

-- When a send last took its place before leaving: what limits count.  Null on what others wrote, and on calls whose
-- receivers dedupe, which need no place.
alter table public.communication_logs add column if not exists reserved_at timestamptz;
-- By address, as limits know it; an e-mail to several, "a, b", stands in the second one, under each of them.
create index if not exists communication_logs_recipient
  on public.communication_logs ((lower(left(recipient, 320))), reserved_at) where reserved_at is not null;
create index if not exists communication_logs_recipients
  on public.communication_logs using gin ((string_to_array(lower(recipient), ', ')))
  where reserved_at is not null and recipient like '%, %';
create index if not exists communication_logs_tenant
  on public.communication_logs ((coalesce(organization_id::text, user_id::text, '')), reserved_at)
  where reserved_at is not null;

-- How many messages may leave: n per period, to one recipient or of one tenant, of one channel or ('') of all together.
-- A limit without a tenant ('') holds for each tenant that has none of its own.
create table if not exists public.automation_limits (
  scope text not null check (scope in ('recipient', 'tenant')),
  tenant text not null default '',
  channel text not null default '',
  n integer not null check (n between 0 and 1000000),
  per interval not null check (per > interval '0' and per <= interval '366 days'),
  on_exceed text not null default 'delay' check (on_exceed in ('delay', 'drop')),
  created_at timestamptz not null default now(),
  primary key (scope, tenant, channel)
);
alter table public.automation_limits enable row level security;

-- When a person let a workflow run again: what the breaker counts begins anew there.
create table if not exists minutehand.breaker_resets (
  workflow_id text primary key,
  resumed_at timestamptz not null
);
