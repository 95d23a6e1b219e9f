-- automation_capture(): the trigger on every watched table.
-- It writes one automation_events row for a change and, for each workflow that matches, one pending execution.
--
-- It can never hurt the app (R8).  Whatever is wrong on our side, the app's statement commits, and waits for us at most once:
-- lock_timeout is set on the function, and the first timeout sets `minutehand.blocked` for the rest of the transaction, which
-- later rows and statements obey: `matching` (events are still written), `events` (they are only counted) or `all` (not even
-- that).  None of our objects is named outside the blocks, because a missing table or type in a declaration would fail before
-- any handler is active.
-- It runs in sessions of the app's least privileged roles, with our rights.  pg_temp is named last in its search_path: with an
-- empty one, a role's own temporary type named jsonb would be found before PostgreSQL's, and its CHECK would run as us.  For
-- the same reason no function that is called from here sets another search_path.
-- Its plans are made once a session: a custom plan for each row was half of its cost.
-- Locks: row locks on what it inserts.  Errors: none; a WARNING, and the sequence minutehand.lost_events counts.
create or replace function public.automation_capture() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' set plan_cache_mode = force_generic_plan as $$
declare
  v_blocked text := current_setting('minutehand.blocked', true);
  v_timed_out boolean;
  v_config jsonb;
  v_rows jsonb[];
  v_done boolean;
begin
  begin
    -- Compared byte by byte: json columns have no equality operator.
    if v_blocked = 'all' or tg_op = 'UPDATE' and not (old *<> new) then
      return null;
    elsif v_blocked = 'events' then
      perform nextval('minutehand.lost_events');
      return null;
    end if;
    v_config := tg_argv[0];
    v_rows := minutehand.rows_json(old, new, minutehand.padded_in_transaction(tg_relid));
    if v_config ? 'virtual' then
      v_rows := array[minutehand.with_virtual(tg_relid, v_config, v_rows[1]), minutehand.with_virtual(tg_relid, v_config, v_rows[2])];
    end if;
    -- An assignment, as in the functions below: a PERFORM would start an executor for it.
    v_done := minutehand.capture(
      v_config, tg_argv[1], minutehand.table_name(tg_table_schema, tg_table_name), tg_op, v_rows[1], v_rows[2]);
  exception when others then
    v_timed_out := sqlstate = '55P03';
    -- One warning for each error, not for each of a million rows.
    if sqlerrm is distinct from current_setting('minutehand.warned', true) then
      raise warning 'minutehand: a change of %.% was not recorded: %', tg_table_schema, tg_table_name, sqlerrm
        using hint = 'The change itself is saved.  Run: minutehand status';
      perform set_config('minutehand.warned', sqlerrm, true);
    end if;
    if v_timed_out then
      perform set_config('minutehand.blocked', 'events', true);
    end if;
    begin
      perform set_config('lock_timeout', '1ms', true), nextval('minutehand.lost_events');
    exception when others then
      -- Even the counter is missing or locked; the warning remains.
      if v_timed_out then
        perform set_config('minutehand.blocked', 'all', true);
      end if;
    end;
  end;
  return null;
end
$$;
comment on function public.automation_capture() is 'minutehand: records each change of a watched table';

-- minutehand.capture(config, needed columns, table, operation, old, new): writes the event, then tries to match it.  Where the row
-- lacks a column that its watch needs, the event names those columns, and waits unmatched (minutehand.complete_events): without
-- them nobody knows which row it is about, or whose.  Answers whether it was a change.
create or replace function minutehand.capture(
  p_config jsonb, p_needs text, p_table text, p_operation text, p_old jsonb, p_new jsonb
) returns boolean language plpgsql as $$
declare
  v_event public.automation_events;
  v_row constant jsonb := coalesce(p_new, p_old);
  v_needs constant text[] := minutehand.needed_columns(p_config, p_needs);
  v_excluded text[];
  v_missing text[];
  v_cut text[];
  v_types text[];
  v_error text;
  v_is_decided boolean := true;
