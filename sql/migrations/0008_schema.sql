-- Minutehand's tables and indexes.
--
-- The file makes a new database, adds what is missing to tables that an app already has, and upgrades schema 7.  It only
-- adds: a table or a column that exists is never rewritten, dropped or renamed, except for our own names of schema 7
-- (below).  A column added to an existing table has no default, so that PostgreSQL rewrites nothing and old rows do not
-- look new; defaults for later rows are set at the end.
--
-- Its number follows 0007, the last of the seven migrations that it replaces, so that a program which knows only those
-- treats this schema as newer than its own.
--
-- Locks: ACCESS EXCLUSIVE on each automation table for an instant.  Building an index reads the table once and blocks its
-- writers meanwhile.

create schema if not exists minutehand;
revoke all on schema minutehand from public;


-- Upgrade from schema 7: our own tables, indexes and columns take their new names.

-- Functions are created again after the migrations; in schema 7 some have other parameters or results.
do $$
declare
  v_function record;
begin
  if to_regclass('minutehand.judged') is not null then
    for v_function in
      select p.oid::regprocedure as signature
      from pg_catalog.pg_proc p
      where p.pronamespace = 'minutehand'::regnamespace and not exists (
        select from pg_catalog.pg_depend d
        where d.refclassid = 'pg_catalog.pg_proc'::regclass and d.refobjid = p.oid)
    loop
      execute format('drop function %s', v_function.signature);
    end loop;
  end if;
end
$$;

alter table if exists minutehand.judged rename to alert_state;
alter table if exists minutehand.beats rename to tick_log;
alter table if exists minutehand.resumed rename to breaker_resets;
alter index if exists public.automation_execution_logs_lines rename to automation_execution_logs_ordering;
alter index if exists public.automation_execution_logs_unhappy rename to automation_execution_logs_unsuccessful;

do $$
declare
  v_name record;
begin
  for v_name in
    select names.old, names.new
    from (values
      ('told', 'notified'), ('told_at', 'notified_at'), ('telling', 'notifier'), ('telling_until', 'notifier_until')
    ) as names (old, new)
    join pg_catalog.pg_attribute a
      on a.attrelid = to_regclass('public.automation_incidents') and a.attname = names.old and not a.attisdropped
  loop
    execute format('alter table public.automation_incidents rename column %I to %I', v_name.old, v_name.new);
  end loop;

  -- Constraints keep the old name of their table or column.  In PostgreSQL 18, NOT NULL is a constraint too.
  for v_name in
    select c.conrelid::regclass as relation, c.conname as old, names.new || substr(c.conname, length(names.old) + 1) as new
    from (values
      ('minutehand.alert_state', 'judged_', 'alert_state_'),
      ('minutehand.tick_log', 'beats_', 'tick_log_'),
      ('minutehand.breaker_resets', 'resumed_', 'breaker_resets_'),
      ('public.automation_incidents', 'automation_incidents_told_', 'automation_incidents_notified_')
    ) as names (relation, old, new)
    join pg_catalog.pg_constraint c
      on c.conrelid = to_regclass(names.relation) and starts_with(c.conname, names.old)
  loop
    execute format('alter table %s rename constraint %I to %I', v_name.relation, v_name.old, v_name.new);
  end loop;
end
$$;


-- Ids.

