-- Slowing down: receivers that asked for fewer messages (429, "too many connections", a short quota), and the pace at which
-- they get them.  One row for each account at a provider (tenant ''), or for each tenant and address of a webhook.
--
--   asked ──► paused ──one probe──► paced ──asked again──► paused
--                ▲        │ refused
--                └────────┘ twice as long, up to five minutes
--
-- While paused nothing is sent there.  After the pause one send goes: the probe.  When it has been accepted, the others follow at
-- `rate`.  The rate is measured: what was accepted between two refusals, divided by the time between them, is what the receiver
-- allows.  It grows with each send, so that it follows a receiver that allows more.

-- minutehand.is_slowed(row, now) -> boolean: does the row still count?  A receiver that has not refused for 15 minutes is free.
create or replace function minutehand.is_slowed(p_row minutehand.slow_downs, p_now timestamptz) returns boolean
language sql immutable as $$
  select p_row.slowed_at > p_now - interval '15 minutes'
$$;

-- minutehand.slowed_keys(tenant, now) -> the keys of this tenant's own receivers that are slowed down.
create or replace function minutehand.slowed_keys(p_tenant text, p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(s.key), '[]')
  from minutehand.slow_downs s
  where s.tenant = p_tenant and minutehand.is_slowed(s, p_now)
$$;

