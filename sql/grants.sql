-- Permissions; applied after the functions, so that they cover new ones.  Roles are named only where they exist: a plain
-- PostgreSQL has no anon, authenticated or service_role.  Everybody can call minutehand.new_id, since a column default runs
-- with the permissions of the role that inserts, and minutehand.fold_case, since an index runs with those of its table's owner.
-- Every grant is explicit: projects differ in the default grants of new objects (before October 2026 all of them to all
-- three roles, since then none).
-- Locks: ACCESS EXCLUSIVE for an instant on a table whose policy is new.

-- Functions: service_role can call the public ones; nobody else can call any.
do $$
declare
  v_function record;
  v_role text;
begin
  for v_function in
    select p.oid::regprocedure as signature, p.pronamespace = 'public'::regnamespace as is_public,
           p.prorettype = 'pg_catalog.trigger'::regtype as is_trigger
    from pg_catalog.pg_proc p
    where p.oid in (select oid from minutehand.own_functions())
      and not (p.pronamespace = 'minutehand'::regnamespace and p.proname in ('new_id', 'fold_case'))
  loop
    execute format('revoke all on function %s from public', v_function.signature);
    for v_role in
      select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated', 'service_role')
    loop
      execute format('revoke all on function %s from %I', v_function.signature, v_role);
      if v_role = 'service_role' and v_function.is_public and not v_function.is_trigger then
        execute format('grant execute on function %s to service_role', v_function.signature);
      end if;
    end loop;
  end loop;
end
$$;

-- Other roles keep what they had (roles.sql); replace.sql remembered it.
do $$
begin
  perform minutehand.keep_grants(coalesce((select jsonb_object_agg(role, names) from minutehand_grants), '{}'));
  drop table minutehand_grants;
end
$$;

-- Our own tables; an adopted table keeps its grants and policies (R3).  service_role reads and writes them.  A signed-in
-- user reads the workflows, executions and sends of the user's tenant, no others.  These grants are made once, with the
-- policy: what a team grants its users afterwards stays.
do $$
declare
  v_has_users constant boolean := to_regrole('authenticated') is not null;
  v_table text;
  v_role text;
begin
  for v_table in
    select c.relname
    from pg_catalog.pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
      and c.relname in (
        'automation_workflows', 'automation_workflow_versions', 'automation_events', 'automation_execution_logs',
        'communication_logs', 'automation_bulk_actions', 'automation_control', 'automation_workers',
        'automation_tenants', 'automation_opt_outs', 'automation_audit', 'automation_migrations')
      and c.relname not in (select table_name from minutehand.adopted)
      and not exists (select from pg_catalog.pg_policy where polrelid = c.oid and polname = 'minutehand_own_tenant')
  loop
    for v_role in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
      execute format('revoke all on table public.%I from %I', v_table, v_role);
    end loop;
    if to_regrole('service_role') is not null then
      execute format('grant select, insert, update, delete on table public.%I to service_role', v_table);
    end if;
    if v_has_users and v_table in ('automation_workflows', 'automation_execution_logs', 'communication_logs') then
      execute format('grant select on table public.%I to authenticated', v_table);
      -- Sub-selects: asked once a statement, not for each row.
      execute format(
        'create policy minutehand_own_tenant on public.%I for select to authenticated using ('
        'organization_id = (select minutehand.my_organization()) '
        'or organization_id is null and user_id = (select minutehand.my_user()))', v_table);
    end if;
  end loop;
  if v_has_users then
    grant execute on function minutehand.my_user(), minutehand.my_organization() to authenticated;
  end if;
end
$$;
