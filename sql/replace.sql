-- Runs before the functions are applied again (R2).
-- Drops the functions named automation_* in public that carry our comment, so that a changed argument list or result never
-- collides with the older one.  One that a trigger, a policy or a view uses stays, and is replaced in place.
-- Functions of schema `minutehand` are all replaced in place: the triggers on the app's tables call them, and while one is
-- dropped and created again, a concurrent statement of the app could fail to find it.  A file that changes the parameter
-- names or the result of such a function drops it first, by its signature.
-- Remembers which functions exist, so that drop_stale.sql can drop those that were not applied again.
-- A function with one of our names belongs to someone else if it lacks our comment, or if its owner is neither a superuser
-- nor the owner of our schema nor the role that migrates; it is refused by name (R17).
-- Locks: none on tables.  Errors: P0001.  Called by: store/schema.py, on both backends.
do $$
declare
  v_function record;
begin
  for v_function in
    select p.oid::regprocedure as signature
    from pg_catalog.pg_proc p
    join pg_catalog.pg_roles owner on owner.oid = p.proowner
    join pg_catalog.pg_namespace ours on ours.nspname = 'minutehand'
    where p.pronamespace = 'public'::regnamespace and p.proname = any (:names)
      and (coalesce(obj_description(p.oid, 'pg_proc'), '') not like 'minutehand:%'
           or not owner.rolsuper and owner.rolname <> current_user and p.proowner <> ours.nspowner)
  loop
    raise exception 'function % exists, and Minutehand did not create it', v_function.signature
      using hint = 'Rename or drop it, then run migrate again; nothing was changed.';
  end loop;

  drop table if exists pg_temp.minutehand_functions;
  -- With the version of its row in the catalog: a function that is replaced gets another one.
  create temporary table minutehand_functions as
  select p.oid, p.oid::regprocedure::text as signature, p.ctid as row_place, p.xmin::text as row_xid,
         p.pronamespace = 'public'::regnamespace as is_public
  from pg_catalog.pg_proc p
  where p.pronamespace = 'minutehand'::regnamespace
     or p.pronamespace = 'public'::regnamespace and p.proname like 'automation\_%'
        and obj_description(p.oid, 'pg_proc') like 'minutehand:%';

  -- Who may call them: the functions are created anew, and grants.sql grants it again.
  drop table if exists pg_temp.minutehand_grants;
  create temporary table minutehand_grants as
  select r.rolname::text as role, jsonb_agg(distinct p.proname::text) as names
  from minutehand_functions f
  join pg_catalog.pg_proc p on p.oid = f.oid
  cross join lateral aclexplode(p.proacl) a
  join pg_catalog.pg_roles r on r.oid = a.grantee
  where f.is_public and a.grantee <> p.proowner and r.rolname not in ('anon', 'authenticated', 'service_role')
  group by r.rolname;

  for v_function in
    select f.signature
    from minutehand_functions f
    where f.is_public and not exists (
      select from pg_catalog.pg_depend d
      where d.refclassid = 'pg_catalog.pg_proc'::regclass and d.refobjid = f.oid)
  loop
    execute format('drop function %s', v_function.signature);
  end loop;
end
$$;
