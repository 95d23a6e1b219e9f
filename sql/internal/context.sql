-- Context: what an execution is about, read fresh before each step (R15).

-- minutehand.read_contexts(items, now) -> automation_context's answer.  An item that cannot be read stops alone: `unreadable`, or
-- deferred where what it needs may be there later.
-- All items together may exceed the 256 MB of a jsonb: then those stop that have more than 1 MB, as in the claim.
-- Locks: waits 250 ms at most for those of the app (lock_wait).
create or replace function minutehand.read_contexts(p_items jsonb, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' set lock_timeout = '250ms' as $$
declare
  v_item jsonb;
  v_context jsonb;
  v_contexts jsonb := '[]';
  v_are_too_large boolean;
begin
  perform set_config('lock_timeout', minutehand.lock_wait(), true);
  begin
    return minutehand.read_contexts_batch(p_items, p_now);
  exception when others then
    if minutehand.is_away(sqlstate) then
      raise;
    end if;  -- find out which one, each in a block of its own
    perform minutehand.note_wait(sqlstate), set_config('lock_timeout', minutehand.lock_wait(), true);
    v_are_too_large := sqlstate = '54000';
  end;
  for v_item in select value from jsonb_array_elements(p_items) order by value ->> 'id' loop
    begin
      v_context := minutehand.read_contexts_batch(jsonb_build_array(v_item), p_now) -> 0;
      if v_are_too_large and pg_column_size(v_context) > 1000000 then
        v_context := minutehand.stopped_context(
          v_item, 'unreadable', 'its row and the linked rows are larger than 1 MB, and more than the batch can hold');
      end if;
    exception when others then
      if minutehand.is_away(sqlstate) then
        raise;
      end if;
      perform minutehand.note_wait(sqlstate), set_config('lock_timeout', minutehand.lock_wait(), true);
      v_context := case minutehand.error_class(sqlstate)
        when 'object' then minutehand.deferred_context(v_item, minutehand.unknown_problem(sqlstate))
        else minutehand.stopped_context(
          v_item, 'unreadable', format('what it is about cannot be read (SQLSTATE %s)', sqlstate)) end;
    end;
    v_contexts := v_contexts || jsonb_build_array(v_context);
  end loop;
  return v_contexts;
end
$$;

-- minutehand.stopped_context(item, code, reason) -> the context of an execution that must end as failed.
create or replace function minutehand.stopped_context(p_item jsonb, p_code text, p_reason text) returns jsonb
language sql stable set search_path = '' as $$
  select minutehand.deferred_context(p_item, jsonb_build_object('ended', 'failed', 'code', p_code, 'reason', p_reason))
$$;

-- minutehand.deferred_context(item, problem) -> the context of an execution that a problem stops, {"ended", "code", "reason"}.
create or replace function minutehand.deferred_context(p_item jsonb, p_problem jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', p_item -> 'id', 'type', null, 'row', null, 'old', null, 'links', null,
    'held', exists (
      select from public.automation_execution_logs l
      where l.id = minutehand.to_uuid(p_item ->> 'id') and l.lease_token = minutehand.to_uuid(p_item ->> 'token')
        and l.lease_expires_at is not null),
    'stop', p_problem)
$$;

-- minutehand.read_contexts_batch(items, now) -> contexts: one set-based pass; raises when one of the items cannot be read.
-- One statement that computes each of its parts once.  Its plan is kept: planning it costs more than ten rows do.
create or replace function minutehand.read_contexts_batch(p_items jsonb, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' set plan_cache_mode = force_generic_plan set random_page_cost = 1.1 as $$
declare
  v_pauses constant minutehand.pauses := (select p from minutehand.pauses p);
  v_result jsonb;
begin
  with requested as materialized (
    select i.id, i.token, l as log, l.event_id, l.workflow_id, l.entity_id,
           minutehand.table_of(l.trigger_data::jsonb) as table_name
    from jsonb_to_recordset(p_items) as i (id uuid, token uuid)
    left join public.automation_execution_logs l on l.id = i.id
  ), workflows as materialized (
    select w as workflow, w.id, w.organization_id, w.user_id, minutehand.is_on(w) as is_on,
           minutehand.stop_when(w) as stop_when
    from public.automation_workflows w
    where w.id in (select requested.workflow_id from requested)
  ), tables as materialized (
    select w.relation, w.config, w.name from minutehand.watched w
  ), current_rows as materialized (
    select t.name as table_name, r.key, r.found as row, r.links, r.hidden, r.problem
    from (
      select table_name, array_agg(distinct entity_id) as ids
      from requested where entity_id is not null group by table_name
    ) q
    join tables t on t.name = q.table_name
    cross join lateral minutehand.read_app_rows(t.relation, t.config, q.ids) r
  ), events as materialized (
    -- Whoever may insert executions may name any event.  It is read only if it is about the same row, and of the workflow's tenant.
    select q.id, e as event
    from requested q
    left join workflows w on w.id = q.workflow_id
    left join tables t on t.name = q.table_name
    join public.automation_events e
      on e.id = q.event_id and e.table_name = q.table_name and e.entity_id is not distinct from q.entity_id
     and (t.config is not null and t.config ->> 'tenant' is null or minutehand.same_tenant(
       e.organization_id, e.user_id, w.organization_id::text, w.user_id::text))
  ), gone_rows as materialized (
    -- A deleted row is shown as it was, with the rows that it referred to.
    select r.key, r.links, r.hidden
    from (
      select q.table_name, jsonb_agg(jsonb_build_object('key', q.id, 'row', (e.event).old)) as rows
      from requested q join events e on e.id = q.id
      where (e.event).operation = 'DELETE' group by q.table_name
    ) q
    join tables t on t.name = q.table_name
    cross join lateral minutehand.read_gone_rows(t.relation, t.config, q.rows) r
  )
  select jsonb_agg(jsonb_build_object(
    'id', q.id,
    'held', coalesce((q.log).lease_token = q.token and (q.log).lease_expires_at is not null, false),
    'stop', (
      select jsonb_build_object('ended', m.ended, 'code', m.code, 'reason', m.reason)
      from (
        select * from minutehand.may_run(q.log, w.workflow, w.is_on, (e.event).operation, c.row, t.config, v_pauses,
                                         w.stop_when, minutehand.row_before(e.event))
        union all
        select 4, p.ended, p.code, p.reason  -- before row_gone
        from jsonb_to_record(c.problem) as p (ended text, code text, reason text)
        where c.problem is not null and (e.event).operation is distinct from 'DELETE'
        union all
        select 4, p.ended, p.code, p.reason
        from jsonb_to_record(minutehand.missing_table(q.table_name, (q.log).trigger_type))
          as p (ended text, code text, reason text)
        where t.name is null and q.table_name is not null and minutehand.was_watched(q.log, q.table_name)
      ) m order by m.nr, m.code limit 1),
    'type', t.config -> 'type',
    'status', minutehand.status_column(t.config),
    'row', case when g.key is not null then (e.event).old else c.row end,
    'links', coalesce(g.links, c.links),
    'hidden', coalesce(g.hidden, c.hidden),
    'unwatched', case when t.name is null and q.event_id is null and q.entity_id is not null then minutehand.unwatched_table(
      minutehand.as_object((q.log).trigger_data::text), q.entity_id, (q.log).trigger_type) end,
    'old', minutehand.row_before(e.event)))
  into v_result
  from requested q
  left join workflows w on w.id = q.workflow_id
  left join tables t on t.name = q.table_name
  left join events e on e.id = q.id
  left join gone_rows g on g.key = q.id::text
  left join current_rows c on c.table_name = q.table_name and c.key = q.entity_id;
  return coalesce(v_result, '[]');
end
$$;

-- minutehand.table_of(trigger_data) -> text: the watched table that trigger_data is about: by its name, else by a key such as
-- job_id.
create or replace function minutehand.table_of(p_data jsonb) returns text
language plpgsql stable set search_path = '' as $$
begin
  if p_data ? 'table_name' then
    return p_data ->> 'table_name';
  end if;
  return (
    select name
    from minutehand.watched
    where p_data ? ((config ->> 'type') || '_id') or p_data ? ((config ->> 'type') || 'Id')
    order by 1
    limit 1);
end
$$;

-- minutehand.unwatched_table(trigger_data, id of the row, trigger type) -> {"type", "code", "reason"}: the table that an execution
-- which the app inserted is about, where it exists and is not watched; else null.  It is named by trigger_data, by the key with the
-- row's id (job_id), or by the trigger type.
create or replace function minutehand.unwatched_table(p_data jsonb, p_entity_id text, p_type text) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('type', t.type) || minutehand.problem('table_missing', format(
    'table %s is not watched, so its row %s cannot be read; watch it: minutehand trigger add %s',
    t.name, left(p_entity_id, 60), t.name))
  from (
    select minutehand.table_name(n.nspname, c.relname) as name, minutehand.singular(lower(c.relname)) as type
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname !~ '^pg_|^information_schema$|^minutehand$'
      and (p_data ? 'table_name' or n.nspname = 'public')
      and c.oid not in (select relation from minutehand.watched)
  ) t
  where case when p_data ? 'table_name' then t.name = regexp_replace(p_data ->> 'table_name', '^public\.', '')
    else p_data ->> (t.type || '_id') = p_entity_id or p_data ->> (t.type || 'Id') = p_entity_id
      or starts_with(p_type, t.type || '_') end
  order by p_data ? (t.type || '_id') or p_data ? (t.type || 'Id') desc, length(t.type) desc, t.name
  limit 1
$$;

-- minutehand.was_watched(log, table) -> boolean: is it about a row of a table that was watched, as its event or `enqueue` says?
-- Rows that the app inserted may name any table, or none.
create or replace function minutehand.was_watched(p_log public.automation_execution_logs, p_table text) returns boolean
language sql stable set search_path = '' as $$
  select p_log.entity_id is not null and (
    p_log.trigger_data::jsonb ->> 'operation' = 'ENQUEUE'
    or exists (select from public.automation_events e where e.id = p_log.event_id and e.table_name = p_table))
$$;
