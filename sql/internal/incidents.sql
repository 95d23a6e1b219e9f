-- Incidents: what is wrong now, when it has recovered, and which notification to send.  The one place that decides this.

-- minutehand.detect_incidents(share, age, now) -> (kind, subject, code, count, summary, sample): what is wrong now.
--   failures    executions of a workflow that failed within 15 minutes with the same code, if they are p_share of it or more
--   backlog     the oldest due execution waits longer than p_age; paused ones do not count
--   silence     no processor has run for ten minutes; detected by programs that are not processors (`serve`, `alerts check`)
--   no_success  ten executions or more ended within an hour, all of them skipped or cancelled; not those of opt-outs
--   breaker     the loop breaker has paused a workflow
--   uncertain   sends of the last 30 days that were not confirmed
--   trigger     a table with changes among the last thousand is not watched any more, or its trigger is disabled
--   set_aside   changes whose matching failed too often
--   flood       a workflow has started more often in an hour than its measure allows (volume.sql)
--   recipient   a workflow has sent more messages to one recipient in an hour than its measure allows
--   lost        changes that could not be recorded within the last hour
--   copy        the database is a copy or a restore: nothing runs until a person has said which it is (copies.sql)
--   moved       its server is another, as after pg_upgrade; the work goes on
-- Reads the newest 20,000 executions of the last day, and indexes of what went wrong, so a long history costs nothing.
create or replace function minutehand.detect_incidents(p_share double precision, p_age interval, p_now timestamptz)
returns table (kind text, subject text, code text, count bigint, summary text, sample text)
language sql stable set search_path = '' as $$
  with ended as materialized (
    select workflow_id, status, coalesce(code, '') as code, reason, completed_at
    from (
      select workflow_id, status, code, reason, completed_at
      from public.automation_execution_logs
      where created_at > p_now - interval '24 hours' and created_at <= p_now + interval '1 minute'
      order by created_at desc, id desc
      limit 20000
    ) l
    where status in ('completed', 'failed', 'skipped', 'cancelled') and completed_at > p_now - interval '1 hour' and completed_at <= p_now
  ), recent as (
    select * from ended where status in ('completed', 'failed') and completed_at > p_now - interval '15 minutes'
  ), ratios as (
    select workflow_id, count(*) as n from recent group by workflow_id
  ), failures as (
    select r.workflow_id, r.code, count(*) as n, min(t.n) as of_n,
           (array_agg(r.reason order by r.completed_at desc))[1] as reason
    from recent r
    join ratios t on t.workflow_id is not distinct from r.workflow_id
    where r.status = 'failed' and r.code <> 'uncertain_send'
    group by r.workflow_id, r.code
  )
  select 'failures', coalesce(f.workflow_id::text, ''), f.code, f.n,
         format('"%s": %s of %s failed in 15 min%s', coalesce(minutehand.workflow_name(f.workflow_id), f.workflow_id::text, '(none)'), f.n, f.of_n,
                coalesce(': ' || nullif(f.code, ''), '')),
         f.reason
  from failures f
  where f.n >= p_share * f.of_n
  union all
  select 'backlog', '', '', 1,
         format('the oldest due execution has waited %s', minutehand.interval_text(date_trunc('second', p_now - minutehand.bounded_time(due)))), null
  from minutehand.first_due((select p from minutehand.pauses p)) as due
  where p_now - minutehand.bounded_time(due) > p_age
  union all
  select 'silence', '', '', 1,
         format('no processor has run for %s', minutehand.interval_text(date_trunc('second', p_now - max(heartbeat_at)))), null
  from public.automation_workers
  having max(heartbeat_at) < p_now - interval '10 minutes'
  union all
  select 'no_success', '', '', count(*),
         format('%s executions ended in an hour, all skipped or cancelled', count(*)), max(reason)
  from ended
  where code <> 'opted_out' or status <> 'skipped'
  having count(*) >= 10 and count(*) filter (where status in ('completed', 'failed')) = 0
  union all
  select 'breaker', c.target, '', 1, 'the breaker paused ' || minutehand.pause_name(c), c.reason
  from public.automation_control c
  where c.scope = 'workflow' and starts_with(c.reason, 'breaker:')
  union all
  select 'uncertain', '', '', u.n, format('%s %s unconfirmed', u.n, case u.n when 1 then 'send' else 'sends' end), null
  from minutehand.count_uncertain(p_now) as u (n)
  where u.n > 0
  union all
  select 'trigger', t.name, '', 1,
         format('changes of table %s are no longer recorded: its trigger is %s', t.name, t.what), null
  from (
    select distinct on (name) name, what
    from (
      select name as name, 'disabled' as what
      from minutehand.watched where not enabled
      union all
      select e.table_name, 'gone'
      from (select distinct table_name
            from (select table_name from public.automation_events order by id desc limit 1000) newest) e
      where not exists (
        select from minutehand.watched w where w.name = e.table_name)
    ) both_kinds
    order by name, what desc
  ) t
  union all
  select 'set_aside', '', '', count(*), format('%s changes were set aside: matching them failed too often', count(*)),
         max(error)
  from (
    select error from public.automation_events where matched_at is null and match_attempts >= 5 order by id desc limit 10000
  ) e
  having count(*) > 0
  union all
  select f.kind, f.workflow_id::text, '', f.count, f.summary, null
  from minutehand.open_floods(p_now) f
  union all
  select 'lost', '', '', j.lost, format('changes could not be recorded, the last at %s UTC',
         to_char(j.lost_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')), null
  from minutehand.alert_state j
  where j.lost_at > p_now - interval '1 hour'
  union all
  select case w.value ->> 'state' when 'moved' then 'moved' else 'copy' end, '', '', 1, w.value ->> 'reason', null
  from minutehand.identity_words(p_now) as w (value)
  where w.value ->> 'state' in ('copy', 'restored', 'moved')
$$;

-- minutehand.update_incidents(share, age, now) -> boolean: brings the incidents up to date, at most once in 30 s for all callers.
-- After a silence of more than ten minutes the first caller reports it, since nobody could before.
create or replace function minutehand.update_incidents(p_share double precision, p_age interval, p_now timestamptz) returns boolean
language plpgsql set search_path = '' as $$
declare
  v_last minutehand.alert_state;
  v_lost bigint;
begin
  insert into minutehand.alert_state (judged_at) values (p_now - interval '1 minute') on conflict do nothing;
  select * into v_last from minutehand.alert_state where judged_at <= p_now - interval '30 seconds' for update skip locked;
  if not found then
    return false;
  end if;
  select case when is_called then last_value else 0 end into v_lost from minutehand.lost_events;
  update minutehand.alert_state
  set judged_at = p_now, lost = v_lost, lost_at = case when v_lost > v_last.lost then p_now else lost_at end;

  if p_now - v_last.judged_at > interval '10 minutes' and not exists (
      select from public.automation_incidents where kind = 'silence' and recovered_at is null) and not exists (
      -- Somebody worked meanwhile, who had nobody to tell.
      select from public.automation_workers
      where heartbeat_at > v_last.judged_at + interval '1 minute'
        and (heartbeat_at < p_now - interval '30 seconds' or started_at < p_now - interval '1 minute')) then
    insert into public.automation_incidents (kind, opened_at, seen_at, recovered_at, summary)
    values ('silence', v_last.judged_at, p_now, p_now, format(
      'no processor has run for %s', minutehand.interval_text(date_trunc('second', p_now - v_last.judged_at))));
  end if;

  insert into public.automation_incidents as i (kind, subject, code, opened_at, seen_at, count, summary, sample)
  select t.kind, t.subject, t.code, p_now, p_now, t.count, t.summary, left(t.sample, 200)
  from minutehand.detect_incidents(p_share, p_age, p_now) t
  on conflict (kind, subject, code) where recovered_at is null
    do update set seen_at = excluded.seen_at, count = excluded.count, summary = excluded.summary, sample = excluded.sample;
  -- Five minutes without it, so that what comes and goes is one incident; a processor that is back is back.
  update public.automation_incidents
  set recovered_at = p_now
  where recovered_at is null
    and seen_at < case when kind in ('silence', 'breaker', 'uncertain', 'trigger', 'copy', 'moved') then p_now
                       else p_now - interval '5 minutes' end;
  delete from public.automation_incidents where opened_at < p_now - interval '90 days' and recovered_at is not null;
  return true;
end
$$;

-- minutehand.next_notification(incident, now) -> text: the notification to send now, or null.
create or replace function minutehand.next_notification(p_incident public.automation_incidents, p_now timestamptz) returns text
language sql stable as $$
  select case
    when p_incident.recovered_at is not null then case when p_incident.notified is distinct from 'recovered' then 'recovered' end
    when p_incident.notified is null then 'opened'
    when p_incident.notified_at <= p_now - interval '1 hour' then 'updated'
  end
$$;
