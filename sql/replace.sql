-- Runs before the functions are re-applied: drops every signature of the public functions that follow (R2), so that a
-- changed argument list or result never collides with the old one.  Trigger functions stay: triggers depend on them.
-- A function of one of these names that does not carry our comment belongs to someone else: refused by name.
do $$
declare
  v_function record;
begin
  for v_function in
    select p.oid::regprocedure as signature, p.prorettype = 'pg_catalog.trigger'::regtype as is_trigger,
           coalesce(obj_description(p.oid, 'pg_proc'), '') like 'minutehand:%' as is_ours
    from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace
      and p.proname = any (:names)
  loop
    if not v_function.is_ours then
      raise exception 'function % exists and is not Minutehand''s', v_function.signature
        using hint = 'Rename or drop it, then run migrate again; nothing was changed.';
    elsif not v_function.is_trigger then
      execute format('drop function %s', v_function.signature);
    end if;
  end loop;
end
$$;
