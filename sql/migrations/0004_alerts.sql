-- What alerts remember, so that any number of processors tell each thing once.
--
-- Locks: SHARE on the execution logs while the indexes are built; they hold few rows.

-- One trouble from its opening to its recovery: of one kind, about one subject (a workflow's id, a table), of one code.
create table if not exists public.automation_incidents (
  id uuid primary key default minutehand.new_id(),
  kind text not null,
  subject text not null default '',
  code text not null default '',
  opened_at timestamptz not null,
  -- When it was last found; it recovers some time after that.
  seen_at timestamptz not null,
  recovered_at timestamptz,
  -- How many executions, changes or sends it is about, as last found.
  count bigint not null default 1,
  summary text not null,
  sample text,
  -- What of it was told last, and when; and who is telling it now.
  told text check (told in ('opened', 'updated', 'recovered')),
  told_at timestamptz,
  telling uuid,
  telling_until timestamptz
);
alter table public.automation_incidents enable row level security;
create unique index if not exists automation_incidents_open
  on public.automation_incidents (kind, subject, code) where recovered_at is null;
create index if not exists automation_incidents_opened on public.automation_incidents (opened_at);

-- When somebody last looked for trouble, and how many changes had been lost by then, and when the last of them was.
create table if not exists minutehand.alert_state (
  only_row boolean primary key default true check (only_row),
  judged_at timestamptz not null,
  lost bigint not null default 0,
  lost_at timestamptz
);

-- What did not complete, newest first: few rows beside those that did, so those cost nothing.
create index if not exists automation_execution_logs_unsuccessful
  on public.automation_execution_logs (status, created_at, id) where status in ('failed', 'skipped', 'cancelled');

-- What another processor holds, and sends of unknown fate: seldom any, and never a row on its ordinary way, so these cost nothing.
create index if not exists automation_execution_logs_foreign
  on public.automation_execution_logs (id) where status in ('processing', 'running') and lease_expires_at is null;
create index if not exists automation_execution_logs_uncertain
  on public.automation_execution_logs (created_at) where status = 'failed' and code = 'uncertain_send';
