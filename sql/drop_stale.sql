-- Runs after the functions were applied again, before anything else touches them.  Drops the functions that existed before
-- and that these files do not define any more (R2), unless something in the database still uses them.  replace.sql
-- remembered them; one that was replaced has another row in the catalog by now.
-- Locks: none on tables.  Errors: none.  Called by: store/schema.py, on both backends.
do $$
declare
  v_function record;
begin
  for v_function in
    select f.signature
    from minutehand_functions f
    join pg_catalog.pg_proc p on p.oid = f.oid and p.ctid = f.row_place and p.xmin::text = f.row_xid
    where not exists (
      select from pg_catalog.pg_depend d
      where d.refclassid = 'pg_catalog.pg_proc'::regclass and d.refobjid = p.oid)
  loop
    execute format('drop function %s', v_function.signature);
  end loop;
  drop table minutehand_functions;
end
$$;
