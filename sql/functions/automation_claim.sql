-- automation_claim(p_token, p_limit, p_worker, p_lease_seconds, p_max_attempts, p_ids, p_alone, p_now, p_caller, p_contexts) ->
--   {"now", "executions": [{id, workflow_id, workflow_version, entity_id, attempt, max_attempts, trigger_data, recorded,
--    resends, alone}], "workflows": {"<id>:<version>": {id, version, name, definition, webhook_tenant, zone}}, "ended": [{id, status, code, reason, …}],
--    "suspects": bool, "next_seconds": number | null, "test": {"email_to", "sms_to"} | null, "contexts"?: [context]}
-- Makes up to p_limit due executions `processing` under the lease p_token, which the caller chose for this one call: the
-- same call repeated returns the same rows and spends nothing (R5).  Oldest due first within a tenant, tenants in turn (R4).
-- Executions with which two workers were lost are left out, and `suspects` says that there are some; with p_alone one of
-- them is claimed, and nothing else (R7).  `ended` lists those that the claim itself had to end: they count as claimed.
-- `next_seconds` leaves out what is paused and suspects.
-- p_caller: as minutehand.recognize.  The first claim records which database this is; on a copy of it nothing is claimed.  On a test copy
-- (`test`: who gets its messages) only a caller that redirects them claims.
-- p_contexts: also answer, in `contexts`, what automation_advance would answer next for those that nothing is in the way of
-- (minutehand.first_contexts), so that an executor that begins at once need not ask.
-- While a stale backlog is being skipped (minutehand.backlog), nothing is claimed.  Executions that wait for an earlier one
-- of their ordering group (entity_ordering.sql) are deferred and count as nothing.
-- In flight means under a lease of ours (lease_expires_at is not null), whatever status a callee wrote meanwhile.
-- enable_seqscan is off: bad statistics must not lead the claim out of its index into the history (R4).  jit: as in automation_tick.
-- Locks: the token (advisory); the rows (skip locked); the advisory locks of ordering groups that are free; for rows that
-- others inserted, advisory locks on the row they are about, sorted.  Errors: none.  Called by: store.claim.
create or replace function public.automation_claim(
  p_token uuid,
  p_limit integer default 10,
  p_worker text default null,
  p_lease_seconds integer default 120,
  p_max_attempts integer default 5,
  p_ids jsonb default null,
  p_alone boolean default false,
  p_now timestamptz default null,
  p_caller jsonb default null,
  p_contexts boolean default false
) returns jsonb language plpgsql security definer set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_pauses constant minutehand.pauses := minutehand.recognize(p_caller, v_now);
  v_claimed uuid[];
  v_ended jsonb := '[]';
  v_answer record;
begin
  -- A call whose reply was lost may still be running: its repeat waits here, and then sees the rows.
  perform pg_advisory_xact_lock(hashtextextended(p_token::text, 0));
  if exists (
      select from public.automation_execution_logs where lease_token = p_token and lease_expires_at is not null) then
    v_answer := minutehand.claim_answer(p_token);
  else
    v_claimed := minutehand.claim_rows(
      p_token, p_limit, p_worker, p_lease_seconds, p_max_attempts, p_ids, p_alone, v_pauses, v_now);
    begin
      perform minutehand.end_unrunnable(v_claimed, v_now);
      v_answer := minutehand.claim_answer(p_token);
    exception when others then
      if minutehand.is_away(sqlstate) then
        raise;
      end if;
      perform minutehand.note_wait(sqlstate);
      -- json of an adopted table may contain what jsonb cannot (\u0000, 14,000 levels), all rows together may exceed its 256
      -- MB, and the app's own rules may refuse an end.  Such a row must end, or it would stop every claim.
      perform minutehand.all_or_each('end_unreadable', v_claimed, v_now);
      perform minutehand.all_or_each('end_unrunnable', v_claimed, v_now);
      v_answer := minutehand.claim_answer(p_token);
    end;
    v_ended := minutehand.ended_by_claim(v_claimed);
    if v_ended <> '[]' then
      perform minutehand.wake(v_ended, v_now, false);
    end if;
  end if;
  return jsonb_build_object(
    'executions', v_answer.executions, 'workflows', v_answer.workflows, 'ended', v_ended,
    'now', v_now,
    'suspects', exists (
      select from public.automation_execution_logs l
      where l.status = 'pending' and minutehand.is_suspect(l) and minutehand.due_at(l) <= v_now
        and not minutehand.is_paused(minutehand.tenant_of(l), l.workflow_id, v_pauses)),
    'next_seconds', case when not v_pauses.everything then minutehand.seconds_to_next(v_now) end,
    'test', case when v_pauses.is_test then (
      select jsonb_build_object('email_to', email_to, 'sms_to', sms_to) from minutehand.database_identity) end)
    || case when p_contexts then jsonb_build_object(
      'contexts', minutehand.first_contexts(p_token, v_answer.executions, v_now)) else '{}' end;
