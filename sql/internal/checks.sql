-- CHECKs of an adopted table that refuse our words: the one thing of the app's that is replaced, by a wider one (R3).
-- `migrate` tells them first, and doctor may ask for them, since an app can narrow one again.

-- minutehand.narrow_checks() -> (table_name, name, condition, options): each CHECK on `status` or `type` alone that refuses one
-- of our words, with the wider condition.  Locks: none.
create or replace function minutehand.narrow_checks()
returns table (table_name text, name text, condition text, options text)
language plpgsql stable set search_path = '' as $$
declare
  v_check record;
  v_holds boolean;
begin
  for v_check in
    select ours.*, c.conname, pg_get_expr(c.conbin, c.conrelid) as said, format_type(a.atttypid, a.atttypmod) as type,
           concat(case when c.connoinherit then ' no inherit' end, case when not c.convalidated then ' not valid' end) as options
    from (values
      ('automation_execution_logs', 'status', '{pending,processing,completed,failed,skipped,cancelled}'::text[]),
      ('communication_logs', 'status', '{reserved,sent,failed,uncertain,simulated}'),
      ('communication_logs', 'type', '{email,sms,webhook,function,notify}')
    ) as ours (table_name, column_name, words)
    join pg_catalog.pg_attribute a
      on a.attrelid = to_regclass('public.' || ours.table_name) and a.attname = ours.column_name and not a.attisdropped
    join pg_catalog.pg_constraint c on c.conrelid = a.attrelid and c.contype = 'c' and c.conkey = array[a.attnum]
    where to_jsonb(c) ->> 'conenforced' is distinct from 'false'  -- PostgreSQL 18 has checks that only say
    order by ours.table_name, c.conname
  loop
    begin
      execute format('select bool_and(coalesce(%s, true)) from unnest($1::%s[]) as words (%I)',
                     v_check.said, v_check.type, v_check.column_name)
        into v_holds using v_check.words;
    exception when others then
      v_holds := true;  -- the type refuses a word (an enum of kinds): no CHECK can help
    end;
    if not v_holds then
      return query select v_check.table_name, v_check.conname::text,
        format('(%s) or %I in (%s)', v_check.said, v_check.column_name,
               (select string_agg(quote_literal(word), ', ') from unnest(v_check.words) as word)),
        v_check.options;
    end if;
  end loop;
end
$$;

-- minutehand.widen_checks(): replaces them.  What was checked of the old rows stays checked.
-- Locks: ACCESS EXCLUSIVE on a table that has one, and its rows are read once; none otherwise.
create or replace function minutehand.widen_checks() returns void
language plpgsql set search_path = '' as $$
declare
  v_check record;
begin
  for v_check in select * from minutehand.narrow_checks() loop
    execute format('alter table public.%1$I drop constraint %2$I, add constraint %2$I check (%3$s)%4$s',
                   v_check.table_name, v_check.name, v_check.condition, v_check.options);
  end loop;
end
$$;
