-- What doctor reads of the schema: tables, functions, grants.  Each facts_* function is one section of automation_doctor.

-- minutehand.own_columns() -> {table: [columns]}: the columns that the functions need, whether we or the app created the table.
create or replace function minutehand.own_columns() returns jsonb language sql immutable as $$
  select '{
    "automation_workflows": ["id", "user_id", "organization_id", "name", "trigger_type", "trigger_config", "steps",
      "is_active", "status", "settings", "created_at", "version"],
    "automation_workflow_versions": ["workflow_id", "version", "definition", "saved_at", "is_insert", "deleted_at"],
    "automation_events": ["id", "occurred_at", "table_name", "operation", "types", "entity_id", "user_id",
      "organization_id", "old", "new", "cause", "dedupe_key", "matched_at", "match_attempts", "match_after", "error",
      "cut_columns"],
    "automation_execution_logs": ["id", "workflow_id", "trigger_type", "status", "trigger_data", "created_at",
      "started_at", "completed_at", "error_message", "actions_executed", "event_id", "user_id", "organization_id",
      "entity_id", "attempt", "max_attempts", "lost_leases", "scheduled_at", "lease_token", "lease_expires_at", "worker",
      "code", "reason", "resume_step", "caused_by", "chain_depth", "workflow_version", "replay_of", "resends",
      "entity_order", "claimed_at", "past", "deferred_since"],
    "communication_logs": ["id", "created_at", "status", "error_message", "external_id", "sent_at", "idempotency_key",
      "execution_id", "step", "channel", "recipient", "lease_token", "user_id", "organization_id", "reserved_at"],
    "automation_limits": ["scope", "tenant", "channel", "n", "per", "on_exceed", "created_at"],
    "automation_tenants": ["tenant", "timezone", "app_timezone", "settings", "updated_at"],
    "automation_incidents": ["id", "kind", "subject", "code", "opened_at", "seen_at", "recovered_at", "count", "summary",
      "sample", "notified", "notified_at", "notifier", "notifier_until"],
    "automation_control": ["scope", "target", "reason", "paused_at", "ends_at"],
    "automation_workers": ["id", "mode", "host", "version", "listens", "started_at", "heartbeat_at",
      "batch_size", "tick_seconds", "problems", "serves"],
    "automation_audit": ["id", "at", "actor", "action", "target", "detail"],
    "automation_opt_outs": ["channel", "address", "tenant", "reason", "created_at"],
    "automation_migrations": ["name", "checksum", "applied_at"]
  }'::jsonb
$$;

-- minutehand.own_tables() -> (name, relation); the relation of a missing table is null.
create or replace function minutehand.own_tables() returns table (name text, relation regclass)
language sql stable set search_path = '' as $$
  select t.name, to_regclass('public.' || t.name) from jsonb_object_keys(minutehand.own_columns()) as t (name)
$$;

-- minutehand.facts_schema(now) -> {"migrations": {name: checksum}, "missing": [table or table.column]}
create or replace function minutehand.facts_schema(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'migrations', (select coalesce(jsonb_object_agg(name, checksum), '{}') from public.automation_migrations),
    'missing', minutehand.missing_from_schema())
$$;

-- minutehand.missing_from_schema() -> [table or table.column]: what the functions need and the database lacks.
create or replace function minutehand.missing_from_schema() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(missing order by missing), '[]')
  from (
    select name from minutehand.own_tables() where relation is null
    union all
    select t.name || '.' || c.name
    from minutehand.own_tables() t
    cross join lateral jsonb_array_elements_text(minutehand.own_columns() -> t.name) as c (name)
    where t.relation is not null and not exists (
      select from pg_catalog.pg_attribute a
      where a.attrelid = t.relation and a.attname = c.name and a.attnum > 0 and not a.attisdropped)
  ) as m (missing)
$$;

-- minutehand.hidden_tables() -> [{"table", "role": ours, "forced"}]: tables of ours whose rows row level security hides from us.
create or replace function minutehand.hidden_tables() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'table', o.name, 'role', current_user, 'forced', c.relforcerowsecurity) order by o.name), '[]')
  from minutehand.own_tables() o
  join pg_catalog.pg_class c on c.oid = o.relation
  where c.relrowsecurity and row_security_active(c.oid)
$$;

