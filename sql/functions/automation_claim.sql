-- automation_claim(p_token, p_limit, p_worker, p_lease_seconds, p_max_attempts, p_ids, p_alone, p_now) ->
--   {"now", "executions": [{id, workflow_id, workflow_version, entity_id, attempt, max_attempts, trigger_data, recorded,
--    alone}], "workflows": {"<id>:<version>": {id, version, name, definition}}, "ended": [{id, status, code, reason, …}],
--    "suspects": bool, "next_seconds": number | null}
-- Makes up to p_limit due executions `processing` under the lease p_token, which the caller chose for this one call: the
-- same call repeated returns the same rows and spends nothing (R5).  Oldest due first within a tenant, tenants in turn
-- (R4).  Rows whose workers were lost twice are left out and told as `suspects`; with p_alone one of them is claimed, and
-- nothing else (R7).  `ended` holds what the claim itself had to end: it counts as claimed.
-- Locks: the rows (skip locked); for rows that others inserted, advisory locks on workflow and row, sorted.
-- Called by: store.claim.
create or replace function public.automation_claim(
  p_token uuid,
  p_limit integer default 10,
  p_worker text default null,
  p_lease_seconds integer default 120,
  p_max_attempts integer default 5,
  p_ids jsonb default null,
  p_alone boolean default false,
  p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_claimed uuid[];
  v_ended jsonb := '[]';
begin
  select array_agg(id) into v_claimed
  from public.automation_execution_logs
  where status = 'processing' and lease_token = p_token;

  if v_claimed is null then
    v_claimed := minutehand.take(
      p_token, case when p_alone then 1 else p_limit end, p_worker, p_lease_seconds, p_max_attempts, p_ids, p_alone,
      v_now);
    v_ended := minutehand.end_at_claim(v_claimed, p_token, v_now);
  end if;

  return minutehand.claimed(p_token, v_now) || jsonb_build_object(
    'now', v_now,
    'ended', v_ended,
    'suspects', exists (
      select from public.automation_execution_logs
      where status = 'pending' and lost_leases >= 2 and coalesce(scheduled_at, created_at) <= v_now
        and not minutehand.is_paused(organization_id::text, user_id::text, workflow_id)),
    'next_seconds', minutehand.seconds_to_next(v_now));
end
$$;
comment on function public.automation_claim is 'minutehand: makes due executions processing under a lease';

-- minutehand.take(…) -> ids now processing.  Two set-based statements, however many rows: whose turn it is, then their rows.
create or replace function minutehand.take(
  p_token uuid, p_limit integer, p_worker text, p_lease_seconds integer, p_max_attempts integer, p_ids jsonb,
  p_alone boolean, p_now timestamptz
) returns uuid[] language plpgsql set search_path = '' as $$
declare
  v_tenants text[];
  v_ids uuid[] := case when jsonb_typeof(p_ids) = 'array' then array(select jsonb_array_elements_text(p_ids)::uuid) end;
  v_paused uuid[] := array(select target::uuid from public.automation_control where scope = 'workflow');
  v_claimed uuid[];
begin
  if p_limit < 1 or exists (select from public.automation_control where scope = 'all') then
    return '{}';
  end if;
  v_tenants := minutehand.tenants_due(p_limit, p_now);

  with turn as (
    select t.tenant
    from unnest(v_tenants) as t (tenant)
    where v_ids is null
  ), picked as (
    -- Each tenant's share: its oldest due.  Never more than the limit and one row a tenant are locked.
    select l.id, l.due
    from turn
    cross join lateral (
      select id, coalesce(scheduled_at, created_at) as due
      from public.automation_execution_logs
      where status = 'pending'
        and coalesce(organization_id::text, user_id::text, '') = turn.tenant
        and coalesce(scheduled_at, created_at) <= p_now
        and (coalesce(lost_leases, 0) >= 2) = p_alone
        and (workflow_id is null or workflow_id <> all (v_paused))
      order by coalesce(scheduled_at, created_at), id
      limit ceil(p_limit::numeric / greatest(cardinality(v_tenants), 1))::bigint
      for update skip locked
    ) l
    union all
    -- Asked for by id: the lock is what matters, not the turn.
    select l.id, l.due
    from (
      select id, coalesce(scheduled_at, created_at) as due
      from public.automation_execution_logs
      where id = any (v_ids) and status = 'pending' and coalesce(scheduled_at, created_at) <= p_now
        and (workflow_id is null or workflow_id <> all (v_paused))
      order by id
      for update skip locked
    ) l
  ), chosen as (
    select id from picked order by due, id limit p_limit
  ), taken as (
    update public.automation_execution_logs l
    set status = 'processing',
        lease_token = p_token,
        lease_expires_at = p_now + make_interval(secs => p_lease_seconds),
        worker = p_worker,
        attempt = coalesce(attempt, 0) + 1,
        max_attempts = coalesce(max_attempts, p_max_attempts),
        started_at = coalesce(started_at, p_now)
    from chosen
    where l.id = chosen.id
    returning l.id
  )
  select coalesce(array_agg(id), '{}') into v_claimed from taken;
  return v_claimed;
end
$$;

-- minutehand.tenants_due(limit, now) -> the tenants whose turn it is: those with something due, oldest due first.
-- A loose scan: one probe of the queue's index a tenant, however many rows each has.
create or replace function minutehand.tenants_due(p_limit integer, p_now timestamptz) returns text[]
language sql stable set search_path = '' as $$
  with recursive tenants (tenant, due) as (
    (
      select coalesce(organization_id::text, user_id::text, ''), coalesce(scheduled_at, created_at)
      from public.automation_execution_logs
      where status = 'pending'
      order by coalesce(organization_id::text, user_id::text, ''), coalesce(scheduled_at, created_at)
      limit 1
    )
    union all
    select n.tenant, n.due
    from tenants t
    cross join lateral (
      select coalesce(organization_id::text, user_id::text, '') as tenant, coalesce(scheduled_at, created_at) as due
      from public.automation_execution_logs
      where status = 'pending' and coalesce(organization_id::text, user_id::text, '') > t.tenant
      order by coalesce(organization_id::text, user_id::text, ''), coalesce(scheduled_at, created_at)
      limit 1
    ) n
  )
  select coalesce(array_agg(tenant), '{}')
  from (
    select tenant
    from tenants
    where due <= p_now and not exists (
      select from public.automation_control where scope = 'tenant' and target = tenants.tenant)
    order by due
    limit p_limit
  ) t
$$;

-- minutehand.seconds_to_next(now) -> numeric: until the next execution is due; 0 when one is; null when none waits.
create or replace function minutehand.seconds_to_next(p_now timestamptz) returns numeric
language sql stable set search_path = '' as $$
  with recursive tenants (tenant, due) as (
    (
      select coalesce(organization_id::text, user_id::text, ''), coalesce(scheduled_at, created_at)
      from public.automation_execution_logs
      where status = 'pending'
      order by coalesce(organization_id::text, user_id::text, ''), coalesce(scheduled_at, created_at)
      limit 1
    )
    union all
    select n.tenant, n.due
    from tenants t
    cross join lateral (
      select coalesce(organization_id::text, user_id::text, '') as tenant, coalesce(scheduled_at, created_at) as due
      from public.automation_execution_logs
      where status = 'pending' and coalesce(organization_id::text, user_id::text, '') > t.tenant
      order by coalesce(organization_id::text, user_id::text, ''), coalesce(scheduled_at, created_at)
      limit 1
    ) n
    where t.due > p_now  -- one that is due already is answer enough
  )
  select round(greatest(0, extract(epoch from min(due) - p_now)), 3) from tenants
$$;

-- minutehand.is_paused(organization, user, workflow) -> boolean: held by anyone's pause?
create or replace function minutehand.is_paused(p_organization_id text, p_user_id text, p_workflow_id uuid)
returns boolean language sql stable set search_path = '' as $$
  select exists (
    select from public.automation_control
    where scope = 'all'
       or (scope = 'tenant' and target = coalesce(p_organization_id, p_user_id, ''))
       or (scope = 'workflow' and target = p_workflow_id::text))
$$;

-- minutehand.end_at_claim(ids, token, now) -> [{id, status, code, reason}]: what cannot or may not run.
-- Rows whose workflow is gone fail as unreadable.  Rows that others inserted (no event, no replay) get their row and
-- tenant read from trigger_data and the workflow, and are decided by the rate limit here, under sorted locks (R10).
create or replace function minutehand.end_at_claim(p_claimed uuid[], p_token uuid, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_foreign boolean;
  v_ended jsonb;
begin
  select coalesce(bool_or(event_id is null and replay_of is null and attempt = 1), false) into v_foreign
  from public.automation_execution_logs
  where id = any (p_claimed);
  if v_foreign then
    perform minutehand.adopt_claimed(p_claimed, p_now);
  end if;

  with ended as (
    update public.automation_execution_logs l
    set status = v.status, code = v.code, reason = v.reason, completed_at = p_now, lease_expires_at = null,
        error_message = case when v.status = 'failed' then v.reason end,
        attempt = l.attempt - 1
    from (
      select c.id, 'failed' as status, 'unreadable' as code,
             format('workflow %s does not exist', coalesce(c.workflow_id::text, 'null')) as reason
      from public.automation_execution_logs c
      where c.id = any (p_claimed)
        and not exists (select from public.automation_workflows w where w.id = c.workflow_id)
        and not exists (
          select from public.automation_workflow_versions v
          where v.workflow_id = c.workflow_id and v.version = c.workflow_version)
      union all
      select c.id, 'skipped', 'rate_limited', c.reason
      from public.automation_execution_logs c
      where v_foreign and c.id = any (p_claimed) and c.code = 'rate_limited'
    ) v
    where l.id = v.id
    returning l.id, l.workflow_id, l.entity_id, l.status, l.attempt, l.code, l.reason
  )
  select coalesce(jsonb_agg(to_jsonb(ended)), '[]') into v_ended from ended;
  return v_ended;
end
$$;

-- minutehand.adopt_claimed(ids, now): fills row, tenant and version of rows that others inserted, and marks those over
-- the rate limit with code and reason; the caller ends them.
create or replace function minutehand.adopt_claimed(p_claimed uuid[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_row record;
  v_limit record;
begin
  update public.automation_execution_logs l
  set entity_id = coalesce(l.entity_id, minutehand.entity_of(l.trigger_data::jsonb)),
      user_id = coalesce(l.user_id, w.user_id),
      organization_id = coalesce(l.organization_id, w.organization_id),
      workflow_version = coalesce(l.workflow_version, w.version)
  from public.automation_workflows w
  where l.id = any (p_claimed) and l.event_id is null and l.replay_of is null and w.id = l.workflow_id;

  perform pg_advisory_xact_lock(key)
  from (
    select distinct minutehand.limit_key(workflow_id, entity_id) as key
    from public.automation_execution_logs
    where id = any (p_claimed) and event_id is null and replay_of is null and entity_id is not null
    order by 1
  ) keys;

  for v_row in
    select l.id, l.workflow_id, l.entity_id, l.created_at, w.settings::jsonb as settings,
           coalesce(l.trigger_data::jsonb ->> 'new_status', l.trigger_data::jsonb ->> 'newStatus') as new_status
    from public.automation_execution_logs l
    join public.automation_workflows w on w.id = l.workflow_id
    where l.id = any (p_claimed) and l.event_id is null and l.replay_of is null and l.attempt = 1
    order by l.created_at, l.id
  loop
    -- Itself is in flight now; it must not count against itself.
    update public.automation_execution_logs set status = 'skipped' where id = v_row.id;
    select * into v_limit from minutehand.limited(
      v_row.workflow_id, v_row.settings, v_row.entity_id, v_row.new_status, p_now);
    update public.automation_execution_logs
    set status = 'processing',
        code = case when v_limit.until is not null then 'rate_limited' end,
        reason = v_limit.reason
    where id = v_row.id;
  end loop;
end
$$;

-- minutehand.entity_of(trigger_data) -> text: the row that a payload is about, in each shape that the field has.
create or replace function minutehand.entity_of(p_data jsonb) returns text language sql immutable as $$
  select coalesce(
    p_data ->> 'record_id', p_data ->> 'job_id', p_data ->> 'jobId', p_data ->> 'entity_id',
    p_data -> 'new_record' ->> 'id', p_data -> 'job' ->> 'id', p_data -> 'trigger_data' ->> 'job_id')
$$;

-- minutehand.claimed(token, now) -> {"executions": […], "workflows": {…}}: what a lease holds, each definition once.
create or replace function minutehand.claimed(p_token uuid, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with held as (
    select l.*
    from public.automation_execution_logs l
    where l.status = 'processing' and l.lease_token = p_token
  ), used as (
    select distinct workflow_id, workflow_version from held
  )
  select jsonb_build_object(
    'executions', coalesce((
      select jsonb_agg(jsonb_build_object(
        'id', h.id, 'workflow_id', h.workflow_id, 'workflow_version', h.workflow_version, 'entity_id', h.entity_id,
        'attempt', h.attempt, 'max_attempts', h.max_attempts, 'trigger_data', h.trigger_data,
        'recorded', coalesce(h.actions_executed::jsonb, '[]'), 'alone', coalesce(h.lost_leases, 0) >= 2)
        order by coalesce(h.scheduled_at, h.created_at), h.id)
      from held h), '[]'),
    'workflows', coalesce((
      select jsonb_object_agg(
        u.workflow_id || ':' || coalesce(u.workflow_version, 0),
        jsonb_build_object(
          'id', u.workflow_id, 'version', coalesce(u.workflow_version, 0),
          'name', coalesce(v.definition ->> 'name', w.name),
          'definition', coalesce(v.definition, minutehand.definition(to_jsonb(w)))))
      from used u
      left join public.automation_workflow_versions v
        on v.workflow_id = u.workflow_id and v.version = u.workflow_version
      left join public.automation_workflows w on w.id = u.workflow_id), '{}'))
$$;
