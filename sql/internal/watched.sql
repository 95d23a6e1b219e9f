-- Watched tables: which tables have our trigger, and how.  Read from the triggers themselves, so there is no second list.
-- The trigger's one argument is the JSON that `trigger add` wrote:
--   {"id": "id", "type": "job", "status": "status", "tenant": "organization_id" | null, "user": "user_id" | null,
--    "exclude": ["search"], "links": {"client_id": "clients"}, "writable": false,
--    "global_tables": ["vendors"], "soft_delete": "deleted_at", "virtual": ["total"]}
-- `tenant` is null for an app with a single tenant, and equal to `user` where rows name no organization.  A partitioned table
-- has its own name in "table", since its trigger fires in the partitions.
-- The second argument (triggers of before have none) is the list of the columns without which no change can be judged: the key's, the tenant's,
-- and the status column if the table had it then, as an array: {id,organization_id,status}.

-- minutehand.first_argument(tgargs) -> text: the first of a trigger's arguments; each ends with a zero byte.
create or replace function minutehand.first_argument(p_arguments bytea) returns text
language sql immutable as $$
  select convert_from(substring(p_arguments from 1 for position('\x00'::bytea in p_arguments) - 1), 'UTF8')
$$;

-- minutehand.needed_columns(config, second argument) -> text[]; without it, those that the config names surely.
-- In PL/pgSQL: the cast keeps one in SQL from becoming part of its caller, which plans it anew in each transaction of the app.
create or replace function minutehand.needed_columns(p_config jsonb, p_needs text) returns text[]
language plpgsql immutable as $$
begin
  return coalesce(p_needs::text[], array_remove(array[
    p_config ->> 'id', p_config ->> 'tenant', nullif(p_config ->> 'status', 'status')], null));
end
$$;

-- minutehand.needed_columns(config, trigger's arguments, their number) -> text[]
create or replace function minutehand.needed_columns(p_config jsonb, p_arguments bytea, p_count integer) returns text[]
language sql immutable as $$
  select minutehand.needed_columns(p_config, case when p_count > 1 then minutehand.first_argument(
    substring(p_arguments from position('\x00'::bytea in p_arguments) + 1)) end)
$$;

-- minutehand.table_name(schema, table) -> text: the name of a table in events and messages, without the schema if that is
-- public.
create or replace function minutehand.table_name(p_schema text, p_table text) returns text
language sql immutable as $$
  select case when p_schema = 'public' then p_table else p_schema || '.' || p_table end
$$;

-- The trigger fires before the app's own AFTER triggers, whose names sort after "!": a change that one of them makes to the same row
-- is recorded after the change that caused it.  `minutehand_capture` is its name of before; `trigger add` replaces it.
-- A trigger of that name is ours only if it calls our function.  Nobody but the owner may create a trigger that does, since
-- nobody else may execute the function.  The CASE keeps another's argument from being parsed, whatever the plan's order.
create or replace view minutehand.watched as
select c.oid as relation, n.nspname::text as schema_name, c.relname::text as table_name,
       case when t.tgfoid = minutehand.own_function('public.automation_capture()')
         then minutehand.first_argument(t.tgargs)::jsonb end as config,
       t.tgenabled in ('O', 'A') as enabled,
       minutehand.table_name(n.nspname, c.relname) as name,
       case when t.tgfoid = minutehand.own_function('public.automation_capture()')
         then minutehand.needed_columns(minutehand.first_argument(t.tgargs)::jsonb, t.tgargs, t.tgnargs) end as needs,
       t.tgname::text as trigger
from pg_catalog.pg_trigger t
join pg_catalog.pg_class c on c.oid = t.tgrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where t.tgname in ('!minutehand_capture', 'minutehand_capture') and not t.tgisinternal and t.tgparentid = 0  -- a partition's is its parent's
  and t.tgfoid = minutehand.own_function('public.automation_capture()')
  and c.relkind in ('r', 'p') and c.relpersistence <> 't';

-- minutehand.watch_problem(watched table) -> {"table", "problem", "remedy"}: why changes of a watched table are not recorded, and the
-- statement that mends it; null where they are.
create or replace function minutehand.watch_problem(p_watched minutehand.watched) returns jsonb
language sql stable as $$
  select jsonb_build_object(
    'table', p_watched.name, 'problem', 'its trigger is disabled: its changes are not recorded', 'remedy', format(
      'alter table %I.%I enable trigger %I;', p_watched.schema_name, p_watched.table_name, p_watched.trigger))
  where not p_watched.enabled
$$;

-- minutehand.status_column(config) -> text: the column that holds a watched table's status.
create or replace function minutehand.status_column(p_config jsonb) returns text
language sql immutable as $$
  select coalesce(p_config ->> 'status', 'status')
$$;
