-- automation_claim(p_token, p_limit, p_worker, p_lease_seconds, p_max_attempts, p_ids, p_alone, p_now) ->
--   {"now", "executions": [{id, workflow_id, workflow_version, entity_id, attempt, max_attempts, trigger_data, recorded,
--    alone}], "workflows": {"<id>:<version>": {id, version, name, definition}}, "ended": [{id, status, code, reason, …}],
--    "suspects": bool, "next_seconds": number | null}
-- Makes up to p_limit due executions `processing` under the lease p_token, which the caller chose for this one call: the
-- same call repeated returns the same rows and spends nothing (R5).  Oldest due first within a tenant, tenants in turn
-- (R4).  Rows whose workers were lost twice are left out and told as `suspects`; with p_alone one of them is claimed, and
-- nothing else (R7).  `ended` holds what the claim itself had to end: it counts as claimed.  `next_seconds` leaves out
-- what is paused and suspects.
-- In flight under a lease of ours = lease_expires_at is not null, whatever status a callee wrote meanwhile.
-- enable_seqscan: bad statistics must not lead the claim out of its index into the history (R4).
-- Locks: the token (advisory); the rows (skip locked); for rows that others inserted, advisory locks on the row they are
-- about, sorted.  Called by: store.claim.
create or replace function public.automation_claim(
  p_token uuid,
  p_limit integer default 10,
  p_worker text default null,
  p_lease_seconds integer default 120,
  p_max_attempts integer default 5,
  p_ids jsonb default null,
  p_alone boolean default false,
  p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_claimed uuid[];
  v_answer jsonb;
begin
  -- A call whose reply was lost may still run: its repeat waits here, and then sees its rows.
  perform pg_advisory_xact_lock(hashtextextended(p_token::text, 0));
  if exists (
      select from public.automation_execution_logs where lease_token = p_token and lease_expires_at is not null) then
    v_answer := minutehand.claimed(p_token, v_now) || '{"ended": []}';
  else
    v_claimed := minutehand.take(
      p_token, p_limit, p_worker, p_lease_seconds, p_max_attempts, p_ids, p_alone, v_now);
    begin
      perform minutehand.end_at_claim(v_claimed, v_now);
      v_answer := minutehand.claimed(p_token, v_now);
    exception when data_exception then
      -- json of an adopted table may hold what jsonb cannot (\u0000): that row ends, or it would stop every claim.
      perform minutehand.end_unreadable(v_claimed, v_now);
      perform minutehand.end_at_claim(v_claimed, v_now);
      v_answer := minutehand.claimed(p_token, v_now);
    end;
    v_answer := v_answer || jsonb_build_object('ended', minutehand.ended(v_claimed));
  end if;
  return v_answer || jsonb_build_object(
    'now', v_now,
    'suspects', exists (
      select from public.automation_execution_logs
      where status = 'pending' and lost_leases >= 2 and coalesce(scheduled_at, created_at) <= v_now
        and not minutehand.is_paused(organization_id::text, user_id::text, workflow_id)),
    'next_seconds', minutehand.seconds_to_next(v_now));
end
$$;
comment on function public.automation_claim is 'minutehand: makes due executions processing under a lease';

-- minutehand.take(…) -> ids now processing: asked for by id, or one suspect, or each tenant's share.
create or replace function minutehand.take(
  p_token uuid, p_limit integer, p_worker text, p_lease_seconds integer, p_max_attempts integer, p_ids jsonb,
  p_alone boolean, p_now timestamptz
) returns uuid[] language plpgsql set search_path = '' as $$
declare
  v_ids uuid[];
begin
  if p_limit < 1 or exists (select from public.automation_control where scope = 'all') then
    return '{}';
  elsif jsonb_typeof(p_ids) = 'array' then
    v_ids := array(
      select id
      from public.automation_execution_logs
      where id = any (array(select minutehand.to_uuid(value) from jsonb_array_elements_text(p_ids)))
        and status = 'pending' and coalesce(scheduled_at, created_at) <= p_now
        and (coalesce(lost_leases, 0) >= 2) = p_alone
        and not minutehand.is_paused(organization_id::text, user_id::text, workflow_id)
      order by coalesce(scheduled_at, created_at), id
      limit case when p_alone then 1 else p_limit end
      for update skip locked);
  elsif p_alone then
    v_ids := array(
      select id
      from public.automation_execution_logs
      where status = 'pending' and lost_leases >= 2 and coalesce(scheduled_at, created_at) <= p_now
        and not minutehand.is_paused(organization_id::text, user_id::text, workflow_id)
      order by coalesce(scheduled_at, created_at), id
      limit 1
      for update skip locked);
  else
    v_ids := minutehand.shares(p_limit, p_now);
  end if;

  update public.automation_execution_logs
  set status = 'processing',
      lease_token = p_token,
      lease_expires_at = p_now + make_interval(secs => p_lease_seconds),
      worker = p_worker,
      attempt = coalesce(attempt, 0) + 1,
      max_attempts = coalesce(max_attempts, p_max_attempts),
      started_at = coalesce(started_at, p_now)
  where id = any (v_ids);
  return v_ids;
end
$$;

-- minutehand.shares(limit, now) -> ids, locked: from each tenant whose turn it is its share, oldest due first.  What one
-- tenant leaves of its share goes to those who have more, in a second and at most a third round; a round is one statement.
create or replace function minutehand.shares(p_limit integer, p_now timestamptz) returns uuid[]
language plpgsql set search_path = '' as $$
declare
  v_paused constant text[] := array(select target from public.automation_control where scope = 'workflow');
  v_tenants text[] := minutehand.tenants_due(p_limit, p_now);
  v_ids uuid[] := '{}';
  v_more uuid[];
  v_left integer := p_limit;
begin
  for v_round in 1..3 loop
    exit when v_left = 0 or cardinality(v_tenants) = 0;
    with turn as (
      select tenant, v_left / cardinality(v_tenants) + (nr <= v_left % cardinality(v_tenants))::integer as share
      from unnest(v_tenants) with ordinality as t (tenant, nr)
    ), picked as (
      select turn.tenant, turn.share, l.id
      from turn
      cross join lateral (
        select id
        from public.automation_execution_logs
        where status = 'pending'
          and coalesce(organization_id::text, user_id::text, '') = turn.tenant
          and coalesce(scheduled_at, created_at) <= p_now
          and coalesce(lost_leases, 0) < 2
          and (workflow_id is null or workflow_id::text <> all (v_paused))
          and id <> all (v_ids)
        order by coalesce(scheduled_at, created_at), id
        limit turn.share
        for update skip locked
      ) l
    )
    select coalesce(array_agg(id), '{}'),
           array(select tenant from picked group by tenant, share having count(*) = share)
    into v_more, v_tenants
    from picked;
    v_ids := v_ids || v_more;
    v_left := v_left - cardinality(v_more);
  end loop;
  return v_ids;
end
$$;

-- minutehand.heads(stop) -> each tenant's next execution that is neither paused nor a suspect.
-- A loose scan: one probe of the queue's index a tenant, however many rows each has.  It stops at the first tenant whose
-- next is due by p_stop, if that is given.  A plain query, so that it is planned into its caller's.
create or replace function minutehand.heads(p_stop timestamptz default null)
returns table (tenant text, due timestamptz) language sql stable as $$
  with recursive paused as (
    select array(select target from public.automation_control where scope = 'tenant') as tenants,
           array(select target from public.automation_control where scope = 'workflow') as workflows
  ), head (tenant, due, workflow_id, lost_leases, is_open) as (
    select l.*, minutehand.is_open(l.tenant, l.workflow_id, l.lost_leases, paused.tenants, paused.workflows)
    from (
      select coalesce(organization_id::text, user_id::text, '') as tenant, coalesce(scheduled_at, created_at) as due,
             workflow_id, lost_leases
      from public.automation_execution_logs
      where status = 'pending'
      order by coalesce(organization_id::text, user_id::text, ''), coalesce(scheduled_at, created_at), id
      limit 1
    ) l, paused
    union all
    select n.*, minutehand.is_open(n.tenant, n.workflow_id, n.lost_leases, paused.tenants, paused.workflows)
    from head h
    cross join lateral (
      select coalesce(organization_id::text, user_id::text, '') as tenant, coalesce(scheduled_at, created_at) as due,
             workflow_id, lost_leases
      from public.automation_execution_logs
      where status = 'pending' and coalesce(organization_id::text, user_id::text, '') > h.tenant
      order by coalesce(organization_id::text, user_id::text, ''), coalesce(scheduled_at, created_at), id
      limit 1
    ) n, paused
    where p_stop is null or h.due > p_stop or not h.is_open
  )
  select h.tenant, case when h.is_open then h.due when h.tenant <> all (paused.tenants) then (
    -- Its oldest is held: look behind it.
    select coalesce(scheduled_at, created_at)
    from public.automation_execution_logs
    where status = 'pending'
      and coalesce(organization_id::text, user_id::text, '') = h.tenant
      and minutehand.is_open(h.tenant, workflow_id, lost_leases, paused.tenants, paused.workflows)
    order by coalesce(scheduled_at, created_at), id
    limit 1) end
  from head h, paused
$$;

-- minutehand.is_open(tenant, workflow, lost leases, paused tenants, paused workflows) -> boolean: may it be claimed beside
-- others?
create or replace function minutehand.is_open(
  p_tenant text, p_workflow_id uuid, p_lost_leases integer, p_tenants text[], p_workflows text[]
) returns boolean language sql immutable as $$
  select coalesce(p_lost_leases, 0) < 2 and p_tenant <> all (p_tenants)
     and (p_workflow_id is null or p_workflow_id::text <> all (p_workflows))
$$;

-- minutehand.tenants_due(limit, now) -> the tenants whose turn it is.
-- Where more are due than fit, half of the places go to those who wait longest and the rest are drawn by lot, so that
-- many old backlogs do not hold up a newcomer.
create or replace function minutehand.tenants_due(p_limit integer, p_now timestamptz) returns text[]
language sql volatile set search_path = '' as $$
  select coalesce(array_agg(tenant), '{}')
  from (
    select tenant
    from (
      select tenant, row_number() over (order by due, tenant) <= p_limit / 2 as is_longest
      from minutehand.heads()
      where due <= p_now
    ) due
    order by is_longest desc, random()
    limit p_limit
  ) t
$$;

-- minutehand.seconds_to_next(now) -> numeric: until the next execution is due; 0 when one is; null when none waits.
create or replace function minutehand.seconds_to_next(p_now timestamptz) returns numeric
language sql stable set search_path = '' as $$
  select round(greatest(0, extract(epoch from min(due) - p_now)), 3)
  from minutehand.heads(p_now)
  where not exists (select from public.automation_control where scope = 'all')
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

-- minutehand.end_at_claim(ids, now): ends what cannot or may not run.  Rows whose workflow is gone fail as unreadable.
-- Rows that others inserted are known by having neither event nor version; they are adopted once.
create or replace function minutehand.end_at_claim(p_claimed uuid[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  if exists (
      select from public.automation_execution_logs
      where id = any (p_claimed) and event_id is null and replay_of is null and workflow_version is null) then
    perform minutehand.adopt_claimed(p_claimed, p_now);
  end if;
  update public.automation_execution_logs l
  set status = 'failed', code = 'unreadable', completed_at = p_now, lease_expires_at = null,
      attempt = greatest(l.attempt - 1, 0),
      reason = format('workflow %s does not exist', coalesce(l.workflow_id::text, 'null')),
      error_message = format('workflow %s does not exist', coalesce(l.workflow_id::text, 'null'))
  where l.id = any (p_claimed) and l.status = 'processing'
    and not exists (select from public.automation_workflows w where w.id = l.workflow_id)
    and not exists (
      select from public.automation_workflow_versions v
      where v.workflow_id = l.workflow_id and v.version = l.workflow_version);
end
$$;

-- minutehand.end_unreadable(ids, now): ends those whose json cannot be read.
create or replace function minutehand.end_unreadable(p_claimed uuid[], p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  update public.automation_execution_logs l
  set status = 'failed', code = 'unreadable', completed_at = p_now, lease_expires_at = null,
      attempt = greatest(l.attempt - 1, 0),
      reason = 'its trigger_data or actions_executed is no readable JSON',
      error_message = 'its trigger_data or actions_executed is no readable JSON'
  where l.id = any (p_claimed)
    and not (minutehand.is_json(l.trigger_data::text) and minutehand.is_json(l.actions_executed::text))
$$;

-- minutehand.is_json(text) -> boolean: can it become jsonb?
create or replace function minutehand.is_json(p_text text) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  perform p_text::jsonb;
  return true;
exception when data_exception then
  return false;
end
$$;

-- minutehand.ended(ids) -> [{id, status, code, reason, …}]: which of them the claim ended.
create or replace function minutehand.ended(p_claimed uuid[]) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'id', id, 'workflow_id', workflow_id, 'entity_id', entity_id, 'status', status, 'attempt', attempt, 'code', code,
    'reason', reason)), '[]')
  from public.automation_execution_logs
  where id = any (p_claimed) and status in ('failed', 'skipped')
$$;

-- minutehand.adopt_claimed(ids, now): rows that others inserted get their row, tenant and version, read from trigger_data
-- and the workflow, and are decided by the rate limit, under sorted locks (R10).
create or replace function minutehand.adopt_claimed(p_claimed uuid[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_logs public.automation_execution_logs[];
  v_log public.automation_execution_logs;
begin
  select array_agg(l order by l.created_at, l.id) into v_logs
  from public.automation_execution_logs l
  where l.id = any (p_claimed) and l.status = 'processing'
    and l.event_id is null and l.replay_of is null and l.workflow_version is null;

  perform pg_advisory_xact_lock(key)
  from (
    select distinct minutehand.limit_key(
      l.workflow_id, coalesce(l.entity_id, minutehand.entity_of(l.trigger_data::jsonb))) as key
    from unnest(v_logs) l
    order by 1
  ) keys;

  -- The limit counts by entity: what is not decided yet must not count, least of all against itself.
  update public.automation_execution_logs l
  set entity_id = null
  from unnest(v_logs) o
  where l.id = o.id and l.entity_id is not null;
  foreach v_log in array v_logs loop
    perform minutehand.adopt_one(v_log, p_now);
  end loop;
end
$$;

-- minutehand.adopt_one(log, now): a statement of its own for each, so that it counts the one before.
-- Through variables: an adopted table's ids may be of another type than the workflow's.
create or replace function minutehand.adopt_one(p_log public.automation_execution_logs, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_data jsonb := case when jsonb_typeof(p_log.trigger_data::jsonb) = 'object' then p_log.trigger_data else '{}' end;
  v_workflow public.automation_workflows;
  v_limit record;
begin
  select * into v_workflow from public.automation_workflows where id = p_log.workflow_id;
  if not found then
    return;
  end if;
  p_log.entity_id := coalesce(p_log.entity_id, minutehand.entity_of(v_data));
  p_log.workflow_version := coalesce(v_workflow.version, 1);
  p_log.organization_id := coalesce(p_log.organization_id::text, v_workflow.organization_id::text);
  p_log.user_id := coalesce(p_log.user_id::text, v_workflow.user_id::text);
  p_log.trigger_data := jsonb_strip_nulls(jsonb_build_object('new_status', minutehand.new_status_of(v_data))) || v_data;
  select * into v_limit from minutehand.limited(
    v_workflow.id, v_workflow.settings::jsonb, p_log.entity_id, minutehand.new_status_of(v_data), p_now);

  if minutehand.tenant(v_workflow.organization_id::text, v_workflow.user_id::text) <> ''
     and not minutehand.same_tenant(
       p_log.organization_id::text, p_log.user_id::text,
       v_workflow.organization_id::text, v_workflow.user_id::text) then
    p_log.status := 'failed';
    p_log.code := 'other_tenant';
    p_log.reason := 'the execution names another tenant than its workflow';
  elsif v_limit.until is not null then
    p_log.status := case when v_limit.delay then 'pending' else 'skipped' end;
    p_log.code := 'rate_limited';
    p_log.reason := v_limit.reason;
    p_log.scheduled_at := case when v_limit.delay then v_limit.until else p_log.scheduled_at end;
  end if;
  update public.automation_execution_logs l
  set entity_id = p_log.entity_id, workflow_version = p_log.workflow_version, trigger_data = p_log.trigger_data,
      organization_id = p_log.organization_id, user_id = p_log.user_id,
      status = p_log.status, code = p_log.code, reason = p_log.reason, scheduled_at = p_log.scheduled_at,
      error_message = case when p_log.status = 'failed' then p_log.reason end,
      attempt = case when p_log.status = 'processing' then p_log.attempt else greatest(p_log.attempt - 1, 0) end,
      -- It never began: a delayed one counts by when it will.
      started_at = case when p_log.status <> 'pending' then p_log.started_at end,
      completed_at = case when p_log.status in ('failed', 'skipped') then p_now end,
      lease_expires_at = case when p_log.status = 'processing' then p_log.lease_expires_at end
  where l.id = p_log.id;
end
$$;

-- minutehand.entity_of(trigger_data) -> text: the row that a payload is about, in each shape that the field has.
create or replace function minutehand.entity_of(p_data jsonb) returns text language sql immutable as $$
  select coalesce(
    p_data ->> 'record_id', p_data ->> 'job_id', p_data ->> 'jobId', p_data ->> 'entity_id',
    p_data -> 'new_record' ->> 'id', p_data -> 'job' ->> 'id', p_data -> 'trigger_data' ->> 'job_id')
$$;

-- minutehand.new_status_of(trigger_data) -> text: the status that the row came to, likewise.
create or replace function minutehand.new_status_of(p_data jsonb) returns text language sql immutable as $$
  select coalesce(
    p_data ->> 'new_status', p_data ->> 'newStatus', p_data -> 'new_record' ->> 'status', p_data -> 'job' ->> 'status')
$$;

-- minutehand.claimed(token, now) -> {"executions": […], "workflows": {…}}: what a lease holds, each definition once.
create or replace function minutehand.claimed(p_token uuid, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with held as (
    select l.*
    from public.automation_execution_logs l
    where l.lease_token = p_token and l.lease_expires_at is not null
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
