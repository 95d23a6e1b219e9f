-- What `minutehand uninstall` runs, after a table pg_temp.minutehand_own (kind, name) was filled with the tables, indexes and
-- columns of our SQL files.  Drops what is ours, without CASCADE: what an object of the app depends on is refused with that
-- object's name, and nothing is changed.  Setting minutehand.with_history: `on` drops the tables of the history too.
-- Writes what it dropped into pg_temp.minutehand_removed (kind, name), and what stays into pg_temp.minutehand_left (what, command).
-- Locks: ACCESS EXCLUSIVE on each table with a trigger of ours, to the end.  Errors: 2BP01.  Called by: store/uninstall.py.
create temporary table minutehand_removed (kind text, name text) on commit drop;
create temporary table minutehand_left (what text, command text) on commit drop;
create temporary table minutehand_drop (kind text, name text) on commit drop;
do $$
declare
  v_with_history constant boolean := current_setting('minutehand.with_history')::boolean;
  v_functions constant oid[] := array(select oid from minutehand.own_functions());
  v_item record;
  v_last integer;
  v_detail text;
begin
  -- What hangs on our functions and is ours: by function, and by the name that our files give it.
  insert into minutehand_drop
  select 'trigger', format('%I on %s', t.tgname, t.tgrelid::regclass)
  from pg_catalog.pg_trigger t
  where not t.tgisinternal and t.tgfoid = any (v_functions) and t.tgname ~ '^[!~]?minutehand_'
  union all
  select 'policy', format('%I on %s', y.polname, y.polrelid::regclass)
  from pg_catalog.pg_policy y
  join minutehand.own_tables() t on t.relation = y.polrelid
  where y.polname = 'minutehand_own_tenant'
  union all
  select distinct 'index', d.objid::regclass::text
  from pg_catalog.pg_depend d
  join pg_catalog.pg_class i on i.oid = d.objid and i.relkind = 'i'
  join minutehand_own o on o.kind = 'index' and o.name = i.relname
  where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_proc'::regclass and d.refobjid = any (v_functions);
  for v_item in select * from minutehand_drop loop
    execute format('drop %s %s', v_item.kind, v_item.name);
  end loop;
  insert into minutehand_removed select * from minutehand_drop;
  truncate minutehand_drop;
  for v_item in
    select d.adrelid::regclass as relation, a.attname
    from pg_catalog.pg_attrdef d
    join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
    join minutehand_own o on o.kind = 'table' and to_regclass('public.' || o.name) = d.adrelid
    where pg_get_expr(d.adbin, d.adrelid) = 'minutehand.new_id()'
  loop
    execute format('alter table %s alter column %I set default gen_random_uuid()', v_item.relation, v_item.attname);
  end loop;

  -- pg_cron's jobs that do nothing but call one of our functions; others are named.
  if minutehand.readable('cron.job') is not null then
    execute $q$
      with job as (
        select jobid, coalesce(jobname, jobid::text) as name,
               lower(replace(command, '"', '')) as words,
               regexp_replace(lower(replace(command, '"', '')), '\s+', '', 'g') as command
        from cron.job where database = current_database()
      ), own as (
        select string_agg(proname, '|') as names from minutehand.own_functions() where pronamespace = 'public'::regnamespace
      ), ours as (
        select job.*, command ~ ('^select(\*from)?(public\.)?(' || names || ')\([^;()]*\);?$')
            or name = 'minutehand-history' and command ~ '^deletefromcron\.job_run_details[^;]*;?$' as is_ours,
          words ~ ('(?<!\.\s*)\m(public\s*\.\s*)?(' || names || ')\s*\(') as calls
        from job, own
      ), told as (
        insert into minutehand_left
        select format('pg_cron''s job "%s" also calls our functions', name), format('select cron.unschedule(%s);', jobid)
        from ours where calls and not is_ours
      ), unscheduled as (
        select name, cron.unschedule(jobid) from ours where is_ours
      )
      insert into minutehand_removed select 'pg_cron job', name from unscheduled
    $q$;
  end if;
  if minutehand.readable('vault.secrets') is not null then
    execute $q$
      with gone as (delete from vault.secrets where name = 'minutehand_direct_token' returning name)
      insert into minutehand_removed select 'Vault secret', name from gone
    $q$;
  end if;

  -- Adopted tables stay, with what was added to them.  The comments tell a later migrate what was ours.
  for v_item in
    select t.name, t.relation, array_agg(c.name order by c.name) as columns
    from minutehand.own_tables() t
    join minutehand.adopted o on o.table_name = t.name
    join minutehand_own c on c.kind = 'column of ' || t.name and c.name <> all (o.columns)
    join pg_catalog.pg_attribute a on a.attrelid = t.relation and a.attname = c.name and not a.attisdropped
    group by t.name, t.relation
  loop
    insert into minutehand_left
    select format('columns in the adopted table %s: %s', v_item.name, array_to_string(v_item.columns, ', ')),
           format('alter table %s %s;', v_item.relation,
                  (select string_agg(format('drop column %I', name), ', ') from unnest(v_item.columns) as name));
    execute (select string_agg(
      format('comment on column %s.%I is %L', v_item.relation, name, 'minutehand: kept by uninstall'), '; ')
      from unnest(v_item.columns) as name);
  end loop;
  insert into minutehand_left
  select format('the check %s of the adopted table %s, which may be wider than it was', c.conname, o.table_name),
         format('alter table %s drop constraint %I; -- then add your own', c.conrelid::regclass, c.conname)
  from minutehand.adopted o
  join pg_catalog.pg_constraint c on c.conrelid = to_regclass('public.' || o.table_name) and c.contype = 'c'
  where pg_get_constraintdef(c.oid) ~ '\mOR\M' and pg_get_constraintdef(c.oid) ~ '''(skipped|uncertain|notify)''';

  -- Of our own tables, those of the history stay unless they are to go.
  for v_item in
    select t.name, t.relation
    from minutehand_own o
    join lateral (select o.name, to_regclass('public.' || o.name) as relation) t on t.relation is not null
    where o.kind = 'table' and o.name not in (select table_name from minutehand.adopted)
  loop
    if v_with_history or v_item.name in ('automation_workers', 'automation_migrations') then
      insert into minutehand_drop values ('table', v_item.relation::text);
    else
      insert into minutehand_left values (
        format('the history in %s', v_item.name), format('drop table %s;', v_item.relation));
      execute format('comment on table %s is %L', v_item.relation, 'minutehand: kept by uninstall');
    end if;
  end loop;

  insert into minutehand_drop
  select case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end, c.oid::regclass::text
  from pg_catalog.pg_class c
  where c.relnamespace = 'minutehand'::regnamespace and c.relowner = minutehand.owner()
    and (c.relkind in ('v', 'S') or c.relkind = 'r' and exists (
      select from minutehand_own o where o.kind = 'minutehand table' and o.name = c.relname))
    and not exists (
      select from pg_catalog.pg_depend d where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
        and c.relkind = 'S')
  union all
  select 'type', t.oid::regtype::text
  from pg_catalog.pg_type t
  left join pg_catalog.pg_class c on c.oid = t.typrelid
  where t.typnamespace = 'minutehand'::regnamespace
    and (t.typtype in ('e', 'd') or t.typtype = 'c' and c.relkind = 'c')
  union all
  select case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end, p.oid::regprocedure::text
  from pg_catalog.pg_proc p
  where p.oid = any (v_functions);

  -- Ours depend on each other: rounds, until nothing is left or nothing moves.
  loop
    v_last := (select count(*) from minutehand_drop);
    exit when v_last = 0;
    for v_item in select d.ctid as place, d.* from minutehand_drop d loop
      begin
        execute format('drop %s %s', v_item.kind, v_item.name);
        insert into minutehand_removed values (v_item.kind, v_item.name);
        delete from minutehand_drop where ctid = v_item.place;
      exception when dependent_objects_still_exist then
        get stacked diagnostics v_detail = pg_exception_detail;
      end;
    end loop;
    if (select count(*) from minutehand_drop) = v_last then
      raise exception 'objects of the app use Minutehand''s: %', v_detail
        using errcode = 'dependent_objects_still_exist', hint = 'Drop or change them, then run uninstall again.';
    end if;
  end loop;
  begin
    drop schema minutehand;
  exception when dependent_objects_still_exist then
    get stacked diagnostics v_detail = pg_exception_detail;
    raise exception 'schema minutehand holds objects that Minutehand did not create: %', v_detail
      using errcode = 'dependent_objects_still_exist', hint = 'Move or drop them, then run uninstall again.';
  end;
  insert into minutehand_removed values ('schema', 'minutehand');
end
$$;