-- Ids are ordered by time, so new rows go to the right edge of every index.  PostgreSQL has uuidv7() from 18 on.  Before,
-- the first 48 bits of a random uuid are replaced by milliseconds and its version by 7 (RFC 9562, section 5.7).
do $$
begin
  if current_setting('server_version_num')::int >= 180000 then
    execute 'create or replace function minutehand.new_id() returns uuid language sql volatile parallel safe
             as ''select pg_catalog.uuidv7()''';
  else
    execute $f$
      create or replace function minutehand.new_id() returns uuid language sql volatile parallel safe as $i$
        select encode(
          set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                    placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
                    from 1 for 6),
            52, 1), 53, 1), 'hex')::uuid
      $i$
    $f$;
  end if;
end
$$;


-- Adopted tables.

-- Tables that existed before the first migration: they keep their rows, row level security, policies and grants.  `columns`
-- are those that they had: the app's own (minutehand.protected_columns).
create table if not exists minutehand.adopted (table_name text primary key, adopted_at timestamptz not null default now());
alter table minutehand.adopted add column if not exists columns text[];
-- Not those that an interrupted first migration made; the default of their id identifies them.  Nor those that an uninstall
-- left, which its comments identify.
insert into minutehand.adopted (table_name, columns)
select name, array(
  select attname::text from pg_catalog.pg_attribute
  where attrelid = to_regclass('public.' || name) and attnum > 0 and not attisdropped
    and col_description(attrelid, attnum) is distinct from 'minutehand: kept by uninstall'
  order by attnum)
from unnest(array['automation_workflows', 'automation_execution_logs', 'communication_logs']) as name
where to_regclass('public.' || name) is not null
  and to_regclass('public.automation_migrations') is null
  and obj_description(to_regclass('public.' || name), 'pg_class') is distinct from 'minutehand: kept by uninstall'
  and not exists (
    select from pg_catalog.pg_attrdef d
    where d.adrelid = to_regclass('public.' || name) and pg_get_expr(d.adbin, d.adrelid) = 'minutehand.new_id()')
on conflict do nothing;
-- Schema 7 did not write them down: what stands before the first column that it added.
update minutehand.adopted t
set columns = array(
  select a.attname::text
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_attribute first on first.attrelid = a.attrelid and first.attname = added.column_name
  where a.attrelid = to_regclass('public.' || t.table_name) and a.attnum > 0 and not a.attisdropped
    and a.attnum < first.attnum
  order by a.attnum)
from (values
  ('automation_workflows', 'version'), ('automation_execution_logs', 'event_id'), ('communication_logs', 'execution_id')
) as added (table_name, column_name)
where t.table_name = added.table_name and t.columns is null;


-- Workflows: the users' rules.

create table if not exists public.automation_workflows (
  id uuid primary key default minutehand.new_id(),
  user_id text,
  organization_id text,
  name text not null,
  trigger_type text,
  trigger_config jsonb not null default '{}',
  steps jsonb not null default '[]',
  is_active boolean not null default true,
  status text not null default 'active',
  settings jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
alter table public.automation_workflows
  add column if not exists settings jsonb,
  add column if not exists version integer,
  add column if not exists is_active boolean,
  add column if not exists status text;
-- Matching looks up the type alone, or tenant and type: a change of one tenant never reads another tenant's workflows.
create index if not exists automation_workflows_trigger on public.automation_workflows (trigger_type);
create index if not exists automation_workflows_organization
  on public.automation_workflows ((organization_id::text), trigger_type);
create index if not exists automation_workflows_user
  on public.automation_workflows ((user_id::text), trigger_type);

-- Each saved definition; an execution runs the version that it matched.
create table if not exists public.automation_workflow_versions (
  workflow_id uuid not null,
  version integer not null,
  definition jsonb not null,
  saved_at timestamptz not null default now(),
  primary key (workflow_id, version)
);
-- Whether the workflow was created with this version (null: not known, it stood before), and when it was deleted in this state.
alter table public.automation_workflow_versions
  add column if not exists is_insert boolean,
  add column if not exists deleted_at timestamptz;
-- Deleted workflows, for explain.
create index if not exists automation_workflow_versions_deleted
  on public.automation_workflow_versions (deleted_at) where deleted_at is not null;
-- The verdict on the current version of each workflow, as minutehand.judge_definition.
create table if not exists minutehand.verdicts (
  workflow_id uuid primary key,
  version integer not null,
  verdict jsonb not null
);
-- What excludes changes without reading the workflow (minutehand.keep_matcher): of the row version with this xmin and ctid, while the
-- table has these columns.
alter table minutehand.verdicts
  add column if not exists row_xmin xid,
  add column if not exists row_ctid tid,
  add column if not exists row_shape text,
  add column if not exists status_column text,
  add column if not exists conditions jsonb;


-- Events: recorded changes of watched tables.

create table if not exists public.automation_events (
  id bigint generated by default as identity primary key,
  occurred_at timestamptz not null,
  table_name text not null,
  operation text not null,
  types text[] not null,
  entity_id text,
  user_id text,
  organization_id text,
  -- Of an UPDATE, `new` is the whole row and `old` only what changed: the old row is `new || old`.
  old jsonb,
  new jsonb,
  cause uuid,
  dedupe_key text,
  matched_at timestamptz,
  match_attempts integer not null default 0,
  match_after timestamptz,
  error text
);
-- Columns whose value was too large to be recorded (minutehand.recorded).
alter table public.automation_events add column if not exists cut_columns text[];
-- Columns that its watch needs and that the row had not: renamed or dropped.  It waits until they are there (complete_events).
alter table public.automation_events add column if not exists missing_columns text[];
create unique index if not exists automation_events_dedupe
  on public.automation_events (dedupe_key) where dedupe_key is not null;
create index if not exists automation_events_unmatched
  on public.automation_events (id) where matched_at is null;
-- "What happened to this row?": explain.
create index if not exists automation_events_entity
  on public.automation_events (entity_id, id) where entity_id is not null;
create index if not exists automation_events_to_match
  on public.automation_events (match_attempts, match_after, id) where matched_at is null;

-- Counts changes that could not be recorded.  A sequence needs no table, so a locked table cannot stop it.
create sequence if not exists minutehand.lost_events;


-- Executions: the queue and its history.

-- It has no foreign keys: the history outlives its workflow, and the app's UPDATE never waits for a lock of ours.
create table if not exists public.automation_execution_logs (
  id uuid primary key default minutehand.new_id(),
  workflow_id uuid,
  trigger_type text,
  status text not null default 'pending'
    constraint automation_execution_logs_status_words
    check (status in ('pending', 'processing', 'running', 'completed', 'failed', 'skipped', 'cancelled')),
  trigger_data jsonb,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  completed_at timestamptz,
  error_message text,
  actions_executed jsonb
);
alter table public.automation_execution_logs
  add column if not exists event_id bigint,
  add column if not exists user_id text,
  add column if not exists organization_id text,
  add column if not exists entity_id text,
  add column if not exists attempt integer,
  add column if not exists max_attempts integer,
  add column if not exists lost_leases integer,
  add column if not exists scheduled_at timestamptz,
  add column if not exists lease_token uuid,
  add column if not exists lease_expires_at timestamptz,
  add column if not exists worker text,
  add column if not exists code text,
  add column if not exists reason text,
  add column if not exists resume_step text,
  add column if not exists caused_by uuid,
  add column if not exists chain_depth integer,
  add column if not exists workflow_version integer,
  add column if not exists replay_of uuid,
  add column if not exists started_at timestamptz,
  add column if not exists completed_at timestamptz,
  add column if not exists error_message text,
  add column if not exists actions_executed jsonb,
  -- Steps whose uncertain send a person had sent again, and how often: {"<step>": 1}.  It changes their next idempotency key.
  add column if not exists resends jsonb,
  -- Set where `settings.order` of the workflow asked for it when the execution was created: the executions of one workflow
  -- and row then run one at a time, in order.  'block': a wait keeps the later ones waiting; 'step_aside': it does not.
  add column if not exists entity_order text,
  -- The latest claim; `started_at` is the first.
  add column if not exists claimed_at timestamptz,
  -- Earlier attempts, waits and ends (minutehand.append_history).  Null for what ended at its first attempt: nearly all.
  add column if not exists past jsonb,
  -- Since when what is named by `code` is in its way (automation_settle, `deferred`).
  add column if not exists deferred_since timestamptz;

-- The queue: pending executions by tenant, oldest due first.  The plan of the claim never leaves it.
create index if not exists automation_execution_logs_queue
  on public.automation_execution_logs (
    (coalesce(organization_id::text, user_id::text, '')), (coalesce(scheduled_at, created_at)), id)
  where status = 'pending';
-- Those that may be claimed, of all tenants, oldest due first (minutehand.due_of_all): whether any is due, and when the next one
-- is, however many tenants wait (minutehand.is_of_all).
create index if not exists automation_execution_logs_due
  on public.automation_execution_logs ((least(coalesce(scheduled_at, created_at), 'infinity')), id)
  where status = 'pending' and coalesce(lost_leases, 0) < 2;
-- Executions that must run alone, because their workers were lost twice (R7): nearly always empty.
create index if not exists automation_execution_logs_suspects
  on public.automation_execution_logs ((coalesce(scheduled_at, created_at)), id)
  where status = 'pending' and lost_leases >= 2;
-- Executions under a lease of ours: a repeated claim finds its rows, and the tick finds lost leases.
create index if not exists automation_execution_logs_leases
  on public.automation_execution_logs (lease_token) where lease_expires_at is not null;
-- One change, one execution (R10).  By event first, so that the pruning of events can use it.
create unique index if not exists automation_execution_logs_event
  on public.automation_execution_logs (event_id, workflow_id) where event_id is not null and replay_of is null;
-- The rate limit, and "what happened to this row?".
create index if not exists automation_execution_logs_entity
  on public.automation_execution_logs (entity_id, workflow_id, created_at);
create index if not exists automation_execution_logs_recent
  on public.automation_execution_logs (created_at, id);
-- Ordering groups: the unfinished executions of each workflow and row; those in flight first, then the pending ones in the
-- order of the changes.  The first entry runs next, however long the group or the history.  Ids of events give the order
-- better than times do: they are drawn while the app's transaction holds the row, and a transaction that changes the row
-- later may have begun earlier.  An execution that steps aside is not in it.  Without ordered workflows it is empty.
create index if not exists automation_execution_logs_ordering
  on public.automation_execution_logs (
    (coalesce(entity_id::text, '')), workflow_id,
    (case when status = 'pending' and lease_expires_at is null then 1 else 0 end), (coalesce(event_id, 0)), created_at, id)
  where entity_order is not null
    and (status in ('pending', 'processing', 'running') or lease_expires_at is not null)
    and not (entity_order = 'step_aside' and status = 'pending' and coalesce(code, '') = 'waiting'
             and lease_expires_at is null);
-- Executions that wait, by row: a change of the row makes them look again (minutehand.look_again).
create index if not exists automation_execution_logs_waits
  on public.automation_execution_logs (entity_id) where status = 'pending' and code = 'waiting' and entity_id is not null;
-- Old work that is held back (minutehand.backlog), for the release of all of it.
create index if not exists automation_execution_logs_stale
  on public.automation_execution_logs (id) where status = 'skipped' and code = 'stale';
-- Executions that did not complete, newest first.
create index if not exists automation_execution_logs_unsuccessful
  on public.automation_execution_logs (status, created_at, id) where status in ('failed', 'skipped', 'cancelled');
-- Executions that another processor holds, and those with an uncertain send.  Both are rare, and a row that runs as usual
-- is never in them, so they cost nothing.
create index if not exists automation_execution_logs_foreign
  on public.automation_execution_logs (id) where status in ('processing', 'running') and lease_expires_at is null;
create index if not exists automation_execution_logs_uncertain
  on public.automation_execution_logs (created_at) where status = 'failed' and code = 'uncertain_send';

-- One row while old work is being held back, else none.  Executions that were due before `held_before`, when a processor
-- ran again after a time without any, do not run; they end as `skipped: stale`.
create table if not exists minutehand.backlog (
  only_row boolean primary key default true check (only_row),
  held_before timestamptz not null
);
-- What becomes of those that had begun: null: they go on; 'hold', 'skip': as automation_identify says, after a restore.
alter table minutehand.backlog add column if not exists begun text check (begun in ('hold', 'skip'));


-- Sends: every outbound message and call.

create table if not exists public.communication_logs (
  id uuid primary key default minutehand.new_id(),
  created_at timestamptz not null default now(),
  status text not null
    constraint communication_logs_status_words
    check (status in ('reserved', 'sent', 'failed', 'uncertain', 'simulated')),
  error_message text,
  external_id text,
  sent_at timestamptz
);
alter table public.communication_logs
  add column if not exists idempotency_key text,
  add column if not exists execution_id uuid,
  add column if not exists step text,
  add column if not exists channel text,
  add column if not exists recipient text,
  add column if not exists lease_token uuid,
  add column if not exists user_id text,
  add column if not exists organization_id text,
  add column if not exists created_at timestamptz,
  add column if not exists error_message text,
  add column if not exists external_id text,
  add column if not exists sent_at timestamptz,
  -- Names that apps use for a send, and may require: its kind, its direction, from whom and to whom.
  add column if not exists type text,
  add column if not exists direction text,
  add column if not exists from_address text,
  add column if not exists to_address text,
  -- The latest reservation: what limits count.  Null on rows that others wrote, and on calls whose receivers dedupe, which
  -- need no reservation.
  add column if not exists reserved_at timestamptz,
  -- Who was refused for good while the others got it (`recipient` names these): address -> the server's reply.
  add column if not exists refused_recipients jsonb;
create unique index if not exists communication_logs_idempotency_key
  on public.communication_logs (idempotency_key) where idempotency_key is not null;
create index if not exists communication_logs_execution
  on public.communication_logs (execution_id) where execution_id is not null;
create index if not exists communication_logs_tenant
  on public.communication_logs ((coalesce(organization_id::text, user_id::text, '')), reserved_at)
  where reserved_at is not null;


-- Control: pauses, workers, limits and opt-outs.

-- What is paused: everything ('all', ''), a tenant ('tenant', its id) or a workflow ('workflow', its id).
create table if not exists public.automation_control (
  scope text not null check (scope in ('all', 'tenant', 'workflow')),
  target text not null default '',
  reason text,
  paused_at timestamptz not null default now(),
  primary key (scope, target)
);
-- When it ends by itself; null: when a person resumes.
alter table public.automation_control add column if not exists ends_at timestamptz;

-- Pauses that begin later, at the first claim or tick after `starts_at`.
create table if not exists minutehand.planned_pauses (
  id uuid primary key default minutehand.new_id(),
  scope text not null check (scope in ('all', 'tenant', 'workflow')),
  target text not null default '',
  reason text,
  starts_at timestamptz not null,
  ends_at timestamptz check (ends_at > starts_at),
  actor jsonb
);

create table if not exists public.automation_workers (
  id text primary key,
  mode text not null,
  host text,
  version text,
  listens boolean not null default false,
  started_at timestamptz not null,
  heartbeat_at timestamptz not null
);
-- How much a tick of this processor runs, null: all that is due; and the seconds between its ticks.
alter table public.automation_workers add column if not exists batch_size integer;
alter table public.automation_workers add column if not exists tick_seconds double precision;
-- What it cannot do beside running executions, {"prune": reason}; null: nothing.
alter table public.automation_workers add column if not exists problems jsonb;
-- What its steps can use: {"executor", "functions": [names], "problems": {"email" | "sms" | "notify" | "function": why not}}; null: it
-- has not said.  No secrets.
alter table public.automation_workers add column if not exists serves jsonb;

-- How many messages may be sent: n per period, to one recipient or by one tenant, over one channel or all together ('').
-- A limit with tenant '' applies to each tenant without a limit of its own.
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

-- What holds for all of a tenant's workflows; of tenant '': for each tenant that has nothing of its own.
create table if not exists public.automation_tenants (
  tenant text primary key,
  -- The time zone: as a person set it, and as the app's own table has it (minutehand.zone_source).
  timezone text,
  app_timezone text,
  -- Defaults of workflow settings.
  settings jsonb not null default '{}',
  updated_at timestamptz not null default now()
);

-- The app's column that has the time zone of a tenant; read up to this key by the ticks.
create table if not exists minutehand.zone_source (
  id boolean primary key default true check (id),
  table_name text not null,
  key_column text not null,
  zone_column text not null,
  read_up_to text,
  problem text
);

-- The time zones that the server knows, by their names of the IANA.
create table if not exists minutehand.zones (name text primary key);

create table if not exists public.automation_opt_outs (
  channel text not null,
  address text not null,
  tenant text not null default '',
  reason text,
  created_at timestamptz not null default now(),
  primary key (channel, address, tenant)
);

-- What people did: retried, cancelled, resolved or released executions, paused, enqueued, saved a workflow, set a limit.  Kept
-- for 90 days.  `actor` is {"via": "cli" | "dashboard" | …, "name"}; `target` is the id of the execution or workflow, or what
-- the pause or the limit is about.
create table if not exists public.automation_audit (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  actor jsonb not null,
  action text not null,
  target text not null,
  detail jsonb not null default '{}'
);
create index if not exists automation_audit_at on public.automation_audit (at);

-- Receivers that asked to slow down, and their pace (sql/internal/slow_downs.sql).  What a crash of the server loses, the next
-- refusal says again.
create unlogged table if not exists minutehand.slow_downs (
  tenant text not null,  -- empty: an account of the operator's
  key text not null,  -- provider and digest of the account, or digest of the address
  name text not null,
  code text not null,
  since timestamptz not null,
  -- When it last refused, until when it is paused, and the pauses so far.
  slowed_at timestamptz not null,
  until timestamptz not null,
  n integer not null default 1,
  -- Sends a second, whether that was measured, the sends since `slowed_at`, when the next may leave, and when the last
  -- execution that waits comes back.
  rate double precision not null default 3,
  is_measured boolean not null default false,
  granted integer not null default 0,
  next_at timestamptz not null,
  back_at timestamptz not null,
  -- The execution whose send is the probe.
  is_probing boolean not null default true,
  probe uuid,
  probe_until timestamptz,
  primary key (tenant, key)
);

-- When a person resumed a workflow: the loop breaker counts from there.
create table if not exists minutehand.breaker_resets (
  workflow_id text primary key,
  resumed_at timestamptz not null
);


-- Bulk actions.

-- What a person does to all executions that match a filter, in steps.  Any server continues one.
create table if not exists public.automation_bulk_actions (
  id uuid primary key default minutehand.new_id(),
  action text not null check (action in ('retry', 'cancel')),
  -- As minutehand.matches_filter reads it; its "tenant" is whose bulk action it is.
  filter jsonb not null,
  actor jsonb,
  note text,
  -- Executions that matched when it was started, and what became of those that it has reached.
  total integer not null,
  done integer not null default 0,
  failed integer not null default 0,
  status text not null default 'running' check (status in ('running', 'stopped', 'finished')),
  -- Seconds over which it is spread; 0: as fast as possible.
  spread_seconds double precision not null default 0,
  -- Where the next step continues: [created_at, id], as automation_search takes it.
  cursor jsonb,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index if not exists automation_bulk_actions_running
  on public.automation_bulk_actions (updated_at) where status = 'running';


-- Alerts and internal state.

-- A problem from its beginning to its end: of one kind, about one subject (a workflow's id, a table), with one code.
create table if not exists public.automation_incidents (
  id uuid primary key default minutehand.new_id(),
  kind text not null,
  subject text not null default '',
  code text not null default '',
  opened_at timestamptz not null,
  -- The latest time it was detected; it recovers some time after that.
  seen_at timestamptz not null,
  recovered_at timestamptz,
  -- How many executions, changes or sends it affects, as last detected.
  count bigint not null default 1,
  summary text not null,
  sample text,
  -- The latest notification and its time; the token of the caller that sends the next one, and until when it may.
  notified text check (notified in ('opened', 'updated', 'recovered')),
  notified_at timestamptz,
  notifier uuid,
  notifier_until timestamptz
);
create unique index if not exists automation_incidents_open
  on public.automation_incidents (kind, subject, code) where recovered_at is null;
create index if not exists automation_incidents_opened on public.automation_incidents (opened_at);

-- The latest detection of incidents, how many changes had been lost by then, and when the last one was.
create table if not exists minutehand.alert_state (
  only_row boolean primary key default true check (only_row),
  judged_at timestamptz not null,
  lost bigint not null default 0,
  lost_at timestamptz
);

-- One row for each minute with a tick; `due` is how many executions were due at its first tick, counted to 1,000.
create table if not exists minutehand.tick_log (
  minute timestamptz primary key,
  first_at timestamptz not null,
  due integer
);

-- The calls of direct mode: which request of pg_net was for which execution.  Kept as long as pg_net keeps its responses.
create unlogged table if not exists minutehand.direct_calls (
  request_id bigint primary key,
  execution_id uuid not null,
  called_at timestamptz not null
);
create index if not exists direct_calls_execution on minutehand.direct_calls (execution_id);

-- The volume guard (volume.sql): how many executions each workflow started in each hour of the last 7 days; up to where these
-- are counted; and which workflows are past their measure (`since` is null: not now), with what a person raised it to.
create table if not exists minutehand.hourly_volume (
  workflow_id uuid not null,
  tenant text not null,
  hour timestamptz not null,
  n integer not null,
  primary key (workflow_id, tenant, hour)
);
create table if not exists minutehand.volume_state (
  only_row boolean primary key default true check (only_row),
  checked_at timestamptz not null,
  counted_to timestamptz not null default '-infinity'
);
-- Here, not at the first check: an insert would wait for that of another transaction.
insert into minutehand.volume_state (checked_at) values ('-infinity') on conflict do nothing;
create table if not exists minutehand.floods (
  kind text not null check (kind in ('flood', 'recipient')),
  workflow_id uuid not null,
  tenant text not null,
  started integer not null,
  usual integer not null,
  measure integer not null,
  since timestamptz,
  seen_at timestamptz not null,
  is_held boolean not null default false,
  raised_to integer,
  raised_at timestamptz,
  primary key (kind, workflow_id, tenant)
);

-- Where the claims stopped among the tenants (minutehand.choose_tenants); null: at the end.
create table if not exists minutehand.tenant_turns (
  slot integer primary key,
  tenant text
);
insert into minutehand.tenant_turns (slot) select slot from generate_series(1, 8) as slot on conflict do nothing;

-- Schedules (schedule_firings.sql): up to when each is decided; its form and next instant as of then, null: none; when to look again.
create table if not exists minutehand.schedules (
  workflow_id uuid primary key,
  version integer not null,
  form jsonb,
  decided_to timestamptz not null,
  next_at timestamptz,
  look_at timestamptz,
  problem text
);
-- Firings that start an execution for each row of a table, and have not reached its end.
create table if not exists minutehand.schedule_walks (
  workflow_id uuid not null,
  instant timestamptz not null,
  table_name text not null,
  after_key text,
  pieces integer not null default 0,
  attempts integer not null default 0,
  try_at timestamptz not null,
  problem text,
  primary key (workflow_id, instant)
);

-- Date triggers (date_scans.sql): for each offset of a workflow, moments after `begins` and up to `scanned_to` are decided.  `until`: the
-- end of a scan that goes on after the row of `after_value` and `after_key`.
create table if not exists minutehand.date_scans (
  workflow_id uuid not null,
  offset_text text not null,
  begins timestamptz not null,
  scanned_to timestamptz not null,
  until timestamptz,
  after_value text,
  after_key text,
  look_at timestamptz not null,
  attempts integer not null default 0,
  problem text,
  primary key (workflow_id, offset_text)
);
create index if not exists date_scans_look on minutehand.date_scans (look_at);

-- The functions that `migrate` installed, so that doctor can detect one that somebody replaced.
create table if not exists minutehand.installed (
  signature text primary key,
  source_md5 text not null
);

-- Whether the app has a single tenant, whose webhooks the operator's own secret signs.  `trigger add` and `trigger rm` decide it;
-- that a table is dropped does not change it.
create table if not exists minutehand.webhook_signing (
  only_row boolean primary key default true check (only_row),
  single_tenant boolean not null
);

create table if not exists public.automation_migrations (
  name text primary key,
  checksum text not null,
  applied_at timestamptz not null default now()
);

-- Which database this is (copies.sql): written by the first claim, and when a person says what a copy is.  `seen_project` is the
-- Supabase project that the last caller's address named, null: none has; is_test: messages go to email_to and sms_to alone.
create table if not exists minutehand.database_identity (
  only_row boolean primary key default true check (only_row),
  system_identifier bigint,
  database_oid bigint not null,
  table_oid bigint not null,
  project text,
  seen_project text,
  location text not null,
  recorded_at timestamptz not null,
  is_test boolean not null default false,
  email_to text,
  sms_to text
);
-- The migrations that this one replaces; store/schema.py knows their checksums.
delete from public.automation_migrations
where name in (
  '0001_tables', '0002_adoption', '0003_actions', '0004_alerts', '0005_order', '0006_window', '0007_past');


-- Row level security.

-- Our tables are closed by default: without a policy, only the owner and roles that bypass row level security read them.
do $$
declare
  v_table text;
begin
  foreach v_table in array array[
    'automation_workflows', 'automation_workflow_versions', 'automation_events', 'automation_execution_logs',
    'communication_logs', 'automation_control', 'automation_workers', 'automation_limits', 'automation_tenants', 'automation_opt_outs',
    'automation_bulk_actions', 'automation_audit', 'automation_incidents', 'automation_migrations']
  loop
    if not exists (select from minutehand.adopted where table_name = v_table) then
      execute format('alter table public.%I enable row level security', v_table);
    end if;
  end loop;
end
$$;


-- Autovacuum.

-- A claim reads the queue's index past the rows that died since the last vacuum.  PostgreSQL waits until a fifth of a table
-- is dead: of a million executions that is 200,000.  An execution leaves three to five dead rows, a send one.  So these
-- tables are vacuumed at a hundredth (as pgqueuer's autovac does; river#59 has the same cause), but not below 1,000 dead
-- rows, so that a small table is not vacuumed at each check.  Events die only by the tick's pruning, 500 at a time.  The row
-- of a worker is updated at each tick, within its own page where that has room: its pages are half empty, and the table is
-- vacuumed after 200 updates.  A setting that an adopted table already has stays.
-- No fillfactor for executions: the queue's index contains the status, so no claim and no settle stays within a page.  With
-- a fillfactor of 70 they were slower (8,500 to 12,500 a second instead of 9,200 to 15,500).
do $$
declare
  v_setting record;
begin
  for v_setting in
    select s.*
    from (values
      ('automation_execution_logs', 'autovacuum_vacuum_scale_factor', '0.01'),
      ('automation_execution_logs', 'autovacuum_vacuum_threshold', '1000'),
      ('communication_logs', 'autovacuum_vacuum_scale_factor', '0.01'),
      ('communication_logs', 'autovacuum_vacuum_threshold', '1000'),
      ('automation_events', 'autovacuum_vacuum_scale_factor', '0.02'),
      ('automation_events', 'autovacuum_vacuum_threshold', '1000'),
      ('automation_workers', 'autovacuum_vacuum_scale_factor', '0'),
      ('automation_workers', 'autovacuum_vacuum_threshold', '200'),
      ('automation_workers', 'fillfactor', '50'),
      ('automation_control', 'autovacuum_vacuum_scale_factor', '0'),
      ('automation_control', 'autovacuum_vacuum_threshold', '50')
    ) as s (table_name, key, value)
    join pg_catalog.pg_class c on c.oid = to_regclass('public.' || s.table_name)
    where not exists (select from pg_options_to_table(c.reloptions) o where o.option_name = s.key)
  loop
    execute format('alter table public.%I set (%I = %s)', v_setting.table_name, v_setting.key, v_setting.value);
  end loop;
end
$$;


-- Defaults of columns that were added above, for new rows.

alter table public.automation_execution_logs
  alter column attempt set default 0,
  alter column lost_leases set default 0,
  alter column chain_depth set default 0;
alter table public.automation_workflows alter column settings set default '{}';
