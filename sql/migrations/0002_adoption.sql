-- What a database needs whose app was there first: columns that a smaller table lacks, where its old backlog ends, and
-- which functions are ours.
--
-- Locks: ACCESS EXCLUSIVE on each automation table for an instant; building the index reads automation_execution_logs once.

-- A first migration that was stopped midway and run again takes the tables that it had made for the app's; their key tells.
do $$
declare
  v_table text;
begin
  for v_table in
    delete from minutehand.adopted a
    using pg_catalog.pg_attrdef d
    where d.adrelid = to_regclass('public.' || a.table_name) and pg_get_expr(d.adbin, d.adrelid) = 'minutehand.new_id()'
    returning a.table_name
  loop
    execute format('alter table public.%I enable row level security', v_table);
  end loop;
end
$$;

-- An app that knows only the plan's columns.
alter table public.automation_workflows
  add column if not exists is_active boolean,
  add column if not exists status text;
alter table public.automation_execution_logs
  add column if not exists started_at timestamptz,
  add column if not exists completed_at timestamptz,
  add column if not exists error_message text,
  add column if not exists actions_executed jsonb;
-- And the app's own words for a send, which it may demand: what kind, whither, from whom and to whom.
alter table public.communication_logs
  add column if not exists created_at timestamptz,
  add column if not exists error_message text,
  add column if not exists external_id text,
  add column if not exists sent_at timestamptz,
  add column if not exists type text,
  add column if not exists direction text,
  add column if not exists from_address text,
  add column if not exists to_address text;

-- Executions that were due before `held_before` when a processor first looked, after a time without any: they are held, not
-- run (`skipped: stale`).  One row while that is under way, none otherwise.
create table if not exists minutehand.backlog (
  only_row boolean primary key default true check (only_row),
  held_before timestamptz not null
);
-- What is held, for a release of all of it.
create index if not exists automation_execution_logs_stale
  on public.automation_execution_logs (id) where status = 'skipped' and code = 'stale';

-- What `migrate` installed, so that doctor can tell a function that somebody replaced.
create table if not exists minutehand.installed (
  signature text primary key,
  source_md5 text not null
);
