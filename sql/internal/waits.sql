-- Waits that a date of a row ends (`until: "{{ job.schedule_start }} - 2 hours"`).  When one is over the row is read again, and a
-- later date makes it wait on.  So that an earlier date is not missed, a change of the row makes it look at once.

-- minutehand.look_again(limit, now) -> how many: makes due those waits whose rows have changed since they last looked, at most so many.
-- It reads the changes since the tick before the last minute, at most 5,000, and only where something waits.
-- enable_seqscan is off: bad statistics must not lead it into the history.
-- Locks: rows, skip locked.  Called by: automation_tick.
create or replace function minutehand.look_again(p_limit integer, p_now timestamptz) returns integer
language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_since timestamptz;
  v_event record;
  v_entities text[] := '{}';
  v_times timestamptz[] := '{}';
  v_ids uuid[];
begin
  if not exists (
      select from public.automation_execution_logs l where l.status = 'pending' and l.code = 'waiting' and l.entity_id is not null) then
    return 0;
  end if;
  v_since := coalesce((
    select t.first_at from minutehand.tick_log t where t.minute < date_trunc('minute', p_now) order by t.minute desc limit 1
  ), '-infinity') - interval '1 minute';
  for v_event in
    select e.entity_id, e.occurred_at from public.automation_events e order by e.id desc limit 5000
  loop
    exit when v_event.occurred_at < v_since;
    if v_event.entity_id is not null then
      v_entities := v_entities || v_event.entity_id;
      v_times := v_times || v_event.occurred_at;
    end if;
  end loop;
  v_ids := array(
    select l.id
    from (select q.entity_id, max(q.at) as changed_at from unnest(v_entities, v_times) as q (entity_id, at) group by 1) c
    cross join lateral (
      select x.id, x.claimed_at, x.actions_executed
      from public.automation_execution_logs x
      where x.entity_id = c.entity_id and x.entity_id is not null and x.status = 'pending' and x.code = 'waiting' and minutehand.due_at(x) > p_now
      offset 0
    ) l
    where l.claimed_at < c.changed_at
      and l.actions_executed::jsonb @? '$[*].result ? (@.type == "wait" && @.again == "row")'
    limit p_limit);
  if v_ids = '{}' then
    return 0;
  end if;
  update public.automation_execution_logs l
  set scheduled_at = p_now
  where l.id in (
    select x.id from public.automation_execution_logs x
    where x.id = any (v_ids) and x.status = 'pending' and x.code = 'waiting' for update skip locked);
  return cardinality(v_ids);
end
$$;
