-- What doctor reads of the workflows and of the queue.

-- minutehand.facts_workflows(now) -> {"workflows": as minutehand.all_workflow_facts, "single_tenant": bool}
create or replace function minutehand.facts_workflows(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('workflows', minutehand.all_workflow_facts(), 'single_tenant', minutehand.is_single_tenant())
$$;

-- minutehand.facts_queue(now) -> {"slow_downs": minutehand.slow_downs_now, "stale": count, "stale_oldest": due, "held", "flooded",
--   "uncertain", "unmatched", "set_aside",
--   "no_tenant", "quiet", "lost"}; counts stop at 10,000, or at the newest 20,000 executions.  Stale: due an hour ago and never started;
-- paused ones do not count.  Held: those that a processor has set aside as stale.
create or replace function minutehand.facts_queue(p_now timestamptz) returns jsonb
language sql stable set search_path = '' set enable_seqscan = off as $$
  with stale as (
    select l.due
    from minutehand.next_by_tenant() h
    cross join lateral (
      select minutehand.due_at(l) as due
      from public.automation_execution_logs l
      where l.status = 'pending' and l.started_at is null and minutehand.tenant_of(l) = h.tenant
        and minutehand.due_at(l) < p_now - interval '1 hour'
      limit 10000
    ) l
    where h.due < p_now - interval '1 hour'
    limit 10000
  ), recent as (
    select status, code from public.automation_execution_logs order by created_at desc, id desc limit 20000
  )
  select jsonb_build_object(
    'slow_downs', minutehand.slow_downs_now(p_now),
    'stale', (select count(*) from stale),
    'stale_oldest', (select min(due) from stale),
    'held', (select count(*) from recent where status = 'skipped' and code = 'stale'),
    'flooded', (select count(*) from recent where status = 'pending' and code = 'flood'),
    'uncertain', (select count(*) from recent where status = 'failed' and code = 'uncertain_send'),
    'unmatched', (select count(*) from (
      select from public.automation_events
      where matched_at is null and match_attempts < 5 and occurred_at < p_now - interval '10 minutes' limit 10000) x),
    'set_aside', (select count(*) from (
      select from public.automation_events where matched_at is null and match_attempts >= 5 limit 10000) x),
    'no_tenant', (select count(*) from (
      select error from public.automation_events order by id desc limit 10000) x where error like 'no tenant%'),
    'quiet', (select count(*) from (
      select error from public.automation_events order by id desc limit 10000) x where error like 'imported quietly%'),
    'lost', (select case when is_called then last_value else 0 end from minutehand.lost_events))
$$;