end
$$;
comment on function public.automation_claim is 'minutehand: makes due executions processing under a lease';

-- minutehand.first_contexts(token, executions, now) -> [context]: of the claimed executions whose rows can be read now, and that
-- nothing stops.  The claim waits for no lock of the app's, and finds out nothing about the others: they ask automation_advance,
-- which does.  Errors: those of class `away`.
create or replace function minutehand.first_contexts(p_token uuid, p_executions jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' set lock_timeout = '1ms' as $$
begin
  perform set_config('minutehand.waited', statement_timestamp()::text, true);  -- so that reading the rows does not wait, either
  return jsonb_path_query_array(
    minutehand.with_slowed_keys(minutehand.read_contexts_batch((
      select coalesce(jsonb_agg(jsonb_build_object('id', e -> 'id', 'token', p_token)), '[]')
      from jsonb_array_elements(p_executions) as e), p_now), p_now),
    '$[*] ? (@.stop == null && !exists (@.hidden.* ? (@.passing == true)))');
exception when others then
  if minutehand.is_away(sqlstate) then
    raise;
  end if;
  return '[]';
end
$$;

-- minutehand.claim_rows(…) -> ids that are processing now: the requested ids, or one suspect, or a share of each tenant.
create or replace function minutehand.claim_rows(
  p_token uuid, p_limit integer, p_worker text, p_lease_seconds integer, p_max_attempts integer, p_ids jsonb,
  p_alone boolean, p_pauses minutehand.pauses, p_now timestamptz
) returns uuid[] language plpgsql set search_path = '' as $$
declare
  v_ids uuid[];
  v_id uuid;
begin
  if p_limit < 1 or p_pauses.everything or exists (select from minutehand.backlog) then
    return '{}';
  elsif jsonb_typeof(p_ids) = 'array' then
    v_ids := minutehand.admit(array(
      select l.id
      from public.automation_execution_logs l
      where l.id = any (array(select minutehand.to_uuid(value) from jsonb_array_elements_text(p_ids)))
        and l.status = 'pending' and minutehand.due_at(l) <= p_now
        and minutehand.is_suspect(l) is true = p_alone
        and not minutehand.is_paused(minutehand.tenant_of(l), l.workflow_id, p_pauses)
      order by minutehand.due_at(l), l.id
      limit case when p_alone then 1 else p_limit end
      for update skip locked), '{}', p_now);
  elsif p_alone then
    v_ids := minutehand.pick_suspects(1, p_now);
  else
    v_ids := minutehand.pick_by_tenant(p_limit, p_now);
  end if;

  begin
    perform minutehand.lease_rows(v_ids, p_token, p_worker, p_lease_seconds, p_max_attempts, p_now);
    return v_ids;
  exception when others then
    if not minutehand.is_unstorable(sqlstate) then
      raise;
    end if;  -- a rule of the app's refuses one: find out which, each in a block of its own
  end;
  foreach v_id in array v_ids loop
    begin
      perform minutehand.lease_rows(array[v_id], p_token, p_worker, p_lease_seconds, p_max_attempts, p_now);
    exception when others then
      if not minutehand.is_unstorable(sqlstate) then
        raise;
      end if;
      perform minutehand.end_unstorable(v_id, sqlerrm, p_now);
    end;
  end loop;
  return v_ids;
end
$$;

-- minutehand.lease_rows(ids, token, worker, seconds, max attempts, now): makes these, which are locked, processing.
create or replace function minutehand.lease_rows(
  p_ids uuid[], p_token uuid, p_worker text, p_lease_seconds integer, p_max_attempts integer, p_now timestamptz
) returns void language sql volatile set search_path = '' as $$
  update public.automation_execution_logs
  set status = 'processing',
      lease_token = p_token,
      lease_expires_at = p_now + make_interval(secs => p_lease_seconds),
      worker = p_worker,
      attempt = least(greatest(coalesce(attempt, 0), 0), 30000) + 1,  -- any number may stand there, and a smallint take it
      max_attempts = coalesce(max_attempts, p_max_attempts),
      started_at = coalesce(started_at, p_now),
      claimed_at = p_now,
      reason = case when code = 'earlier_unfinished' then null else reason end,
      code = nullif(code, 'earlier_unfinished')
  where id = any (p_ids)
$$;

-- minutehand.end_unrunnable(ids, now): ends executions that cannot or must not run.  Without a workflow they fail as unreadable.
-- Rows that others inserted have neither event nor version; they are adopted once.
create or replace function minutehand.end_unrunnable(p_claimed uuid[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  if exists (
      select from public.automation_execution_logs
      where id = any (p_claimed) and event_id is null and replay_of is null and workflow_version is null) then
    perform minutehand.adopt_claimed(p_claimed, p_now);
  end if;
  update public.automation_execution_logs l
  set status = 'failed', code = 'unreadable', completed_at = p_now, lease_expires_at = null,
      attempt = greatest(l.attempt, 1) - 1,
      reason = format('workflow %s does not exist', coalesce(l.workflow_id::text, 'null')),
      error_message = format('workflow %s does not exist', coalesce(l.workflow_id::text, 'null'))
  where l.id = any (p_claimed) and l.status = 'processing'
    and not exists (select from public.automation_workflows w where w.id = l.workflow_id)
    and not exists (
      select from public.automation_workflow_versions v
      where v.workflow_id = l.workflow_id and v.version = l.workflow_version);
end
$$;

-- minutehand.end_unreadable(ids, now): ends executions whose json cannot be read, or is too large to return all of them.
create or replace function minutehand.end_unreadable(p_claimed uuid[], p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  update public.automation_execution_logs l
  set status = 'failed', code = 'unreadable', completed_at = p_now, lease_expires_at = null,
      attempt = greatest(l.attempt, 1) - 1,
      reason = 'its trigger_data or actions_executed is not valid JSON, or it and its workflow are larger than 1 MB',
      error_message = 'its trigger_data or actions_executed is not valid JSON, or it and its workflow are larger than 1 MB'
  where l.id = any (p_claimed)
    and (not minutehand.is_json(l.trigger_data::text) or not minutehand.is_json(l.actions_executed::text)
      or 1000000 < coalesce(octet_length(l.trigger_data::text), 0) + coalesce(octet_length(l.actions_executed::text), 0)
        + coalesce((
          select octet_length(v.definition::text) from public.automation_workflow_versions v
          where v.workflow_id = l.workflow_id and v.version = l.workflow_version), 0))
$$;

-- minutehand.ended_by_claim(ids) -> [{id, status, code, reason, …}]: those that the claim ended.
create or replace function minutehand.ended_by_claim(p_claimed uuid[]) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'id', id, 'workflow_id', workflow_id, 'entity_id', entity_id, 'status', status, 'attempt', attempt, 'code', code,
    'reason', reason)), '[]')
  from public.automation_execution_logs
  where id = any (p_claimed) and status in ('failed', 'skipped')
$$;

-- minutehand.claim_answer(token) -> (executions, workflows): all under this lease, [{…}], and each definition once, {…}.
create or replace function minutehand.claim_answer(p_token uuid, out executions jsonb, out workflows jsonb)
language sql stable set search_path = '' as $$
  with leased as (
    select l.*, minutehand.due_at(l) as due, minutehand.is_suspect(l) is true as is_suspect
    from public.automation_execution_logs l
    where l.lease_token = p_token and l.lease_expires_at is not null
      and l.workflow_id is not null  -- else it was deleted since the claim, and the lease runs out
  ), used as (
    select distinct workflow_id, workflow_version from leased
  )
  select
    coalesce((
      select jsonb_agg(jsonb_build_object(
        'id', l.id, 'workflow_id', l.workflow_id, 'workflow_version', l.workflow_version, 'entity_id', l.entity_id,
        'attempt', l.attempt, 'max_attempts', l.max_attempts, 'trigger_data', l.trigger_data,
        'recorded', coalesce(l.actions_executed::jsonb, '[]'), 'resends', case when l.resends is null then '{}'::jsonb else minutehand.as_object(l.resends::text) end,
        'alone', l.is_suspect)
        order by l.due, l.id)
      from leased l), '[]'),
    coalesce((
      select jsonb_object_agg(
        u.workflow_id || ':' || coalesce(u.workflow_version, 0),
        jsonb_build_object(
          'id', u.workflow_id, 'version', coalesce(u.workflow_version, 0),
          'name', coalesce(v.definition ->> 'name', w.name),
          'definition', coalesce(minutehand.unwrapped(v.definition), minutehand.definition(minutehand.row_of(w))),
          'webhook_tenant', minutehand.webhook_tenant(coalesce(v.definition, minutehand.row_of(w)), s.is_single_tenant),
          'zone', minutehand.zone_of(coalesce(v.definition, minutehand.row_of(w)))))
      from used u
      cross join minutehand.is_single_tenant() as s (is_single_tenant)
      left join public.automation_workflow_versions v
        on v.workflow_id = u.workflow_id and v.version = u.workflow_version
      left join public.automation_workflows w on w.id = u.workflow_id), '{}')
$$;