begin
  if not v_row ?& v_needs then
    v_missing := array(select c from unnest(v_needs) as c where not v_row ? c);
  end if;
  if p_config ? 'table' then
    select * into p_operation, p_old from minutehand.paired_move(p_config, p_operation, p_old, p_new);
    if p_operation is null then
      return false;
    end if;
  end if;
  if p_config ? 'soft_delete' then
    select * into p_operation, p_old, p_new, v_error
    from minutehand.soft_deleted(p_config ->> 'soft_delete', p_operation, p_old, p_new);
  end if;
  if p_config -> 'exclude' <> '[]' then
    v_excluded := array(select jsonb_array_elements_text(p_config -> 'exclude'));
    p_old := p_old - v_excluded;
    p_new := p_new - v_excluded;
  end if;

  v_types := minutehand.event_types(p_config, p_operation, p_old, p_new);
  if p_operation = 'UPDATE' then
    select jsonb_object_agg(key, p_old -> key) into p_old
    from (select jsonb_object_keys(p_old) as key) k
    where p_old -> key is distinct from p_new -> key;
    if p_old is null then
      return false;  -- only excluded columns changed
    end if;
  end if;

  if coalesce(pg_column_size(p_new), 0) + coalesce(pg_column_size(p_old), 0) > 262144 then
    v_cut := minutehand.columns_too_large(p_new, p_old);
    p_old := p_old - coalesce(v_cut, '{}');
    p_new := p_new - coalesce(v_cut, '{}');
  end if;

  if minutehand.is_quiet() then
    v_error := 'imported quietly: its transaction set minutehand.quiet, so it starts nothing';
  elsif v_missing is not null then
    v_is_decided := false;
    v_error := minutehand.columns_reason(coalesce(p_config ->> 'table', p_table), p_config, v_missing);
  elsif p_config ->> 'tenant' is not null
        and coalesce(minutehand.organization_of(v_row, p_config), v_row ->> (p_config ->> 'user')) is null then
    -- It belongs to no tenant, so it starts no workflow.  The error remains, for `status` and `explain`.
    v_error := format('no tenant: %s is null', p_config ->> 'tenant');
  elsif v_error is null then
    -- The rows that matching reads would make the app's serializable transactions conflict; the tick matches instead.
    v_is_decided := coalesce(current_setting('minutehand.blocked', true), '') = ''
      and current_setting('transaction_isolation') <> 'serializable';
  end if;
  insert into public.automation_events (
    occurred_at, table_name, operation, types, entity_id, user_id, organization_id, old, new, cause, matched_at, error,
    cut_columns, missing_columns)
  values (
    minutehand.clock(), coalesce(p_config ->> 'table', p_table), p_operation, v_types, v_row ->> (p_config ->> 'id'),
    v_row ->> (p_config ->> 'user'), minutehand.organization_of(v_row, p_config), p_old, p_new, minutehand.current_cause(),
    case when v_is_decided then minutehand.clock() end, v_error, v_cut, v_missing)
  returning * into v_event;

  return case when v_is_decided and v_error is null then minutehand.match_now(v_event, p_config) else true end;
end
$$;

-- minutehand.event_types(config, operation, old row, new row) -> the types that a change has: job_updated, job_status_changed, …
-- A different spelling ("In Progress" -> "in_progress") is not a change of status.  A status that is called like an operation has
-- no type of its own: job_created means a new row, whatever the row's status.
create or replace function minutehand.event_types(p_config jsonb, p_operation text, p_old jsonb, p_new jsonb) returns text[]
language plpgsql immutable as $$
declare
  v_type constant text := p_config ->> 'type';
  v_was text;
  v_is text;
  v_word text;
begin
  if p_operation = 'INSERT' then
    return array[v_type || '_created'];
  elsif p_operation = 'DELETE' then
    return array[v_type || '_deleted'];
  end if;
  v_was := p_old ->> (p_config ->> 'status');
  v_is := p_new ->> (p_config ->> 'status');
  if v_was is not distinct from v_is or minutehand.fold(v_was) is not distinct from minutehand.fold(v_is) then
    return array[v_type || '_updated'];
  end if;
  v_word := minutehand.slug(v_is);
  if v_word is null or v_word in ('created', 'updated', 'deleted', 'status_changed') then
    return array[v_type || '_updated', v_type || '_status_changed'];
  end if;
  return array[v_type || '_updated', v_type || '_status_changed', v_type || '_' || v_word];
end
$$;