-- minutehand.take_places(sends, now) -> {execution: place}: for each send to a receiver that is slowed down, when it may leave.
-- sends: [{"id", "pace": {"key", "shared"}}].  A place is {"n": the pause it follows, "wait_seconds"}: wait, at most a second, and
-- send; or {"answer": "later", "wait_seconds", "code", "reason"}.  Locks: minutehand.slow_downs, by key.
create or replace function minutehand.take_places(p_sends jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_send record;
  v_row minutehand.slow_downs;
  v_at timestamptz;
  v_places jsonb := '{}';
begin
  if not exists (select from minutehand.slow_downs) then
    return v_places;
  end if;
  for v_send in
    select s.id, s.pace ->> 'key' as key,
           case when (s.pace ->> 'shared')::boolean then '' else minutehand.tenant_of(l) end as tenant
    from jsonb_to_recordset(p_sends) as s (id uuid, pace jsonb)
    join public.automation_execution_logs l on l.id = s.id
    where s.pace is not null
    order by 3, 2, 1
  loop
    select * into v_row from minutehand.slow_downs d where d.tenant = v_send.tenant and d.key = v_send.key for update;
    continue when not found or not minutehand.is_slowed(v_row, p_now);
    v_at := greatest(v_row.next_at, p_now);
    if v_at <= p_now + make_interval(secs => least(1, greatest(0.2, 0.5 / v_row.rate)))
       and (not v_row.is_probing or coalesce(v_row.probe, v_send.id) = v_send.id or v_row.probe_until <= p_now) then
      v_places := v_places || jsonb_build_object(v_send.id, jsonb_build_object(
        'n', v_row.n, 'wait_seconds', extract(epoch from v_at - p_now)));
      update minutehand.slow_downs d
      set probe = case when d.is_probing then v_send.id end, probe_until = case when d.is_probing then v_at + interval '30 s' end,
          next_at = case when d.is_probing then d.next_at else v_at + make_interval(secs => 1 / d.rate) end,
          granted = d.granted + 1, rate = d.rate + case when d.is_measured then 0.02 else 0.5 end
      where d.tenant = v_row.tenant and d.key = v_row.key;
    else
      v_places := v_places || jsonb_build_object(v_send.id, jsonb_build_object(
        'answer', 'later', 'deferred', true, 'code', v_row.code, 'reason', v_row.name || ' asked to slow down',
        'wait_seconds', minutehand.come_back(v_row.tenant, v_row.key, p_now)));
    end if;
  end loop;
  return v_places;
end
$$;

-- minutehand.with_slowed_keys(contexts, now) -> the contexts, with "slowed" where receivers of the tenant are slowed down.
create or replace function minutehand.with_slowed_keys(p_contexts jsonb, p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  if not exists (select from minutehand.slow_downs) then
    return p_contexts;
  end if;
  return (
    select jsonb_agg(c || jsonb_build_object('slowed', minutehand.slowed_keys(minutehand.tenant_of(l), p_now)) order by nr)
    from jsonb_array_elements(p_contexts) with ordinality as a (c, nr)
    left join public.automation_execution_logs l on l.id = minutehand.to_uuid(c ->> 'id'));
end
$$;

-- minutehand.with_places(sends, answers, places) -> the answers of reserve_sends, with the places; a send that is not recorded
-- may go, and one without a place goes later.  Who took the probe and may not send gives it back.
create or replace function minutehand.with_places(p_sends jsonb, p_answers jsonb, p_places jsonb) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  v_answers jsonb;
begin
  select coalesce(jsonb_agg(jsonb_build_object('key', s.send -> 'key') || case
      when p.place ? 'answer' then p.place
      else s.answer || jsonb_strip_nulls(jsonb_build_object('place', p.place)) end), '[]')
  into v_answers
  from (
    select send, case when send ? 'unrecorded' then '{"answer": "go"}'::jsonb else (
      select a from jsonb_array_elements(p_answers) as a where a -> 'key' = send -> 'key' limit 1) end as answer
    from jsonb_array_elements(p_sends) as send
  ) s
  cross join lateral (select p_places -> (s.send ->> 'id') as place) p
  where p.place ? 'answer' or s.answer is not null;
  update minutehand.slow_downs d
  set probe = null, probe_until = null
  from jsonb_array_elements(p_sends) as send
  join jsonb_array_elements(v_answers) as a on a -> 'key' = send -> 'key'
  where d.probe = minutehand.to_uuid(send ->> 'id') and a ->> 'answer' not in ('go', 'later');
  return v_answers;
end
$$;

-- minutehand.come_back(tenant, key, now) -> seconds until an execution that waits for this receiver comes back.  They come back one
-- after the other, twice as fast as the receiver takes them, so that none of its places stays empty; who finds none comes again.
create or replace function minutehand.come_back(p_tenant text, p_key text, p_now timestamptz) returns numeric
language sql volatile set search_path = '' as $$
  update minutehand.slow_downs d
  set back_at = greatest(d.back_at, d.until, p_now + interval '1 s') + make_interval(secs => 0.5 / d.rate)
  where d.tenant = p_tenant and d.key = p_key
  returning round(extract(epoch from d.back_at - p_now), 3)
$$;

-- minutehand.note_paces(items, now) -> the items, with `due_in_seconds` where a receiver asked to slow down.
-- "pace" of an item says how a send ended: {"key", "shared", "n"?, "slow": bool, "name", "code", "retry_after_seconds"?}; `n` is
-- that of its place.  Of what left before the pause nothing is concluded.  Locks: minutehand.slow_downs, by key.
create or replace function minutehand.note_paces(p_items jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_note record;
  v_back numeric;
  v_due jsonb := '{}';
begin
  for v_note in
    select i.id, i.pace ->> 'key' as key, (i.pace ->> 'slow')::boolean as slow, (i.pace ->> 'n')::integer as n, i.pace,
           case when (i.pace ->> 'shared')::boolean then '' else minutehand.tenant_of(l) end as tenant,
           coalesce((i.pace ->> 'retry_after_seconds')::numeric, 0) as retry_after
    from jsonb_to_recordset(p_items) as i (id uuid, pace jsonb)
    join public.automation_execution_logs l on l.id = i.id
    where i.pace is not null
    order by 6, 2, 1
  loop
    if v_note.slow then
      perform minutehand.slow_down(v_note.tenant, v_note.key, v_note.n, v_note.pace, v_note.retry_after, p_now);
      v_back := minutehand.come_back(v_note.tenant, v_note.key, p_now);
      if v_back is not null then
        v_due := v_due || jsonb_build_object(v_note.id, greatest(v_back, v_note.retry_after));
      end if;
    else
      update minutehand.slow_downs d  -- the probe was accepted: the others follow
      set is_probing = false, probe = null, probe_until = null,
          next_at = greatest(p_now, d.next_at + make_interval(secs => 1 / d.rate))
      where d.tenant = v_note.tenant and d.key = v_note.key and d.is_probing and d.n = v_note.n;
    end if;
  end loop;
  return (
    select jsonb_agg(case when v_due ? (item ->> 'id')
      then item || jsonb_build_object('due_in_seconds', v_due -> (item ->> 'id')) else item end)
    from jsonb_array_elements(p_items) as item);
end
$$;

-- minutehand.slow_down(tenant, key, n, note, retry_after, now): pauses a receiver that refused a send with place `n`.
-- The pause lasts as long as the receiver said, a second at least and five minutes at most; after a refused probe, twice as long.
create or replace function minutehand.slow_down(
  p_tenant text, p_key text, p_n integer, p_note jsonb, p_retry_after numeric, p_now timestamptz
) returns void language plpgsql set search_path = '' as $$
declare
  v_row minutehand.slow_downs;
  v_until timestamptz;
begin
  select * into v_row from minutehand.slow_downs d where d.tenant = p_tenant and d.key = p_key for update;
  if not found or not minutehand.is_slowed(v_row, p_now) then
    delete from minutehand.slow_downs where (tenant, key) in (
      select d.tenant, d.key from minutehand.slow_downs d
      where not minutehand.is_slowed(d, p_now) for update skip locked);
    -- One tenant's addresses may be many: of 20 it is known, the others' executions wait each for themselves.
    insert into minutehand.slow_downs (tenant, key, name, code, since, slowed_at, until, next_at, back_at)
    select p_tenant, p_key, left(p_note ->> 'name', 300), p_note ->> 'code', p_now, p_now, v.until, v.until, v.until
    from (select p_now + make_interval(secs => least(greatest(p_retry_after, 1), 300)) as until) v
    where p_tenant = '' or (select count(*) from minutehand.slow_downs d where d.tenant = p_tenant) < 20
    on conflict do nothing;
  elsif p_n = v_row.n then
    v_until := p_now + make_interval(secs => least(300, greatest(
      p_retry_after, 1, case when v_row.is_probing then 2 * extract(epoch from v_row.until - v_row.slowed_at) end)));
    update minutehand.slow_downs d
    set n = d.n + 1, is_probing = true, probe = null, probe_until = null, granted = 0, slowed_at = p_now, until = v_until,
        next_at = v_until, code = p_note ->> 'code', is_measured = d.is_measured or not d.is_probing,
        rate = case when d.is_probing then d.rate else greatest(
          d.rate * case when d.is_measured then 0.8 else 0.5 end,
          least(d.rate, (d.granted - 1) / greatest(extract(epoch from p_now - d.slowed_at), 0.001)), 0.1) end
    where d.tenant = p_tenant and d.key = p_key;
  end if;
end
$$;

-- minutehand.slow_downs_now(now) -> [{"name", "tenant", "since", "until", "code", "rate", "is_paused"}]: what is slowed down, for
-- people.
create or replace function minutehand.slow_downs_now(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'name', d.name, 'tenant', d.tenant, 'since', d.since, 'until', d.until, 'code', d.code, 'rate', round(d.rate::numeric, 2),
    'is_paused', d.is_probing) order by d.since, d.tenant, d.key), '[]')
  from (select * from minutehand.slow_downs s where minutehand.is_slowed(s, p_now) order by s.since limit 100) d
$$;
