-- Order per entity (`settings.order`): the executions of one workflow and row run one at a time, in the order of the
-- changes.  An execution is put in line when it is made (entity_order), the claim parks whose turn it is not, and who ends
-- calls the next.  What is parked looks again by itself, should nobody have called it.
-- Decisions about a line hold its advisory lock, so that two claims never both begin, and no call is missed.  Who ends waits
-- for that lock before it locks any row; a claim, which has rows locked, waits for nobody.

-- minutehand.order_of(settings) -> text: 'block', 'step_aside', or null where there is no order.  Total; called in the app's
-- own statements.
create or replace function minutehand.order_of(p_settings jsonb) returns text
language sql immutable as $$
  select case when p_settings ->> 'order' = 'entity' and minutehand.order_problem(p_settings) is null
    then coalesce(p_settings ->> 'order_waits', 'block') end
$$;

-- minutehand.order_problem(settings) -> text: what cannot be read of it, so that there is no order; or null.
create or replace function minutehand.order_problem(p_settings jsonb) returns text
language sql immutable as $$
  select case
    when nullif(p_settings -> 'order', 'null') <> '"entity"'
      then format('settings.order is %s: "entity" is wanted, or nothing', left(p_settings ->> 'order', 60))
    when nullif(p_settings -> 'order_waits', 'null') not in ('"block"', '"step_aside"')
      then format('settings.order_waits is %s: "block" or "step_aside" is wanted', left(p_settings ->> 'order_waits', 60))
  end
$$;

-- minutehand.group_key(entity, workflow) -> bigint: the lock of a line; one of 4,096, so that other lines seldom share it.
create or replace function minutehand.group_key(p_entity_id text, p_workflow_id uuid) returns bigint
language sql immutable as $$
  select x'6d696e7574651000'::bigint | (hashtextextended(concat_ws(E'\n', p_workflow_id, p_entity_id), 0) & 4095)
$$;

-- minutehand.group_keys(ids) -> the locks of their lines, sorted; none for what has no order.
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

-- minutehand.ordering_groups() -> everything that is in a line, each line in its order: what is in flight (part 0), then what is
-- pending (part 1).  These are the rows of the index automation_execution_logs_ordering, and their order is its.
-- A plain query, so that it is planned into its caller's.
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

-- minutehand.unmatched_before(entity, workflow, event) -> id of an earlier change of the row that may still start the
-- workflow, or null.  Of the oldest 100; behind so many nobody can tell, and it waits.
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

-- minutehand.admit(ids, taken, now) -> those of p_ids whose turn it is; the rest of their lines that is due is parked.
-- p_ids are pending, due and locked by the caller; p_taken are about to run already.  A line that another is deciding is
-- left alone: its rows stay due.
-- Of those behind p_ids it parks what stands in the next 100 places.  Who was picked looks again after as long as it has
-- waited, a minute to an hour; who was only behind, after an hour.
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
  -- A statement of its own: it sees what whoever held the locks has done.
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
  ), parked as (
    update public.automation_execution_logs l
    set code = 'earlier_unfinished', scheduled_at = p_now + q.look_after, reason = case
        when q.ahead is null and q.event is not null
          then format('an earlier change of its row is not matched yet (event %s)', q.event)
        else format('it waits for execution %s, about the same row', coalesce(q.ahead, q.foremost)) end
    from (
      select p.id, f.id as foremost, f.ahead, f.event,
             least(greatest(p_now - p.created_at, interval '1 minute'), interval '1 hour') as look_after
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

-- minutehand.lock_groups([{"id", …}]): takes the locks of their lines, sorted: before any row is locked, once a transaction.
-- Nearly always one probe of an empty index.
create or replace function minutehand.lock_groups(p_items jsonb) returns void
language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
begin
  if exists (select from minutehand.ordering_groups()) then
    perform pg_advisory_xact_lock(key) from unnest(minutehand.group_keys(minutehand.ids_of(p_items))) as key;
  end if;
end
$$;

-- minutehand.wake([{"id", …}], now, locked): what is next behind these, which ended or began to wait, is due at once, if
-- it is parked.  Where the caller has not locked the lines, nothing is waited for: a call that a claim just misses is made up
-- for when the row looks again.  Locks: the rows.
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
end
$$;

-- minutehand.unpark_stale(ids, before, limit) -> how many: what was parked behind these, which are held as stale, and is as old
-- as they are, is due when it was made, so that the next bite holds it too.
create or replace function minutehand.unpark_stale(p_ids uuid[], p_before timestamptz, p_limit integer) returns integer
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
