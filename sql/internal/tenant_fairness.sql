-- Tenant fairness: which of the due executions are claimed when more are due than fit (R4).  Everything is read through two
-- indexes: the queue, tenant by tenant, and the due times of all.  The callers set enable_seqscan to off.
-- What a claim reads depends on its limit, not on how many rows or tenants wait.  The exception are due executions that are
-- paused and stand before those that are not: each is read, and none of them blocks anything.

-- minutehand.pick_by_tenant(limit, now) -> ids, locked.  If everything that is due fits, that; else an equal share of each tenant
-- whose turn it is, oldest first.  What one tenant leaves of its share goes to those who have more, in a second and at most a
-- third round; a round is one statement.  What is then left is filled by age alone, so that a claim returns fewer than asked for
-- only if no more are due.  Executions blocked by an earlier one of the same row (minutehand.admit) do not use up the batch: the
-- scan continues, with 50 or more in a round, for at most twenty rounds.
-- enable_bitmapscan is off: a bitmap has no order, so all that a tenant has would be read and sorted.
create or replace function minutehand.pick_by_tenant(p_limit integer, p_now timestamptz) returns uuid[]
language plpgsql set search_path = '' set enable_bitmapscan = off as $$
declare
  v_pauses constant minutehand.pauses := (select p from minutehand.pauses p);
  v_tenants text[];  -- none: all, by age
  v_is_all boolean := false;  -- nothing is due but what these tenants have
  v_since timestamptz;  -- nothing before it may be claimed
  v_ids uuid[] := '{}';
  v_seen uuid[] := '{}';
  v_more uuid[];
  v_left integer := p_limit;
  v_wanted integer := p_limit;
  v_rounds integer := 4;
  v_ordered boolean;
  v_again boolean := false;
begin
  if not v_pauses.everything then
    select c.tenants, c.is_all, c.since into v_tenants, v_is_all, v_since
    from minutehand.choose_tenants(p_limit, p_now, v_pauses) c;
  end if;
  for v_round in 1..20 loop
    exit when v_since is null or v_left = 0 or v_round > v_rounds or v_is_all and v_tenants = '{}';
    if v_tenants = '{}' or v_round = v_rounds then
      with picked as (
        select id, entity_order
        from public.automation_execution_logs l
        where status = 'pending' and minutehand.is_of_all(l) and minutehand.due_of_all(l) between v_since and p_now
          and minutehand.is_claimable(l, v_pauses) and id <> all (v_seen)
        order by minutehand.due_of_all(l), id
        limit v_wanted
        for update skip locked
      )
      select coalesce(array_agg(id), '{}'), coalesce(bool_or(entity_order is not null), false), '{}', count(*) < v_wanted
      into v_more, v_ordered, v_tenants, v_is_all
      from picked;
    else
      with turn as (
        select tenant, nr, v_wanted / cardinality(v_tenants) + (nr <= v_wanted % cardinality(v_tenants))::integer as share
        from unnest(v_tenants) with ordinality as t (tenant, nr)
      ), picked as (
        select turn.tenant, l.id, l.entity_order
        from turn
        cross join lateral (
          select id, entity_order
          from public.automation_execution_logs l
          where status = 'pending' and minutehand.tenant_of(l) = turn.tenant
            and minutehand.due_at(l) between v_since and p_now
            and minutehand.is_claimable(l, v_pauses) and id <> all (v_seen)
          order by minutehand.due_at(l), id
          limit turn.share
          for update skip locked
        ) l
      )
      select coalesce(array_agg(id), '{}'), coalesce(bool_or(entity_order is not null), false),
             array(  -- who may have more; first, who was left out since less was wanted than there are tenants
               select tenant
               from turn
               left join picked using (tenant)
               group by tenant, share, nr
               having count(picked.id) = share
               order by share, nr)
      into v_more, v_ordered, v_tenants
      from picked;
    end if;
    exit when v_again and v_more = '{}';
    v_seen := v_seen || v_more;
    if v_ordered then
      v_more := minutehand.admit(v_more, v_ids, p_now);
      v_more := array(
        select id from public.automation_execution_logs l
        where id = any (v_more) order by minutehand.due_at(l), id limit v_left);
    end if;
    v_ids := v_ids || v_more;
    v_left := v_left - cardinality(v_more);
    v_wanted := v_left;
    if cardinality(v_seen) > cardinality(v_ids) then
      v_rounds := 20;
      v_wanted := greatest(v_left, 50);
      v_again := v_more = '{}';
      if v_again then  -- choose tenants again, now that the blocked executions are deferred
        select c.tenants, c.is_all, c.since into v_tenants, v_is_all, v_since
        from minutehand.choose_tenants(v_wanted, p_now, v_pauses) c;
      end if;
    end if;
  end loop;
  return v_ids;
