-- Who may do what; last, so that it also covers what was made a moment ago.  Roles are named only where they exist:
-- a plain PostgreSQL has no anon, authenticated or service_role.  minutehand.new_id stays callable by all, since a column
-- default runs with the rights of whoever inserts.
do $$
declare
  v_function regprocedure;
  v_role text;
begin
  for v_function in
    select p.oid::regprocedure
    from pg_catalog.pg_proc p
    where (p.pronamespace = 'public'::regnamespace and obj_description(p.oid, 'pg_proc') like 'minutehand:%')
       or (p.pronamespace = 'minutehand'::regnamespace and p.proname <> 'new_id')
  loop
    execute format('revoke all on function %s from public', v_function);
    foreach v_role in array array['anon', 'authenticated'] loop
      if exists (select from pg_catalog.pg_roles where rolname = v_role) then
        execute format('revoke all on function %s from %I', v_function, v_role);
      end if;
    end loop;
  end loop;
  if exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
    for v_function in
      select p.oid::regprocedure
      from pg_catalog.pg_proc p
      where p.pronamespace = 'public'::regnamespace and obj_description(p.oid, 'pg_proc') like 'minutehand:%'
        and p.prorettype <> 'pg_catalog.trigger'::regtype
    loop
      execute format('grant execute on function %s to service_role', v_function);
    end loop;
  end if;
end
$$;
