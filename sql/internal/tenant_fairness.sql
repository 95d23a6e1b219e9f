-- Tenant fairness: the queue is read tenant by tenant, through its index alone (R4).  The callers set enable_seqscan to off.

-- minutehand.pick_by_tenant(limit, now) -> ids, locked: an equal share of each tenant that has due executions, oldest first.
-- What one tenant leaves of its share goes to those who have more, in a second and at most a third round; a round is one
-- statement.  Executions blocked by an earlier one of the same row (minutehand.admit) do not use up the batch: the scan
-- continues, with 50 or more in a round, for at most twenty rounds.
create or replace function minutehand.pick_by_tenant(p_limit integer, p_now timestamptz) returns uuid[]
language plpgsql set search_path = '' as $$
declare
  v_pauses constant minutehand.pauses := (select p from minutehand.pauses p);
  v_tenants text[] := minutehand.tenants_due(p_limit, p_now);
  v_ids uuid[] := '{}';
  v_seen uuid[] := '{}';
  v_more uuid[];
  v_left integer := p_limit;
  v_wanted integer := p_limit;
  v_rounds integer := 3;
  v_ordered boolean;
  v_again boolean := false;
begin
  for v_round in 1..20 loop
    exit when v_left = 0 or cardinality(v_tenants) = 0 or v_round > v_rounds;
    with turn as (
      select tenant, v_wanted / cardinality(v_tenants) + (nr <= v_wanted % cardinality(v_tenants))::integer as share
      from unnest(v_tenants) with ordinality as t (tenant, nr)
    ), picked as (
      select turn.tenant, turn.share, l.id, l.entity_order
      from turn
      cross join lateral (
        select id, entity_order
        from public.automation_execution_logs l
        where status = 'pending' and minutehand.tenant_of(l) = turn.tenant and minutehand.due_at(l) <= p_now
          and minutehand.is_claimable(l, v_pauses) and id <> all (v_seen)
        order by minutehand.due_at(l), id
        limit turn.share
        for update skip locked
      ) l
    )
    select coalesce(array_agg(id), '{}'), coalesce(bool_or(entity_order is not null), false),
           array(select tenant from picked group by tenant, share having count(*) = share)
    into v_more, v_ordered, v_tenants
    from picked;
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
        v_tenants := minutehand.tenants_due(v_wanted, p_now);
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

-- minutehand.next_by_tenant(stop) -> each tenant's next execution that may be claimed; nothing while everything is paused.
-- A loose index scan: one probe of the queue's index for each tenant, however many rows it has.  It stops at the first
-- tenant whose next execution is due by p_stop, if that is given.  A plain query, so that it becomes part of its caller's.
create or replace function minutehand.next_by_tenant(p_stop timestamptz default null)
returns table (tenant text, due timestamptz) language sql stable as $$
  with recursive paused as (
    select p as pauses from minutehand.pauses p
  ), head (tenant, due, is_claimable) as (
    select l.*
    from paused
    cross join lateral (
      select minutehand.tenant_of(l), minutehand.due_at(l), minutehand.is_claimable(l, paused.pauses)
      from public.automation_execution_logs l
      where l.status = 'pending' and not (paused.pauses).everything
      order by minutehand.tenant_of(l), minutehand.due_at(l), l.id
      limit 1
    ) l
    union all
    select n.*
    from head h, paused
    cross join lateral (
      select minutehand.tenant_of(l), minutehand.due_at(l), minutehand.is_claimable(l, paused.pauses)
      from public.automation_execution_logs l
      where l.status = 'pending' and minutehand.tenant_of(l) > h.tenant
      order by minutehand.tenant_of(l), minutehand.due_at(l), l.id
      limit 1
    ) n
    where p_stop is null or h.due > p_stop or not h.is_claimable
  )
  select h.tenant, case
    when h.is_claimable then h.due
    when not minutehand.is_paused(h.tenant, null, paused.pauses) then (
      -- Its oldest may not be claimed: look for the next one behind it.
      select minutehand.due_at(l)
      from public.automation_execution_logs l
      where l.status = 'pending' and minutehand.tenant_of(l) = h.tenant and minutehand.is_claimable(l, paused.pauses)
      order by minutehand.due_at(l), l.id
      limit 1) end
  from head h, paused
$$;

-- minutehand.tenants_due(limit, now) -> the tenants whose turn it is.
-- If more are due than fit, half of the places go to those who wait longest, and the rest are drawn at random, so that many
-- old backlogs do not delay a new tenant.
create or replace function minutehand.tenants_due(p_limit integer, p_now timestamptz) returns text[]
language sql volatile set search_path = '' as $$
  select coalesce(array_agg(tenant), '{}')
  from (
    select tenant
    from (
      select tenant, row_number() over (order by due, tenant) <= p_limit / 2 as is_longest
      from minutehand.next_by_tenant()
      where due <= p_now
    ) due
    order by is_longest desc, random()
    limit p_limit
  ) t
$$;