end
$$;

-- minutehand.pick_suspects(limit, now) -> ids, locked: executions with which two workers were lost, oldest due first (R7).
create or replace function minutehand.pick_suspects(p_limit integer, p_now timestamptz) returns uuid[]
language sql volatile set search_path = '' as $$
  select minutehand.admit(array(
    select l.id
    from public.automation_execution_logs l
    cross join (select p as pauses from minutehand.pauses p) x
    where l.status = 'pending' and minutehand.is_suspect(l) and minutehand.due_at(l) <= p_now
      and not minutehand.is_paused(minutehand.tenant_of(l), l.workflow_id, x.pauses)
    order by minutehand.due_at(l), l.id
    limit p_limit
    for update of l skip locked), '{}', p_now)
$$;

-- minutehand.choose_tenants(limit, now, pauses) -> (tenants, is_all, since): the tenants whose turn it is, none if everything that
-- is due fits; is_all: no other tenant has any; since: when the oldest that may be claimed was due, null if none may.
-- Tenants take their turns in the order of their ids: a claim continues where the last one stopped (minutehand.tenant_turns),
-- so that each has had one after (due tenants / limit) claims, however old the backlogs of the others.  Where most tenants
-- only wait for later, it passes over 300 of them; if these are not enough, the tenants of the oldest and of the newest due
-- executions fill the places: who has waited longest, and newcomers.
-- A turn is one of eight rows: claims at the same time take different ones, and never wait.
create or replace function minutehand.choose_tenants(
  p_limit integer, p_now timestamptz, p_pauses minutehand.pauses, out tenants text[], out is_all boolean,
  out since timestamptz
) language plpgsql set search_path = '' as $$
declare
  v_fits boolean;
  v_slot integer;
  v_from text;
  v_walk record;
begin
  tenants := '{}';
  is_all := false;
  select count(*) <= p_limit, min(oldest.due)
  into v_fits, since
  from (
    select minutehand.due_of_all(l) as due
    from public.automation_execution_logs l
    where l.status = 'pending' and minutehand.is_of_all(l) and minutehand.due_of_all(l) <= p_now
      and minutehand.is_claimable(l, p_pauses)
    order by minutehand.due_of_all(l), l.id
    limit p_limit + 1
  ) oldest;
  if v_fits then
    return;
  end if;
  select t.slot, t.tenant into v_slot, v_from
  from minutehand.tenant_turns t order by t.slot limit 1 for update skip locked;
  if not found then
    v_from := (select t.tenant from minutehand.tenant_turns t order by random() limit 1);
  end if;

  v_walk := minutehand.walk_tenants(v_from, null, p_limit, 300, since, p_now, p_pauses);
  tenants := v_walk.due;
  is_all := v_walk.ended;
  if v_walk.ended and v_from is not null then
    v_walk := minutehand.walk_tenants(
      null, v_from, p_limit - cardinality(tenants), 300 - v_walk.passed, since, p_now, p_pauses);
    tenants := tenants || v_walk.due;
    is_all := v_walk.ended;
  end if;
  if is_all then
    tenants := array(select tenant from unnest(tenants) as tenant order by random());  -- who gets what an equal share leaves over
    return;
  end if;
  update minutehand.tenant_turns set tenant = v_walk.last where slot = v_slot;
  if cardinality(tenants) < p_limit then
    tenants := array(
      select x.tenant
      from (
        select tenant, 0 as nr from unnest(tenants) as tenant
        union all
        select tenant, row_number() over ()
        from (
          select minutehand.tenant_of(l) as tenant
          from public.automation_execution_logs l
          where l.status = 'pending' and minutehand.is_of_all(l) and minutehand.due_of_all(l) between since and p_now
            and minutehand.is_claimable(l, p_pauses)
          order by minutehand.due_of_all(l) desc, l.id desc
          limit p_limit
        ) newest
        union all
        select tenant, row_number() over ()
        from (
          select minutehand.tenant_of(l) as tenant
          from public.automation_execution_logs l
          where l.status = 'pending' and minutehand.is_of_all(l) and minutehand.due_of_all(l) between since and p_now
            and minutehand.is_claimable(l, p_pauses)
          order by minutehand.due_of_all(l), l.id
          limit p_limit
        ) oldest
      ) x
      group by x.tenant
      order by min(x.nr), x.tenant
      limit p_limit);
  end if;