-- minutehand.soft_deleted(column, operation, old, new) -> (operation, old, new, error): the change as workflows see it where the app
-- sets a column instead of deleting a row.  Setting it is the row's DELETE, as the row is then.  A row that has it set is gone:
-- what changes there, its DELETE too, starts nothing, and the error says so.  Clearing it is an UPDATE.
create or replace function minutehand.soft_deleted(
  p_column text, p_operation text, p_old jsonb, p_new jsonb, out operation text, out old jsonb, out new jsonb, out error text
) language plpgsql immutable as $$
declare
  v_was constant boolean := minutehand.is_set_on(p_old, p_column);
  v_is constant boolean := minutehand.is_set_on(p_new, p_column);
begin
  operation := p_operation;
  old := p_old;
  new := p_new;
  if p_operation = 'UPDATE' and v_is and not v_was then
    operation := 'DELETE';
    old := p_new;
    new := null;
  elsif v_is or v_was and p_operation = 'DELETE' then
    error := format('soft-deleted: %s is set, so the change starts nothing', p_column);
  end if;
end
$$;

-- minutehand.match_now(event, config): an optimization: matches at once, within 50 ms a row and 2 s a transaction.  Beyond that, or
-- after any error, the event is marked unmatched, and the next tick matches it.
create or replace function minutehand.match_now(p_event public.automation_events, p_config jsonb) returns boolean
language plpgsql as $$
declare
  c_most constant bigint := 10000;  -- comparisons: about 50 ms
  v_started constant timestamptz := clock_timestamp();
  v_spent_ms double precision;
  v_spent text;
  v_problem text;
begin
  begin
    if not minutehand.has_candidates(p_event, p_config) then
      return true;
    end if;
    v_problem := (minutehand.match_event(p_event, p_config, v_started + minutehand.match_budget(), false, c_most)).problem;
  exception when others then
    v_problem := sqlerrm;
    if sqlstate = '55P03' then
      perform set_config('minutehand.blocked', 'matching', true);
    elsif sqlstate = 'MH413' then
      v_problem := 'budget';
    else
      -- Again, with a block for each workflow, so that one that fails does not affect the others.
      begin
        v_problem := (minutehand.match_event(p_event, p_config, v_started + minutehand.match_budget(), true, c_most)).problem;
      exception when others then
        v_problem := sqlerrm;
        if sqlstate = '55P03' then
          perform set_config('minutehand.blocked', 'matching', true);
        end if;
      end;
    end if;
  end;
  if v_problem is not null then
    update public.automation_events
    set matched_at = null, error = nullif(v_problem, 'budget')
    where id = p_event.id;
  end if;
  v_spent_ms := coalesce(nullif(current_setting('minutehand.matching_ms', true), ''), '0')::double precision
    + date_part('epoch', clock_timestamp() - v_started) * 1000;
  v_spent := set_config('minutehand.matching_ms', v_spent_ms::text, true);
  if v_spent_ms >= 40000 * date_part('epoch', minutehand.match_budget()) then
    perform set_config('minutehand.blocked', 'matching', true);
  end if;
  return true;
end
$$;

-- minutehand.is_quiet() -> boolean: does the app import quietly?  `set local minutehand.quiet = 'on'` in its transaction: changes
-- are recorded, and start nothing.  Any session may set it, for its own changes alone.
create or replace function minutehand.is_quiet() returns boolean
language sql stable as $$
  select coalesce(lower(current_setting('minutehand.quiet', true)) in ('on', 'true', 'yes', '1'), false)
$$;

-- minutehand.current_cause() -> uuid: the execution that caused this change, as the writer says (R11): our record actions by a
-- setting of the transaction, an edge function by the header x-minutehand-cause.
create or replace function minutehand.current_cause() returns uuid
language plpgsql stable as $$
declare
  v_cause text := current_setting('minutehand.cause', true);
  v_headers text := current_setting('request.headers', true);
begin
  -- Most changes have neither, and do not pay for the block.
  if coalesce(v_cause, '') = '' and coalesce(position('x-minutehand-cause' in v_headers), 0) = 0 then
    return null;
  end if;
  begin
    return coalesce(nullif(v_cause, ''), v_headers::jsonb ->> 'x-minutehand-cause')::uuid;
  exception when data_exception then
    return null;
  end;
end
$$;

-- minutehand.match_budget() -> interval: how long matching may take in the trigger, a row; a transaction has 40 times that.
-- Tests replace its body, because a busy machine needs longer.
create or replace function minutehand.match_budget() returns interval
language sql immutable as $$
  select interval '50 ms'
$$;
