-- Which objects are ours, or may be trusted: decided by owner, kind and oid, never by a name or a comment alone (R17).
-- A role that may create tables, or only temporary ones, can give any name to a trigger, a view or a function.

-- minutehand.owner() -> oid of the role that owns Minutehand: the owner of its schema.
create or replace function minutehand.owner() returns oid
language sql stable as $$
  select nspowner from pg_catalog.pg_namespace where nspname = 'minutehand'
$$;

-- minutehand.is_trusted(owner) -> boolean: may our functions call or read what this role owns?  They run with our owner's
-- rights, and a view calls its functions with the rights of whoever reads it.  Trusted are our owner and superusers, who own
-- the extensions (pg_net, pg_cron, Vault).
create or replace function minutehand.is_trusted(p_owner oid) returns boolean
language sql stable as $$
  select p_owner = minutehand.owner() or exists (select from pg_catalog.pg_roles where oid = p_owner and rolsuper)
$$;

-- minutehand.own_functions() -> the functions that we created: all in our schema, and those in public that carry our comment and
-- whose owner is trusted.  Anybody may write a comment on a function of their own.
create or replace function minutehand.own_functions() returns setof pg_catalog.pg_proc
language sql stable set search_path = '' as $$
  select p.*
  from pg_catalog.pg_proc p
  where p.pronamespace = 'minutehand'::regnamespace
     or p.pronamespace = 'public'::regnamespace and obj_description(p.oid, 'pg_proc') like 'minutehand:%'
        and minutehand.is_trusted(p.proowner)
$$;

-- minutehand.own_function(signature) -> oid of a public function that we made, else null.
create or replace function minutehand.own_function(p_signature text) returns oid
language sql stable as $$
  select p.oid
  from pg_catalog.pg_proc p
  where p.oid = to_regprocedure(p_signature)
    and obj_description(p.oid, 'pg_proc') like 'minutehand:%' and minutehand.is_trusted(p.proowner)
$$;

-- minutehand.readable(name) -> regclass of a relation that is read by its name, else null: one that calls nobody's code with
-- our rights.  A table does not, unless its policies apply to our owner; a view does, so its owner must be trusted.
create or replace function minutehand.readable(p_name text) returns regclass
language sql stable as $$
  select c.oid::regclass from pg_catalog.pg_class c where c.oid = to_regclass(p_name) and minutehand.is_readable(c.oid)
$$;

create or replace function minutehand.is_readable(p_relation oid) returns boolean
language sql stable as $$
  select coalesce(case
    when c.relpersistence = 't' then false
    when minutehand.is_trusted(c.relowner) then c.relkind in ('r', 'p', 'v', 'm', 'f')
    else c.relkind in ('r', 'p') and (not c.relrowsecurity or r.rolsuper or r.rolbypassrls)
  end, false)
  from pg_catalog.pg_class c
  left join pg_catalog.pg_roles r on r.oid = minutehand.owner()
  where c.oid = p_relation
$$;
