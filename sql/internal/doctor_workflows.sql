-- What doctor reads of the workflows and of the queue.

-- minutehand.facts_workflows(now) -> {"workflows": as minutehand.all_workflow_facts, "installation": as
--   minutehand.installation, "single_tenant": bool}
create or replace function minutehand.facts_workflows(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('workflows', minutehand.all_workflow_facts(), 'installation', minutehand.installation(p_now),
    'single_tenant', minutehand.is_single_tenant())
$$;

-- minutehand.facts_queue(now) -> {"slow_downs": minutehand.slow_downs_now, "stale": count, "stale_oldest": due, "held", "flooded",
--   "uncertain": minutehand.count_uncertain, "unmatched", "unmatched_seconds" of the oldest, "set_aside",
--   "no_tenant", "quiet", "lost", "opt_outs": those that cannot be read, of the oldest 2,000}; counts stop at 10,000, or at the newest 20,000 executions.  Stale: due an hour ago and never started;
-- paused ones do not count.  Held: those that a processor has set aside as stale.
create or replace function minutehand.facts_queue(p_now timestamptz) returns jsonb
language sql stable set search_path = '' set enable_seqscan = off set jit = off as $$
  with stale as (
    select minutehand.due_at(l) as due
    from public.automation_execution_logs l
    cross join (select p as pauses from minutehand.pauses p) x
    where l.status = 'pending' and minutehand.is_of_all(l) and l.started_at is null
      and minutehand.due_of_all(l) < p_now - interval '1 hour'
      and not (x.pauses).everything and minutehand.is_claimable(l, x.pauses)
    order by minutehand.due_of_all(l), l.id
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
    'restored', (select count(*) from recent where status = 'pending' and code = 'restored'),
    'uncertain', minutehand.count_uncertain(p_now),
    'unmatched', (select count(*) from (
      select from public.automation_events where matched_at is null and match_attempts < 5 limit 10000) x),
    'unmatched_seconds', (
      select round(extract(epoch from p_now - min(minutehand.bounded_time(occurred_at))))
      from (select occurred_at from public.automation_events where matched_at is null and match_attempts < 5 limit 10000) x),
    'set_aside', (select count(*) from (
      select from public.automation_events where matched_at is null and match_attempts >= 5 limit 10000) x),
    'no_tenant', (select count(*) from (
      select error from public.automation_events order by id desc limit 10000) x where error like 'no tenant%'),
    'quiet', (select count(*) from (
      select error from public.automation_events order by id desc limit 10000) x where error like 'imported quietly%'),
    'lost', (select case when is_called then last_value else 0 end from minutehand.lost_events),
    'opt_outs', (
      select count(*)
      from (select channel, address from public.automation_opt_outs order by created_at limit 2000) o
      cross join lateral minutehand.read_opt_out(o.channel, o.address) r
      where r.problem is not null))
$$;