-- minutehand.facts_functions(now) -> {"installed": count, "replaced": [signature], "missing": [signature],
--   "stubs": [signature]}: a stub is an app's own check of conditions or limits that returns true for everything.
create or replace function minutehand.facts_functions(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with installed as (
    -- Whether a name carries its schema depends on the search_path of whoever wrote it down.
    select replace(signature, 'public.', '') as signature, source_md5 from minutehand.installed
  ), present as (
    select p.oid, replace(p.oid::regprocedure::text, 'public.', '') as signature, md5(p.prosrc) as source_md5
    from pg_catalog.pg_proc p
    where p.pronamespace in ('minutehand'::regnamespace, 'public'::regnamespace)
  )
  select jsonb_build_object(
    'installed', (select count(*) from installed),
    'replaced', (
      select coalesce(jsonb_agg(i.signature order by 1), '[]')
      from installed i join present p using (signature) where p.source_md5 <> i.source_md5),
    'missing', (
      select coalesce(jsonb_agg(i.signature order by 1), '[]')
      from installed i where not exists (select from present p where p.signature = i.signature)),
    'stubs', (
      select coalesce(jsonb_agg(p.oid::regprocedure::text order by 1), '[]')
      from pg_catalog.pg_proc p
      where p.pronamespace = 'public'::regnamespace and p.prorettype = 'boolean'::regtype and p.pronargs > 0
        and p.proname ~ 'automation|condition|trigger|workflow|limit|duplicate'
        and not exists (select from present f join installed using (signature) where f.oid = p.oid)
        and regexp_replace(p.prosrc, '--[^\n]*', '', 'g')
          collate "C" ~* '^\s*(declare.*)?(begin\s+return\s+true\s*;\s*end\s*;?|select\s+true\s*;?)\s*$'))
$$;

-- minutehand.facts_grants(now) -> {"roles": those of Supabase that exist, "granted": others that may call our functions,
--   "callable": [{"function", "by"}], "uncallable": [function], "unprotected": [{"table", "by"}], "policies": [{"table", "policy", "command", "open"}],
--   "profiles": [{"by", "command"}]: who may set the organisation in a profile, which decides whose rows a user's are}
-- Callable: by roles that must not call it.  Uncallable: not by service_role.  Unprotected: no row level security, but a grant.
-- A policy is listed if it reads no column of the row, so that it cannot tell one tenant's rows from another's; `open` if it is
-- simply true.  A policy that names service_role is taken to be for that role.
create or replace function minutehand.facts_grants(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with client as (
    select rolname::text as name, oid from pg_catalog.pg_roles where rolname in ('anon', 'authenticated')
  ), callable as (
    select p.oid::regprocedure::text as function, array(
      select c.name from client c where has_function_privilege(c.oid, p.oid, 'execute')
      union all
      select 'public' from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
      where a.grantee = 0 and a.privilege_type = 'EXECUTE' order by 1) as by
    from minutehand.own_functions() p
    -- Column defaults and policies call these with the rights of whoever inserts or reads (grants.sql).
    where p.proname not in ('new_id', 'fold_case', 'my_user', 'my_organization') and p.prorettype <> 'trigger'::regtype
  ), reachable as (
    select t.name, t.relation, k.relrowsecurity, array(
      select c.name from client c
      where has_any_column_privilege(c.oid, t.relation::oid, 'select, insert, update')
         or has_table_privilege(c.oid, t.relation::oid, 'delete') order by 1) as by
    from minutehand.own_tables() t
    join pg_catalog.pg_class k on k.oid = t.relation
  ), policy as (
    select r.name as table, y.polname::text as policy,
           case y.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
             else 'all' end as command,
           coalesce(pg_get_expr(y.polqual, y.polrelid), pg_get_expr(y.polwithcheck, y.polrelid)) as said
    from pg_catalog.pg_policy y
    join minutehand.own_tables() r on r.relation = y.polrelid
    where y.polpermissive
      and (y.polroles && array(select oid from client) or 0 = any (y.polroles))
      and not exists (
        select from pg_catalog.pg_depend d
        where d.classid = 'pg_policy'::regclass and d.objid = y.oid and d.refobjid = y.polrelid and d.refobjsubid > 0)
  )
  select jsonb_build_object(
    'roles', (select coalesce(jsonb_agg(rolname order by 1), '[]') from pg_catalog.pg_roles
              where rolname in ('anon', 'authenticated', 'service_role')),
    'granted', (select coalesce(jsonb_agg(role order by role), '[]') from minutehand.granted_roles() role),
    'callable', (select coalesce(jsonb_agg(to_jsonb(c) order by c.function), '[]') from callable c
                 where cardinality(c.by) > 0),
    'uncallable', (
      select coalesce(jsonb_agg(p.oid::regprocedure::text order by 1), '[]')
      from minutehand.own_functions() p
      join pg_catalog.pg_roles r on r.rolname = 'service_role'
      where p.pronamespace = 'public'::regnamespace and p.prorettype <> 'trigger'::regtype
        and not has_function_privilege(r.oid, p.oid, 'execute')),
    'unprotected', (select coalesce(jsonb_agg(jsonb_build_object('table', name, 'by', by) order by name), '[]')
                    from reachable where not relrowsecurity and cardinality(by) > 0),
    'policies', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'table', p.table, 'policy', p.policy, 'command', p.command, 'open', p.said = 'true')
        order by p.table, p.policy), '[]')
      from policy p where p.said !~ 'service_role' and p.said <> 'false'),
    'profiles', minutehand.who_sets_organizations())
$$;

-- minutehand.who_sets_organizations() -> [{"by": role, "command": "insert" | "update"}]: the app's users who may write
-- public.profiles.organization_id, of any row: whether a policy compares its new value is not known here.
create or replace function minutehand.who_sets_organizations() returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('by', r.rolname, 'command', c.command) order by r.rolname, c.command), '[]')
  from pg_catalog.pg_class p
  join pg_catalog.pg_roles r on r.rolname in ('anon', 'authenticated')
  cross join (values ('insert', 'a'), ('update', 'w')) as c (command, letter)
  where p.oid = to_regclass('public.profiles') and minutehand.has_column(p.oid, 'organization_id')
    and has_column_privilege(r.oid, p.oid, 'organization_id', c.command)
    and (not p.relrowsecurity or exists (
      select from pg_catalog.pg_policy y
      where y.polrelid = p.oid and y.polpermissive and y.polcmd in (c.letter::"char", '*')
        and (0 = any (y.polroles) or exists (
          select from unnest(y.polroles) as role where role <> 0 and pg_has_role(r.oid, role, 'usage')))
        and coalesce(pg_get_expr(y.polwithcheck, y.polrelid), pg_get_expr(y.polqual, y.polrelid)) is distinct from 'false'))
$$;
