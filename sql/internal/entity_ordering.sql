-- Ordering per entity (`settings.order`): the executions of one workflow and row run one at a time, in the order of the changes.
-- They form an ordering group.  An execution joins it when it is created (entity_order); the claim defers those that must wait
-- (code `earlier_unfinished`, due later), and whatever ends wakes the next one.  A deferred execution becomes due again by
-- itself, in case nothing wakes it.
-- Decisions about a group hold its advisory lock, so that two claims never both start one, and no wake is missed.  Who ends an
-- execution waits for that lock before it locks any row; a claim, which has rows locked, waits for nobody.

-- minutehand.order_of(settings) -> text: 'block', 'step_aside', or null without an order.  Never raises: it runs in the app's own
-- statements.
create or replace function minutehand.order_of(p_settings jsonb) returns text
language sql immutable as $$
  select case when p_settings ->> 'order' = 'entity' and minutehand.order_problem(p_settings) is null
    then coalesce(p_settings ->> 'order_waits', 'block') end
$$;

-- minutehand.order_problem(settings) -> text: what in it cannot be read, so that there is no order; or null.
create or replace function minutehand.order_problem(p_settings jsonb) returns text
language sql immutable as $$
  select case
    when nullif(p_settings -> 'order', 'null') <> '"entity"'
      then format('settings.order is %s: write "entity" or leave it out', left(p_settings ->> 'order', 60))
    when nullif(p_settings -> 'order_waits', 'null') not in ('"block"', '"step_aside"')
      then format('settings.order_waits is %s: write "block" or "step_aside"', left(p_settings ->> 'order_waits', 60))
  end
$$;

-- minutehand.group_key(entity, workflow) -> bigint: the lock of a group, one of 4,096, so that two groups seldom share it.
create or replace function minutehand.group_key(p_entity_id text, p_workflow_id uuid) returns bigint
language sql immutable as $$
  select x'6d696e7574651000'::bigint | (hashtextextended(concat_ws(E'\n', p_workflow_id, p_entity_id), 0) & 4095)
$$;

-- minutehand.group_keys(ids) -> the locks of their groups, sorted; none for executions without an order.
create or replace function minutehand.group_keys(p_ids uuid[]) returns bigint[]
language sql stable set search_path = '' as $$
  select array(
    select distinct minutehand.group_key(coalesce(entity_id::text, ''), workflow_id)
    from public.automation_execution_logs
    where id = any (p_ids) and entity_order is not null
    order by 1)
$$;

-- minutehand.ids_of([{"id", …}]) -> the ids.
create or replace function minutehand.ids_of(p_items jsonb) returns uuid[]
language sql immutable set search_path = '' as $$
  select array(select (value ->> 'id')::uuid from jsonb_array_elements(p_items))
$$;

-- minutehand.ordering_groups() -> all unfinished executions with an order, each group in its order: first those in flight
-- (part 0), then the pending ones (part 1).  These are the rows and the order of the index automation_execution_logs_ordering.
-- A plain query, so that it becomes part of its caller's.
create or replace function minutehand.ordering_groups()
returns table (
  entity text, workflow_id uuid, part integer, event_id bigint, created_at timestamptz, id uuid, code text
) language sql stable as $$
  select coalesce(entity_id::text, ''), workflow_id,
         case when status = 'pending' and lease_expires_at is null then 1 else 0 end,
         coalesce(event_id, 0), created_at, id, code
  from public.automation_execution_logs
  where entity_order is not null
    and (status in ('pending', 'processing', 'running') or lease_expires_at is not null)
    and not (entity_order = 'step_aside' and status = 'pending' and coalesce(code, '') = 'waiting'
             and lease_expires_at is null)
$$;