end
$$;

-- minutehand.walk_tenants(after, until, limit, most passed, since, now, pauses) -> (due, last, passed, ended): the tenants with
-- executions that may be claimed now, in the order of their ids, at most p_limit; `last` is the last one that was looked at;
-- `passed`, how many have none; ended: there is none behind the last.  p_after, p_until: null: from the first, to the last.
-- p_since: nothing before it may be claimed.
-- A loose index scan: one probe of the queue's index for each tenant, however many rows it has.  It counts as it goes, because
-- nothing else ends a recursion early.
create or replace function minutehand.walk_tenants(
  p_after text, p_until text, p_limit integer, p_passed integer, p_since timestamptz, p_now timestamptz,
  p_pauses minutehand.pauses, out due text[], out last text, out passed integer, out ended boolean
) language plpgsql stable set search_path = '' as $$
begin
  with recursive walk (tenant, is_due, found, passed) as (
    select s.tenant, s.is_due, s.is_due::integer, 0
    from (
      select coalesce(p_after, '') as tenant, coalesce((
        -- The first of all, which none is before.
        select true
        from public.automation_execution_logs l
        where p_after is null and l.status = 'pending' and minutehand.tenant_of(l) = ''
          and minutehand.due_at(l) between p_since and p_now and minutehand.is_claimable(l, p_pauses)
        order by minutehand.due_at(l), l.id
        limit 1), false) as is_due
    ) s
    union all
    select n.tenant, n.is_due, w.found + n.is_due::integer, w.passed + (not n.is_due)::integer
    from walk w
    cross join lateral (
      select h.tenant, coalesce(case
        when h.due > p_now or minutehand.is_paused(h.tenant, null, p_pauses) then false
        when h.is_claimable then h.due <= p_now
        else (
          -- Its oldest may not be claimed: look for the next one behind it.
          select true
          from public.automation_execution_logs l
          where l.status = 'pending' and minutehand.tenant_of(l) = h.tenant
            and minutehand.due_at(l) between p_since and p_now and minutehand.is_claimable(l, p_pauses)
          order by minutehand.due_at(l), l.id
          limit 1) end, false) as is_due
      from (
        select minutehand.tenant_of(l) as tenant, minutehand.due_at(l) as due, minutehand.is_claimable(l, p_pauses) as is_claimable
        from public.automation_execution_logs l
        where l.status = 'pending' and minutehand.tenant_of(l) > w.tenant
        order by minutehand.tenant_of(l), minutehand.due_at(l), l.id
        limit 1
      ) h
      where p_until is null or h.tenant <= p_until
    ) n
    where w.found < p_limit and w.passed < p_passed
  )
  select coalesce(array_agg(w.tenant order by w.found) filter (where w.is_due), '{}'), max(w.tenant), max(w.passed),
         max(w.found) < p_limit and max(w.passed) < p_passed
  into due, last, passed, ended
  from walk w;
end
$$;

-- minutehand.first_due(pauses) -> timestamptz: when the first execution that may be claimed is due; null: there is none.
create or replace function minutehand.first_due(p_pauses minutehand.pauses) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
  return (
    select minutehand.due_at(l)
    from public.automation_execution_logs l
    where l.status = 'pending' and minutehand.is_of_all(l) and not (p_pauses).everything
      and minutehand.is_claimable(l, p_pauses)
    order by minutehand.due_of_all(l), l.id
    limit 1);
end
$$;
