-- Rows in the trigger: what PostgreSQL does not show it as it is.  A row that an UPDATE moves to another partition fires DELETE and
-- INSERT; columns that are computed when they are read are null.
-- These run in sessions of the app, with our rights (automation_capture).

-- minutehand.note_moves(relation, config): the trigger that notes which rows of a partitioned table may be moved.  It is the last of
-- the BEFORE triggers, and fires only where a column of a partition key changes, at any level.
create or replace function minutehand.note_moves(p_relation regclass, p_config jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  v_columns constant text[] := minutehand.partition_columns(p_relation);
  v_changes text;
begin
  select string_agg(format('old.%1$I is distinct from new.%1$I', c), ' or ') into v_changes from unnest(v_columns) as c;
  execute format(
    'create or replace trigger "~minutehand_moves" before update on %s for each row when (%s) '
    'execute function minutehand.note_move(%L, %L, %L)',
    p_relation, v_changes, p_config ->> 'table', p_config ->> 'id', v_columns::text);
end
$$;

-- minutehand.partition_columns(relation) -> text[]: the columns of the table's partition key and of those of its partitions; null for
-- a table that is not partitioned.  A key with expressions has no primary key beside it, so its table cannot be watched.
create or replace function minutehand.partition_columns(p_relation oid) returns text[]
language sql stable set search_path = '' as $$
  select array_agg(distinct a.attname::text order by a.attname::text)
  from pg_catalog.pg_partition_tree(p_relation) t
  join pg_catalog.pg_partitioned_table p on p.partrelid = t.relid
  join pg_catalog.pg_attribute a on a.attrelid = t.relid and a.attnum > 0 and not a.attisdropped
  where a.attnum = any (p.partattrs::smallint[])
$$;

-- minutehand.are_moves_noted(relation) -> boolean: true for a table that is not partitioned, or whose trigger of moves has its columns.
create or replace function minutehand.are_moves_noted(p_relation oid) returns boolean
language sql stable set search_path = '' as $$
  select c.columns is null or exists (
    select from pg_catalog.pg_trigger t
    where t.tgrelid = p_relation and t.tgname = '~minutehand_moves' and t.tgenabled in ('O', 'A')
      and t.tgfoid = 'minutehand.note_move()'::regprocedure
      and position(convert_to(c.columns::text, 'UTF8') || '\x00'::bytea in t.tgargs) > 0)
  from (select minutehand.partition_columns(p_relation) as columns) c
$$;

-- minutehand.note_move(table, key column, columns): the trigger ~minutehand_moves.  A note is the hash of the key before and of the key
-- after, and lasts until the row's AFTER trigger fires, in the same statement.  Notes are kept in 256 settings of the
-- transaction, so that a statement that moves 100,000 rows does not copy all notes for each.
create or replace function minutehand.note_move() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_padded text[];
  v_key text;
  v_place text;
begin
  begin
    v_padded := minutehand.padded_in_transaction(tg_relid);
    v_key := minutehand.move_key(tg_argv[0], minutehand.row_json(old, v_padded) ->> tg_argv[1]);
    v_place := 'minutehand.moves_' || left(v_key, 2);
    perform set_config('minutehand.has_moves', 'on', true),
            set_config(v_place, coalesce(current_setting(v_place, true), '')
              || ' ' || v_key || '>' || minutehand.move_key(tg_argv[0], minutehand.row_json(new, v_padded) ->> tg_argv[1]), true);
  exception when others then
    raise warning 'minutehand: a row of % may be told as deleted and created: %', tg_argv[0], sqlerrm;
  end;
  return new;
end
$$;

-- minutehand.move_key(table, key) -> text: 16 hexadecimal digits.
create or replace function minutehand.move_key(p_table text, p_key text) returns text
language sql immutable as $$
  select left(md5(concat_ws('.', p_table, p_key)), 16)
$$;

-- minutehand.take_note(table, key) -> text: the note about the row of this key, which it had before; and removes it.  null: none.
create or replace function minutehand.take_note(p_table text, p_key text) returns text
language plpgsql as $$
declare
  v_key constant text := minutehand.move_key(p_table, p_key);
  v_place constant text := 'minutehand.moves_' || left(v_key, 2);
  v_notes constant text := coalesce(current_setting(v_place, true), '');
  v_at constant integer := position(' ' || v_key || '>' in v_notes);
begin
  if v_at = 0 then
    return null;
  end if;
  perform set_config(v_place, overlay(v_notes placing '' from v_at for 34), true);
  return substr(v_notes, v_at + 18, 16);
end
$$;

-- minutehand.paired_move(config, operation, old, new) -> (operation, old): of a partitioned table's change.  PostgreSQL fires, for each
-- moved row, the triggers of its DELETE and then those of its INSERT.  The DELETE of a row with a note is kept, in a setting of
-- the transaction, and is no change yet (operation null); the INSERT of the key that the note names is the UPDATE.  Every other
-- DELETE and INSERT is what it says, also of the same key in the same statement.
create or replace function minutehand.paired_move(
  p_config jsonb, p_operation text, p_old jsonb, p_new jsonb, out operation text, out old jsonb
) language plpgsql as $$
declare
  v_moving jsonb;
  v_key text;
begin
  operation := p_operation;
  old := p_old;
  if coalesce(current_setting('minutehand.has_moves', true), '') = '' then
    return;
  end if;
  v_moving := coalesce(nullif(current_setting('minutehand.moving', true), ''), '{}');
  if p_operation <> 'INSERT' then
    v_key := minutehand.take_note(p_config ->> 'table', p_old ->> (p_config ->> 'id'));
    if p_operation = 'DELETE' and v_key is not null then
      if (select count(*) from jsonb_object_keys(v_moving)) > 20 then
        v_moving := '{}';  -- rows whose INSERT did not come: the app's trigger let it not be, or ours is disabled there
      end if;
      perform set_config('minutehand.moving', (v_moving || jsonb_build_object(v_key, p_old))::text, true);
      operation := null;
    end if;
  else
    v_key := minutehand.move_key(p_config ->> 'table', p_new ->> (p_config ->> 'id'));
    if v_moving ? v_key then
      perform set_config('minutehand.moving', (v_moving - v_key)::text, true);
      operation := 'UPDATE';
      old := v_moving -> v_key;
    end if;
  end if;
end
$$;

-- minutehand.remove_triggers(relation, names): drops those of these triggers that call functions of ours.
create or replace function minutehand.remove_triggers(p_relation regclass, p_names text[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_name text;
begin
  for v_name in
    select t.tgname from pg_catalog.pg_trigger t
    where t.tgrelid = p_relation and t.tgname = any (p_names)
      and t.tgfoid in (minutehand.own_function('public.automation_capture()'), 'minutehand.note_move()'::regprocedure)
  loop
    execute format('drop trigger %I on %s', v_name, p_relation);
  end loop;
end
$$;

-- minutehand.virtual_columns(relation) -> {"virtual": [column]}: its generated columns that are computed when they are read
-- (PostgreSQL 18); {} where it has none.
create or replace function minutehand.virtual_columns(p_relation oid) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce((
    select jsonb_build_object('virtual', jsonb_agg(attname::text order by attnum))
    from pg_catalog.pg_attribute
    where attrelid = p_relation and attgenerated = 'v' and not attisdropped
    having count(*) > 0), '{}')
$$;

-- minutehand.with_virtual(relation, config, row) -> jsonb: the row with the columns of config.virtual computed from its others; PostgreSQL
-- lets their expressions name only functions of its own.  One that cannot be computed, such as by a division by zero, is left out.
create or replace function minutehand.with_virtual(p_relation oid, p_config jsonb, p_row jsonb) returns jsonb
language plpgsql stable as $$
declare
  v_column record;
  v_row jsonb := p_row;
  v_value jsonb;
begin
  if p_row is null then
    return null;
  end if;
  for v_column in
    select a.attname::text as name, pg_get_expr(d.adbin, d.adrelid) as expression
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = p_relation and a.attgenerated = 'v' and p_config -> 'virtual' ? a.attname::text
  loop
    begin
      execute format(
        'select minutehand.row_json(r, %L) -> ''value'' from (select %s as value from minutehand.row_of_json(null::%s, $1)) r',
        '{}', v_column.expression, p_relation::regclass)
        into v_value using p_row;
      v_row := v_row || jsonb_build_object(v_column.name, v_value);
    exception when others then
      v_row := v_row - v_column.name;
    end;
  end loop;
  return v_row;
end
$$;