-- minutehand.unmatched_before(entity, workflow, event) -> id of an earlier change of the row that may still start the workflow,
-- or null.  Reads the oldest 100 unmatched events; behind so many nobody can tell, and it waits.
create or replace function minutehand.unmatched_before(p_entity text, p_workflow_id uuid, p_event_id bigint) returns bigint
language sql stable as $$
  select e.id
  from (
    select o.*, row_number() over (order by o.id) as nr
    from (
      select id, entity_id, types
      from public.automation_events
      where matched_at is null and match_attempts < 5 and id < p_event_id
      order by id
      limit 100
    ) o
  ) e
  where e.nr = 100 or e.entity_id = p_entity and exists (
    select from public.automation_workflows w where w.id = p_workflow_id and w.trigger_type = any (e.types))
  order by e.id
  limit 1
$$;

-- minutehand.admit(ids, admitted, now) -> those of p_ids that may run; the rest of their groups that is due is deferred.
-- p_ids are pending, due and locked by the caller; p_taken are about to run already.  A group that another call is deciding on
-- is left alone: its rows stay due.
-- Of those behind p_ids it defers the next 100.  A picked one is due again after as long as it has waited, a minute to an hour;
-- one that was only behind, after an hour.
create or replace function minutehand.admit(p_ids uuid[], p_taken uuid[], p_now timestamptz) returns uuid[]
language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_keys bigint[] := minutehand.group_keys(p_ids);
  v_unmatched boolean;
  v_may uuid[];
begin
  if v_keys = '{}' then
    return p_ids;
  end if;
  v_keys := array(select key from unnest(v_keys) as key where pg_try_advisory_xact_lock(key));
  v_unmatched := exists (select from public.automation_events where matched_at is null);
  -- A statement of its own: it sees what the previous holders of the locks have done.
  with picked as materialized (
    select l.id, l.entity_order is not null as is_ordered, coalesce(l.entity_id::text, '') as entity, l.workflow_id,
           coalesce(l.event_id, 0) as event_id, l.created_at, row_number() over (
             partition by l.entity_order is not null, coalesce(l.entity_id::text, ''), l.workflow_id
             order by coalesce(l.event_id, 0), l.created_at, l.id) as nr
    from public.automation_execution_logs l
    where l.id = any (p_ids)
  ), foremost as materialized (
    select p.*, ahead.id as ahead, unmatched.event
    from picked p
    left join lateral (
      select f.id
      from (
        select * from minutehand.ordering_groups() f
        where f.entity = p.entity and f.workflow_id = p.workflow_id
        order by f.entity, f.workflow_id, f.part, f.event_id, f.created_at, f.id
        limit 1
      ) f
      where f.part = 0 or (f.event_id, f.created_at, f.id) < (p.event_id, p.created_at, p.id)
      union all
      select t.id
      from public.automation_execution_logs t
      where t.id = any (p_taken) and coalesce(t.entity_id::text, '') = p.entity and t.workflow_id = p.workflow_id
      limit 1
    ) ahead on true
    cross join lateral (
      select case when v_unmatched then minutehand.unmatched_before(p.entity, p.workflow_id, p.event_id) end as event
    ) unmatched
    where p.is_ordered and p.nr = 1 and minutehand.group_key(p.entity, p.workflow_id) = any (v_keys)
  ), behind as (
    select b.id, f.id as foremost
    from foremost f
    cross join lateral (
      select l.id
      from public.automation_execution_logs l
      where l.status = 'pending' and minutehand.due_at(l) <= p_now and l.id <> all (p_ids)
        and l.id = any (array(
          select n.id
          from minutehand.ordering_groups() n
          where n.entity = f.entity and n.workflow_id = f.workflow_id and n.part = 1
            and (n.event_id, n.created_at, n.id) > (f.event_id, f.created_at, f.id)
          order by n.entity, n.workflow_id, n.part, n.event_id, n.created_at, n.id
          limit greatest(100 / (select count(*) from foremost), 1)))
      for update skip locked
    ) b
  ), deferred as (
    update public.automation_execution_logs l
    set code = 'earlier_unfinished', scheduled_at = p_now + q.look_after, reason = case
        when q.ahead is null and q.event is not null
          then format('waits until an earlier change of its row is matched (event %s)', q.event)
        else format('waits for execution %s of the same row', coalesce(q.ahead, q.foremost)) end
    from (
      select p.id, f.id as foremost, f.ahead, f.event,
             least(greatest(p_now - minutehand.bounded_time(p.created_at), interval '1 minute'), interval '1 hour') as look_after
      from foremost f
      join picked p on p.is_ordered and p.entity = f.entity and p.workflow_id = f.workflow_id
      where p.nr > 1 or f.ahead is not null or f.event is not null
      union all
      select b.id, f.id, f.ahead, f.event, interval '1 hour' from behind b join foremost f on f.id = b.foremost
    ) q
    where l.id = q.id
  )
  select array(
    select p.id from picked p where not p.is_ordered
    union all
    select f.id from foremost f where f.ahead is null and f.event is null)
  into v_may;
  return v_may;
