-- Runs before the functions are created again, and drops them, so that a changed argument list, parameter name or result
-- never collides with the old one, and a helper that is no longer needed does not stay behind.
-- Trigger functions stay, because triggers depend on them; so does a helper that a column default, a policy or a view uses.
-- A public function of one of our names belongs to somebody else where it does not carry our comment, or where its owner is
-- neither ours, nor who migrates, nor a superuser: it is refused by name (R2, R17).
do $$
declare
  v_function record;
begin
  for v_function in
    select p.oid::regprocedure as signature, p.prorettype = 'pg_catalog.trigger'::regtype as is_trigger,
           coalesce(obj_description(p.oid, 'pg_proc'), '') like 'minutehand:%'
             and (owner.rolsuper or owner.rolname = current_user or p.proowner = ours.nspowner) as is_ours
    from pg_catalog.pg_proc p
    join pg_catalog.pg_roles owner on owner.oid = p.proowner
    join pg_catalog.pg_namespace ours on ours.nspname = 'minutehand'
    where p.pronamespace = 'public'::regnamespace
      and p.proname = any (:names)
  loop
    if not v_function.is_ours then
      raise exception 'function % exists, and Minutehand did not create it', v_function.signature
        using hint = 'Rename or drop it, then run migrate again; nothing was changed.';
    elsif not v_function.is_trigger then
      execute format('drop function %s', v_function.signature);
    end if;
  end loop;
  for v_function in
    select p.oid::regprocedure as signature
    from pg_catalog.pg_proc p
    where p.pronamespace = 'minutehand'::regnamespace and p.prorettype <> 'pg_catalog.trigger'::regtype
      and not exists (
        select from pg_catalog.pg_depend d
        where d.refclassid = 'pg_catalog.pg_proc'::regclass and d.refobjid = p.oid and d.deptype = 'n')
  loop
    execute format('drop function %s', v_function.signature);
  end loop;
end
$$;
