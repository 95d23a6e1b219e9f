-- Runs before the migrations and changes nothing.  Migrations add to what exists (R3); this file refuses what they could not
-- add to: a table with one of our names and another meaning, a key or column of another type, a status column that cannot
-- hold our words, a migration that is recorded although its tables are missing.  It reports all problems at once, each by
-- name and with the next step.
-- Locks: none.  Errors: P0001.  Called by: store/schema.py, on both backends.
do $$
declare
  v_problems text[];
  v_recorded text[] := '{}';
  v_column record;
  v_word text;
  v_stored text;
begin
  -- `needed`: columns that an existing table must have.  `added`: columns that the migration adds; one that exists must have
  -- this type.
  create temporary table minutehand_wanted on commit drop as
  select w.migration, w.name, to_regclass(w.name) as relation, split_part(c, ' ', 1) as column_name,
         split_part(c, ' ', 2) as type, list = 1 as is_needed
  from (values
    ('0008_schema', 'minutehand.adopted', 'table_name text, adopted_at timestamptz', ''),
    ('0008_schema', 'public.automation_workflows',
     'id uuid, user_id any, organization_id any, name text, trigger_type text, trigger_config json, steps json, '
     'created_at timestamptz', 'settings json, version integer, is_active boolean, status text'),
    ('0008_schema', 'public.automation_workflow_versions',
     'workflow_id uuid, version integer, definition json, saved_at timestamptz', 'is_insert boolean, deleted_at timestamptz'),
    ('0008_schema', 'public.automation_events',
     'id bigint, occurred_at timestamptz, table_name text, operation text, types text[], entity_id text, user_id text, '
     'organization_id text, old json, new json, cause uuid, dedupe_key text, matched_at timestamptz, '
     'match_attempts integer, match_after timestamptz, error text', 'cut_columns text[]'),
    ('0008_schema', 'public.automation_execution_logs',
     'id uuid, workflow_id uuid, trigger_type text, status text, trigger_data json, created_at timestamptz',
     'event_id bigint, user_id any, organization_id any, entity_id text, attempt integer, max_attempts integer, '
     'lost_leases integer, scheduled_at timestamptz, lease_token uuid, lease_expires_at timestamptz, worker text, '
     'code text, reason text, resume_step text, caused_by uuid, chain_depth integer, workflow_version integer, '
     'replay_of uuid, started_at timestamptz, completed_at timestamptz, error_message text, actions_executed json, '
     'resends json, entity_order text, claimed_at timestamptz, past json'),
    ('0008_schema', 'minutehand.backlog', 'only_row boolean, held_before timestamptz', ''),
    ('0008_schema', 'public.communication_logs', 'id any, status text',
     'idempotency_key text, execution_id uuid, step text, channel text, recipient text, lease_token uuid, user_id any, '
     'organization_id any, created_at timestamptz, error_message text, external_id text, sent_at timestamptz, type any, '
     'direction any, from_address text, to_address text, reserved_at timestamptz, refused_recipients json'),
    ('0008_schema', 'public.automation_control',
     'scope text, target text, reason text, paused_at timestamptz', ''),
    ('0008_schema', 'public.automation_workers',
     'id text, mode text, host text, version text, listens boolean, started_at timestamptz, heartbeat_at timestamptz',
     'batch_size integer, tick_seconds any'),
    ('0008_schema', 'public.automation_limits',
     'scope text, tenant text, channel text, n integer, per interval, on_exceed text', ''),
    ('0008_schema', 'public.automation_audit',
     'id bigint, at timestamptz, actor json, action text, target text, detail json', ''),
    ('0008_schema', 'public.automation_opt_outs',
     'channel text, address text, tenant text, reason text, created_at timestamptz', ''),
    ('0008_schema', 'public.automation_bulk_actions',
     'id uuid, action text, filter json, actor json, note text, total integer, done integer, failed integer, status text, '
     'spread_seconds any, cursor json, created_at timestamptz, updated_at timestamptz', ''),
    ('0008_schema', 'minutehand.slow_downs',
     'tenant text, key text, name text, code text, since timestamptz, slowed_at timestamptz, until timestamptz, n integer, '
     'rate any, is_measured boolean, granted integer, next_at timestamptz, back_at timestamptz, '
     'is_probing boolean, probe uuid, probe_until timestamptz', ''),
    ('0008_schema', 'minutehand.breaker_resets', 'workflow_id text, resumed_at timestamptz', ''),
    -- The last four have other names in schema 7.
    ('0008_schema', 'public.automation_incidents',
     'id uuid, kind text, subject text, code text, opened_at timestamptz, seen_at timestamptz, recovered_at timestamptz, '
     'count bigint, summary text, sample text',
     'notified text, notified_at timestamptz, notifier uuid, notifier_until timestamptz'),
    ('0008_schema', 'minutehand.alert_state', 'only_row boolean, judged_at timestamptz, lost bigint, lost_at timestamptz',
     ''),
    ('0008_schema', 'minutehand.tick_log', 'minute timestamptz, first_at timestamptz, due integer', ''),
    ('0008_schema', 'minutehand.installed', 'signature text, source_md5 text', ''),
    ('0008_schema', 'minutehand.webhook_signing', 'only_row boolean, single_tenant boolean', ''),
    ('0008_schema', 'public.automation_migrations', 'name text, checksum text, applied_at timestamptz', '')
  ) as w (migration, name, needed, added)
  cross join lateral (values (1, w.needed), (2, w.added)) as lists (list, names)
  cross join lateral regexp_split_to_table(lists.names, ', ') as c
  where c <> '';

  with existing as (
    select w.name, w.column_name, w.type, w.is_needed, c.relkind, pg_has_role(c.relowner, 'usage') as is_mine,
           r.rolsuper or c.relowner = coalesce(
             (select nspowner from pg_catalog.pg_namespace where nspname = 'minutehand'),
             (select oid from pg_catalog.pg_roles where rolname = current_user)) as is_trusted,
           r.rolname as owner, a.attname is null as is_missing, a.atthasdef or a.attidentity <> '' as has_default,
           format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), null) as real_type
    from minutehand_wanted w
    join pg_catalog.pg_class c on c.oid = w.relation
    join pg_catalog.pg_roles r on r.oid = c.relowner
    left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = w.column_name and not a.attisdropped
    left join pg_catalog.pg_type t on t.oid = a.atttypid
  )
  select array_agg(problem order by problem) into v_problems
  from (
    select distinct format('%s is not an ordinary table: rename it', name) from existing where relkind <> 'r'
    union all
    select distinct format('%s belongs to the role %s: run migrate as that role', name, owner)
    from existing where not is_mine
    union all
    -- Its triggers would run with our rights.  The app's own tables are the app's to trust.
    select distinct format('%s belongs to the role %s, which is neither the owner of Minutehand nor a superuser: '
                           'drop it, or change its owner', name, owner)
    from existing
    where is_mine and not is_trusted and name !~ '^public.(automation_workflows|automation_execution_logs|communication_logs)$'
    union all
    -- A column whose name says so may be the tenant: org_id for organization_id.
    select format('%s has no %s: if the table means something else, rename it; otherwise ', name,
                  string_agg(column_name, ', ' order by column_name))
           || case when name !~ '^public.(automation_workflows|automation_execution_logs|communication_logs)$' then 'add the columns'
             else format('%srun: alter table %s %s',
               string_agg(similar_column || ' seems to be its ' || column_name || '; ', '' order by column_name),
               name, string_agg(format('add column %s %s', column_name, coalesce(
                 similar_type || ' generated always as (' || quote_ident(similar_column) || ') stored',
                 case type when 'any' then 'text' when 'json' then 'jsonb' else type end)), ', ' order by column_name)) end
    from existing
    left join lateral (
      select a.attname::text as similar_column, format_type(a.atttypid, a.atttypmod) as similar_type
      from unnest(case column_name
        when 'organization_id' then array['org_id', 'organisation_id', 'workspace_id', 'team_id', 'account_id', 'tenant_id', 'company_id',
          'org', 'organization', 'organisation', 'orgid', 'organizationId', 'organisationId', 'orgId', 'workspaceId', 'teamId', 'accountId',
          'tenantId', 'companyId', 'organization_uuid', 'org_uuid', 'business_id', 'businessId', 'customer_account_id', 'group_id']
        when 'user_id' then array['owner_id', 'created_by', 'author_id', 'profile_id', 'userId', 'ownerId', 'createdBy', 'owner', 'creator_id']
        else '{}' end) with ordinality as wanted (name, nr)
      join pg_catalog.pg_attribute a
        on a.attrelid = to_regclass(existing.name) and a.attname = wanted.name and a.attnum > 0 and not a.attisdropped
          and a.attgenerated = ''
      order by wanted.nr limit 1
    ) similar_one on true
    where is_needed and is_missing and relkind = 'r' group by name
    union all
    -- With one statement a table that converts them: it rewrites the table once.
    select format('%s: alter table %s %s%s',
                  string_agg(format('%s.%s has type %s, but %s is needed', name, column_name, real_type, type), ', '
                    order by column_name),
                  name,
                  string_agg(format('alter column %1$I type %2$s using %1$I%3$s', column_name,
                    case type when 'json' then 'jsonb' else type end,
                    case when real_type = 'timestamp without time zone' and type = 'timestamptz' then ' at time zone ''UTC'''
                      else '::' || case type when 'json' then 'jsonb' else type end end), ', ' order by column_name),
                  case when bool_or(real_type = 'timestamp without time zone')
                    then ';   -- UTC, or the zone in which the app writes them' end)
    from existing
    where not is_missing and real_type <> all (case type
      when 'text' then '{text,"character varying"}'
      when 'json' then '{json,jsonb}'
      when 'integer' then '{smallint,integer,bigint}'
      when 'timestamptz' then '{"timestamp with time zone"}'
      when 'any' then array[real_type]
      else array[type] end)
    group by name
    union all
    select format('%s.id has no default, but Minutehand inserts rows: alter table %s alter column id set default …',
                  name, name)
    from existing
    where column_name = 'id' and not has_default
      and name in ('public.automation_execution_logs', 'public.communication_logs')
  ) as p (problem);

  if v_problems is null then
    -- A short varchar or a domain may not store every word.  (A CHECK is replaced by a wider one.)
    for v_column in
      select w.name, format_type(a.atttypid, a.atttypmod) as type
      from minutehand_wanted w
      join pg_catalog.pg_attribute a on a.attrelid = w.relation and a.attname = 'status'
      where w.column_name = 'status' and w.is_needed
    loop
      foreach v_word in array case v_column.name when 'public.communication_logs'
        then '{reserved,sent,failed,uncertain}'::text[]
        else '{pending,processing,completed,failed,skipped,cancelled}' end
      loop
        begin
          v_stored := null;
          execute format('select (%L::%s)::text', v_word, v_column.type) into v_stored;
        exception when others then
          null;
        end;
        if v_stored is distinct from v_word then
          v_problems := v_problems || format(
            '%s.status has type %s, which cannot hold the word %s: change it to text', v_column.name, v_column.type, v_word);
        end if;
      end loop;
    end loop;

    if to_regclass('public.automation_migrations') is not null then
      select array_agg(name) into v_recorded from public.automation_migrations;
    end if;
    v_problems := v_problems || array(
      select format('migration %s is recorded, but %s: delete its row from public.automation_migrations', w.migration,
                    case when w.relation is null then w.name || ' is missing'
                      else format('%s has no %s', w.name, string_agg(w.column_name, ', ' order by w.column_name)) end)
      from minutehand_wanted w
      where w.migration = any (v_recorded) and not exists (
        select from pg_catalog.pg_attribute a
        where a.attrelid = w.relation and a.attname = w.column_name and not a.attisdropped)
      group by w.migration, w.name, w.relation
      order by w.name);
  end if;
  drop table minutehand_wanted;
  if v_problems <> '{}' then
    raise exception 'cannot migrate: %', array_to_string(v_problems, '; ')
      using hint = 'Fix this, then run migrate again; nothing was changed.';
  end if;
end
$$;
