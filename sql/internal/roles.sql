-- Roles: which of our functions a role that does not own them may call; the only such list.  A function that only the owner
-- may call, since it changes the app's tables or the Vault, says so at the end of its comment: `for the owner`.  The others
-- run for any role that runs executions; those that change nothing, which are STABLE or IMMUTABLE, also for one that reads.

-- minutehand.functions_for(kind) -> oids of our public functions for a role of this kind: `run` or `read`.
create or replace function minutehand.functions_for(p_kind text) returns setof oid
language sql stable set search_path = '' as $$
  select p.oid
  from minutehand.own_functions() p
  where p.pronamespace = 'public'::regnamespace and p.prorettype <> 'pg_catalog.trigger'::regtype
    and obj_description(p.oid, 'pg_proc') not like '%for the owner'
    and (p_kind = 'run' or p.provolatile <> 'v')
$$;

-- minutehand.grant_role(role, kind) -> text: what the role may do now.  `run`: a processor, serve, and each command but those for the
-- owner.  `read`: what changes nothing.  It gets no right on a table; `migrate` keeps what it has.  Safe to repeat.
-- Errors: MH404 no such role; MH400 no such kind.  Called by: an operator, as the owner; minutehand.keep_grants.
create or replace function minutehand.grant_role(p_role text, p_kind text default 'run') returns text
language plpgsql volatile set search_path = '' as $$
declare
  v_function oid;
begin
  if p_kind not in ('run', 'read') then
    raise exception 'no such kind of role: %', p_kind using errcode = 'MH400', hint = 'Say run or read.';
  elsif to_regrole(quote_ident(p_role)) is null then
    raise exception 'there is no role %', p_role
      using errcode = 'MH404', hint = format('Create it: create role %I login password ''…''.', p_role);
  end if;
  if not has_schema_privilege(p_role, 'public', 'usage') then
    execute format('grant usage on schema public to %I', p_role);
  end if;
  for v_function in select minutehand.functions_for(p_kind) loop
    execute format('grant execute on function %s to %I', v_function::regprocedure, p_role);
  end loop;
  return format('%s may %s', p_role, case p_kind when 'run' then 'run executions and change what Minutehand stores'
                                     else 'read what Minutehand stores' end);
end
$$;

-- minutehand.keep_grants(grants): gives roles the functions that they could call before `migrate` created them again,
-- {role: [name]}.  A role that could claim executions, or call doctor, gets the new functions of its kind as well.
create or replace function minutehand.keep_grants(p_grants jsonb) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_grant record;
begin
  for v_grant in
    select p.oid::regprocedure as signature, g.key as role
    from jsonb_each(p_grants) g
    join minutehand.own_functions() p on p.pronamespace = 'public'::regnamespace and g.value ? p.proname::text
    join pg_catalog.pg_roles r on r.rolname = g.key
  loop
    execute format('grant execute on function %s to %I', v_grant.signature, v_grant.role);
  end loop;
  perform minutehand.grant_role(r.rolname, case when g.value ? 'automation_claim' then 'run' else 'read' end)
  from jsonb_each(p_grants) g
  join pg_catalog.pg_roles r on r.rolname = g.key
  where g.value ?| '{automation_claim,automation_doctor}';
end
$$;

-- minutehand.granted_roles() -> names of the roles that may call functions of ours, besides the owner and Supabase's.
create or replace function minutehand.granted_roles() returns setof text
language sql stable set search_path = '' as $$
  select distinct r.rolname::text
  from minutehand.own_functions() p
  cross join lateral aclexplode(p.proacl) a
  join pg_catalog.pg_roles r on r.oid = a.grantee
  where p.pronamespace = 'public'::regnamespace and a.grantee <> p.proowner
    and r.rolname not in ('anon', 'authenticated', 'service_role')
$$;

-- minutehand.need_to_watch(relation, writable): nothing, or 42501 where our owner lacks a right on a table that is to be watched,
-- with the grant.
create or replace function minutehand.need_to_watch(p_relation regclass, p_writable boolean) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_missing constant text := (
    select string_agg(needed, ', ')
    from unnest(array['select', 'trigger'] || case when p_writable then array['insert', 'update'] else '{}' end) needed
    where not has_table_privilege(p_relation, needed));
begin
  if v_missing is not null then
    raise exception 'role % may not watch table %', current_user, minutehand.table_label(p_relation)
      using errcode = '42501', hint = format('as its owner %s, run: grant %s on %s to %I',
        (select relowner::regrole from pg_catalog.pg_class where oid = p_relation), v_missing, p_relation, current_user);
  end if;
end
$$;

-- minutehand.need_to_own(relation): nothing, or 42501 where a trigger cannot be dropped, with the grant.
create or replace function minutehand.need_to_own(p_relation regclass) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_owner constant oid := (select relowner from pg_catalog.pg_class where oid = p_relation);
begin
  if not pg_has_role(v_owner, 'usage') then
    raise exception 'role % may not drop a trigger of table %', current_user, minutehand.table_label(p_relation)
      using errcode = '42501', hint = format('as its owner %s, run: grant %s to %I',
        v_owner::regrole, v_owner::regrole, current_user);
  end if;
end
$$;
