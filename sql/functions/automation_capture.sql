-- automation_capture(): the trigger on every watched table.
-- Writes one automation_events row for a change and, for each workflow that matches, one pending execution log.
--
-- It can never hurt the app (R8).  Whatever is wrong on our side, the app's statement commits, and waits for us once at
-- most: lock_timeout is set on the function, and the handler of the first timeout sets `minutehand.blocked` for the rest
-- of the transaction, which later rows and statements obey.  Nothing of ours is named outside the blocks, since a
-- missing table or type in a declaration would fail before any handler stands.
-- Locks: row locks on what it inserts.  Errors: none; a WARNING, and the sequence minutehand.lost_events counts.
create or replace function public.automation_capture() returns trigger
language plpgsql security definer set search_path = '' set lock_timeout = '250ms' as $$
begin
  begin
    -- Compared byte by byte: json columns have no equality operator.
    if tg_op = 'UPDATE' and not (old *<> new) then
      return null;
    end if;
    if current_setting('minutehand.blocked', true) = 'events' then
      perform nextval('minutehand.lost_events');
      return null;
    end if;
    perform minutehand.capture(
      tg_argv[0]::jsonb, minutehand.label(tg_table_schema, tg_table_name), tg_op,
      case when tg_op <> 'INSERT' then to_jsonb(old) end, case when tg_op <> 'DELETE' then to_jsonb(new) end);
  exception when others then
    if sqlstate = '55P03' then
      perform set_config('minutehand.blocked', 'events', true);
    end if;
    raise warning 'minutehand: a change of %.% was not recorded: %', tg_table_schema, tg_table_name, sqlerrm
      using hint = 'The change itself is saved.  Run: minutehand status';
    begin
      perform nextval('minutehand.lost_events');
    exception when others then
      null;  -- even the counter is gone; the warning stands
    end;
  end;
  return null;
end
$$;
comment on function public.automation_capture() is 'minutehand: records each change of a watched table';

-- minutehand.capture(config, table, operation, old, new): writes the event, then tries to match it.
create or replace function minutehand.capture(
  p_config jsonb, p_table text, p_operation text, p_old jsonb, p_new jsonb
) returns void language plpgsql set search_path = '' as $$
declare
  v_event public.automation_events;
  v_status_column text := p_config ->> 'status';
  v_type text := p_config ->> 'type';
  v_row jsonb;
  v_excluded text[];
  v_blocked boolean := current_setting('minutehand.blocked', true) = 'matching';
begin
  if jsonb_typeof(p_config -> 'exclude') = 'array' and p_config -> 'exclude' <> '[]' then
    v_excluded := array(select jsonb_array_elements_text(p_config -> 'exclude'));
    p_old := p_old - v_excluded;
    p_new := p_new - v_excluded;
  end if;
  v_row := coalesce(p_new, p_old);

  case p_operation
    when 'INSERT' then
      v_event.types := array[v_type || '_created'];
    when 'DELETE' then
      v_event.types := array[v_type || '_deleted'];
    else
      v_event.types := array[v_type || '_updated'];
      -- A change of spelling alone ("In Progress" -> "in_progress") is no change of status.
      if (p_old ->> v_status_column) is distinct from (p_new ->> v_status_column)
         and minutehand.fold(p_old ->> v_status_column) is distinct from minutehand.fold(p_new ->> v_status_column) then
        v_event.types := v_event.types || (v_type || '_status_changed');
        if p_new ->> v_status_column is not null then
          v_event.types := v_event.types || (v_type || '_' || minutehand.slug(p_new ->> v_status_column));
        end if;
      end if;
      p_old := minutehand.changed_columns(p_old, p_new);
      if p_old = '{}' then
        return;  -- only excluded columns changed
      end if;
  end case;

  v_event.occurred_at := minutehand.clock();
  v_event.table_name := p_table;
  v_event.operation := p_operation;
  v_event.entity_id := v_row ->> (p_config ->> 'id');
  v_event.organization_id := v_row ->> (p_config ->> 'tenant');
  v_event.user_id := v_row ->> coalesce(p_config ->> 'user', 'user_id');
  v_event.old := p_old;
  v_event.new := p_new;
  v_event.cause := minutehand.cause();
  v_event.matched_at := case when not v_blocked then v_event.occurred_at end;
  insert into public.automation_events (
    occurred_at, table_name, operation, types, entity_id, user_id, organization_id, old, new, cause, matched_at)
  values (
    v_event.occurred_at, v_event.table_name, v_event.operation, v_event.types, v_event.entity_id, v_event.user_id,
    v_event.organization_id, v_event.old, v_event.new, v_event.cause, v_event.matched_at)
  returning id into v_event.id;

  if not v_blocked then
    perform minutehand.match_now(v_event, p_config);
  end if;
end
$$;

-- minutehand.match_now(event, config): the optimisation: match at once, within a budget.  Past it, or after any error,
-- the event is marked unmatched and the next tick does it.
create or replace function minutehand.match_now(p_event public.automation_events, p_config jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  v_spent_ms numeric := coalesce(nullif(current_setting('minutehand.matching_ms', true), ''), '0')::numeric;
  v_started timestamptz := clock_timestamp();
  v_problem text;
begin
  begin
    -- Per row 50 ms, per transaction 2 s: the app's statement pays no more.
    if v_spent_ms >= 2000 then
      v_problem := 'budget';
    else
      v_problem := minutehand.match_event(p_event, p_config, v_started + interval '50 ms', false);
    end if;
  exception when others then
    v_problem := sqlerrm;
    if sqlstate = '55P03' then
      perform set_config('minutehand.blocked', 'matching', true), set_config('lock_timeout', '1ms', true);
    end if;
  end;
  if v_problem is not null then
    update public.automation_events
    set matched_at = null, error = nullif(v_problem, 'budget')
    where id = p_event.id;
  end if;
  perform set_config(
    'minutehand.matching_ms',
    (v_spent_ms + extract(epoch from clock_timestamp() - v_started) * 1000)::text, true);
end
$$;

-- minutehand.slug(text) -> text: the status as it stands in a type's name: "In Progress" -> in_progress.
create or replace function minutehand.slug(p_text text) returns text
language sql immutable as $$
  select trim(both '_' from regexp_replace(lower(p_text), '[^[:alnum:]]+', '_', 'g'))
$$;

-- minutehand.changed_columns(old, new) -> jsonb: what stood in old where new differs.
create or replace function minutehand.changed_columns(p_old jsonb, p_new jsonb) returns jsonb
language sql immutable as $$
  select coalesce(jsonb_object_agg(key, value), '{}')
  from jsonb_each(p_old)
  where value is distinct from p_new -> key
$$;

-- minutehand.cause() -> uuid: the execution that this change is an effect of, as the one who wrote it says (R11): our
-- record actions by a setting of the transaction, an edge function by the header x-minutehand-cause.
create or replace function minutehand.cause() returns uuid
language plpgsql stable set search_path = '' as $$
declare
  v_cause text := nullif(current_setting('minutehand.cause', true), '');
  v_headers text;
begin
  if v_cause is null then
    v_headers := nullif(current_setting('request.headers', true), '');
    if v_headers is null or position('x-minutehand-cause' in v_headers) = 0 then
      return null;
    end if;
    v_cause := v_headers::jsonb ->> 'x-minutehand-cause';
  end if;
  return v_cause::uuid;
exception when others then
  return null;
end
$$;