end
$$;

-- minutehand.lock_groups([{"id", …}]): takes the locks of their groups, sorted; before any row is locked, once a transaction.
-- Nearly always one probe of an empty index.
create or replace function minutehand.lock_groups(p_items jsonb) returns void
language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
begin
  if exists (select from minutehand.ordering_groups()) then
    perform pg_advisory_xact_lock(key) from unnest(minutehand.group_keys(minutehand.ids_of(p_items))) as key;
  end if;
end
$$;

-- minutehand.wake([{"id", …}], now, locked): the next execution behind these, which ended or began to wait, is due at once, if it
-- is deferred.  If the caller has not locked the groups, nothing is waited for: a wake that a claim just misses is made up for
-- when the deferred execution becomes due by itself.  Locks: the rows.
create or replace function minutehand.wake(p_items jsonb, p_now timestamptz, p_locked boolean) returns void
language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_ids uuid[];
  v_next uuid[];
begin
  if not exists (select from minutehand.ordering_groups()) then
    return;
  end if;
  v_ids := minutehand.ids_of(p_items);
  v_next := array(
    select n.id
    from (
      select distinct coalesce(entity_id::text, '') as entity, workflow_id
      from public.automation_execution_logs
      where id = any (v_ids) and entity_order is not null
    ) line
    cross join lateral (
      select f.id, f.code
      from minutehand.ordering_groups() f
      where f.entity = line.entity and f.workflow_id = line.workflow_id
      order by f.entity, f.workflow_id, f.part, f.event_id, f.created_at, f.id
      limit 1
    ) n
    where n.code = 'earlier_unfinished');
  if not p_locked then
    v_next := array(
      select id from public.automation_execution_logs where id = any (v_next) for update skip locked);
  end if;
  update public.automation_execution_logs
  set scheduled_at = p_now, code = null, reason = null
  where id = any (v_next) and status = 'pending' and code = 'earlier_unfinished';
  if found then
    perform minutehand.notify();
  end if;
exception when others then
  if not minutehand.is_unstorable(sqlstate) then
    raise;
  end if;
  raise warning 'minutehand: what waits behind % is due later by itself: %', p_items, sqlerrm;
end
$$;

-- minutehand.undefer_stale(ids, before, limit) -> how many: executions that were deferred behind these, which are now stale, and
-- are as old, are due when they were created, so that the next call of skip_stale takes them too.
create or replace function minutehand.undefer_stale(p_ids uuid[], p_before timestamptz, p_limit integer) returns integer
language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_count integer;
begin
  if not exists (select from minutehand.ordering_groups()) then
    return 0;
  end if;
  update public.automation_execution_logs l
  set scheduled_at = null, code = null, reason = null
  from (
    select b.id
    from (
      select coalesce(entity_id::text, '') as entity, workflow_id, min(coalesce(event_id, 0)) as event_id
      from public.automation_execution_logs
      where id = any (p_ids) and status = 'skipped' and entity_order is not null
      group by 1, 2
    ) line
    cross join lateral (
      select f.id
      from minutehand.ordering_groups() f
      where f.entity = line.entity and f.workflow_id = line.workflow_id and f.part = 1
        and f.event_id >= line.event_id and f.code = 'earlier_unfinished' and f.created_at < p_before
      limit p_limit
    ) b
    limit p_limit
  ) q
  where l.id = q.id;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
