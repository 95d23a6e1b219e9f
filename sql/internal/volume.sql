-- The volume guard: how many executions that send, and how many messages to one recipient, a workflow starts in an hour.
-- Past its measure there is one incident (`flood`, `recipient`).  With settings.volume.hold the tick holds the executions that have
-- not begun, as `pending` with the code `flood` and due at 'infinity', until a person releases or cancels them; with
-- settings.volume.wait a message waits until its recipient has room.  Decided at the tick and at the reservation of a send,
-- never in the trigger.

-- minutehand.volume_rule(settings) -> settings.volume, as {"hold": true, "per_hour": 500, "per_recipient": 20, "wait": true}; null turns
-- the guard off.  per_hour: the measure of executions, in place of 20 times the usual hour.  What cannot be read is left at its
-- default (minutehand.volume_problem names it).
create or replace function minutehand.volume_rule(
  p_settings jsonb, out is_on boolean, out hold boolean, out per_hour integer, out per_recipient integer, out wait boolean
) language plpgsql immutable as $$
declare
  v_volume jsonb := case when jsonb_typeof(p_settings) = 'object' then p_settings -> 'volume' end;
begin
  is_on := jsonb_typeof(v_volume) is distinct from 'null';
  if jsonb_typeof(v_volume) is distinct from 'object' then
    v_volume := '{}';
  end if;
  hold := is_on and v_volume -> 'hold' is not distinct from 'true';
  wait := is_on and v_volume -> 'wait' is not distinct from 'true';
  per_hour := case when minutehand.is_measure(v_volume -> 'per_hour') then (v_volume ->> 'per_hour')::integer end;
  per_recipient := case when minutehand.is_measure(v_volume -> 'per_recipient') then (v_volume ->> 'per_recipient')::integer
    else 20 end;
end
$$;

-- minutehand.is_measure(value) -> boolean: a whole number from 1 to 1,000,000.
create or replace function minutehand.is_measure(p_value jsonb) returns boolean
language sql immutable as $$
  select case when jsonb_typeof(p_value) = 'number'
    then (p_value #>> '{}')::numeric between 1 and 1000000 and (p_value #>> '{}')::numeric = trunc((p_value #>> '{}')::numeric)
    else false end
$$;

-- minutehand.volume_problem(settings) -> text: what in settings.volume cannot be read, or null.
create or replace function minutehand.volume_problem(p_settings jsonb) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case
    when jsonb_typeof(v.volume) not in ('object', 'null')
      then format('settings.volume is %s: write an object, or null for no guard', left(v.volume::text, 60))
    when jsonb_typeof(v.volume) = 'object' then (
      select case
        when e.key not in ('hold', 'wait', 'per_hour', 'per_recipient')
          then format('settings.volume.%s is unknown: write hold, per_hour, per_recipient or wait', left(e.key, 60))
        when e.key in ('hold', 'wait') then format('settings.volume.%s is %s: write true or false', e.key, left(e.value::text, 60))
        else format('settings.volume.%s is %s: write a whole number from 1 to 1000000', e.key, left(e.value::text, 60)) end
      from jsonb_each(v.volume) e
      where case when e.key in ('hold', 'wait') then jsonb_typeof(e.value) <> 'boolean'
        when e.key in ('per_hour', 'per_recipient') then not minutehand.is_measure(e.value) else true end
      order by e.key limit 1)
  end
  from (select case when jsonb_typeof(p_settings) = 'object' then p_settings -> 'volume' end as volume) v
$$;

-- minutehand.has_sends(workflow) -> boolean: has it a step that sends to people or calls a receiver?  E-mails, SMS, webhooks,
-- functions, and types that we do not know, such as a plug-in's; not notify, which reaches the operator's own targets, and not
-- what changes rows or waits.
create or replace function minutehand.has_sends(p_workflow public.automation_workflows) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select exists (
    select from unnest(array['type', 'subType', 'subtype', 'sub_type', 'actionType', 'action_type']) as key
    cross join lateral jsonb_path_query(
      minutehand.row_of(p_workflow) - '{trigger_type,trigger_config,trigger_conditions,settings}'::text[],
      format('strict $.**.%I', key)::jsonpath, silent => true) as word
    where jsonb_typeof(word) = 'string' and minutehand.fold_case(replace(word #>> '{}', '-', '_')) not in (
      '', 'trigger', 'action', 'notify', 'notification', 'send_notification', 'update_record', 'create_record', 'wait', 'delay',
      'condition', 'branch', 'stop'))
$$;

-- minutehand.usual_hour(workflow, tenant, now) -> how many executions an hour of the last 7 days usually had: the median of the
-- hours in which it ran, or, if that is more, the most at this time of the day (this hour and the one before) on another day.
create or replace function minutehand.usual_hour(p_workflow_id uuid, p_tenant text, p_now timestamptz) returns integer
language sql stable set search_path = '' as $$
  select coalesce(greatest(
    percentile_disc(0.5) within group (order by n),
    max(n) filter (where extract(hour from hour at time zone 'UTC') in (
      extract(hour from p_now at time zone 'UTC'), extract(hour from (p_now - interval '1 hour') at time zone 'UTC')))), 0)
  from minutehand.hourly_volume
  where workflow_id = p_workflow_id and tenant = p_tenant and hour >= p_now - interval '7 days'
    and hour <= p_now - interval '2 hours'  -- not what is judged now
$$;

-- minutehand.count_hours(now) -> boolean: counts the hours that are over, since the last one that was counted; true when all are.
-- A call reads about 20,000 executions, and of one hour at most 100,000, so that a long history costs no tick much.
create or replace function minutehand.count_hours(p_now timestamptz) returns boolean
language plpgsql set search_path = '' as $$
declare
  v_this constant timestamptz := date_trunc('hour', p_now at time zone 'UTC') at time zone 'UTC';
  v_hour timestamptz := (select greatest(counted_to, v_this - interval '7 days') from minutehand.volume_state);
  v_read bigint := 0;
begin
  while v_hour < v_this and v_read < 20000 loop
    -- On to the first hour with an execution.
    v_hour := greatest(v_hour, least(v_this, (
      select date_trunc('hour', created_at at time zone 'UTC') at time zone 'UTC'
      from public.automation_execution_logs where created_at >= v_hour order by created_at limit 1)));
    exit when v_hour >= v_this;
    insert into minutehand.hourly_volume (workflow_id, tenant, hour, n)
    select c.workflow_id, c.tenant, v_hour, c.n
    from minutehand.count_starts(v_hour, v_hour + interval '1 hour', 100000) c
    on conflict (workflow_id, tenant, hour) do update set n = excluded.n;
    v_read := v_read + 100 + coalesce((select sum(n) from minutehand.hourly_volume where hour = v_hour), 0);
    v_hour := v_hour + interval '1 hour';
  end loop;
  update minutehand.volume_state set counted_to = least(v_hour, v_this);
  if v_read > 0 then
    delete from minutehand.hourly_volume where hour < p_now - interval '8 days';
  end if;
  return v_hour >= v_this;
end
$$;

-- minutehand.count_starts(from, to, limit) -> (workflow_id, tenant, n): executions created then that ran or may run, among the newest.
-- The settings make it read the index of created_at backwards and stop: a bitmap and a sort would read all of an hour of millions.
create or replace function minutehand.count_starts(p_from timestamptz, p_to timestamptz, p_limit integer)
returns table (workflow_id uuid, tenant text, n integer) language sql stable
set search_path = '' set enable_bitmapscan = off set enable_seqscan = off set jit = off set enable_sort = off as $$
  select s.workflow_id, s.tenant, count(*)::integer
  from (
    select l.workflow_id, minutehand.tenant_of(l) as tenant, l.status
    from public.automation_execution_logs l
    where l.created_at >= p_from and l.created_at < p_to
    order by l.created_at desc, l.id desc
    limit p_limit
  ) s
  where s.workflow_id is not null and s.status not in ('skipped', 'cancelled')
  group by s.workflow_id, s.tenant
$$;

-- minutehand.check_volume(after a match?, now) -> (held, holding): finds the workflows that are past their measure, and holds what they
-- started where they ask for it: up to 10,000; `holding` says that there are more, and to call again.  At most once in 10 s for all
-- callers, unless executions were just matched.  Reads the newest 50,000 executions of the last hour.
-- Locks: minutehand.volume_state, skip locked; the executions that it holds, skip locked.
create or replace function minutehand.check_volume(
  p_matched boolean, p_now timestamptz, out held integer, out holding boolean
) language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_flood record;
  v_ids uuid[];
begin
  held := 0;
  holding := false;
  perform from minutehand.volume_state
  where p_matched or checked_at <= p_now - interval '10 seconds' or checked_at > p_now for update skip locked;
  if not found or not minutehand.count_hours(p_now) then
    return;
  end if;
  perform minutehand.note_floods(p_now);
  for v_flood in
    select f.workflow_id, f.tenant from minutehand.floods f
    where f.kind = 'flood' and f.since is not null and f.is_held order by f.workflow_id, f.tenant
  loop
    v_ids := array(
      select l.id
      from public.automation_execution_logs l
      where l.id = any (array(
          select due.id
          from (
            select q.id, q.workflow_id, q.started_at
            from public.automation_execution_logs q
            where q.status = 'pending' and minutehand.tenant_of(q) = v_flood.tenant and minutehand.due_at(q) <= p_now
            order by minutehand.due_at(q), q.id
            limit 50000
          ) due
          where due.workflow_id = v_flood.workflow_id and due.started_at is null))
        and l.status = 'pending' and l.started_at is null and l.replay_of is null
      limit 10000 - held
      for update skip locked);
    perform minutehand.all_or_each('hold_flooded', v_ids, p_now);
    held := held + cardinality(v_ids);
    holding := held >= 10000;
    exit when holding;
  end loop;
  update minutehand.volume_state set checked_at = case when holding then '-infinity' else p_now end;
end
$$;

-- minutehand.note_floods(now): brings minutehand.floods up to date.
create or replace function minutehand.note_floods(p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  insert into minutehand.floods as f (kind, workflow_id, tenant, started, usual, measure, since, seen_at, is_held)
  select 'flood', m.workflow_id, m.tenant, m.n, m.usual, m.measure, p_now, p_now, m.hold
  from (
    select s.workflow_id, s.tenant, s.n, u.usual, r.hold, greatest(
      coalesce(r.per_hour, greatest(100, 20 * u.usual::bigint)),
      case when f.raised_at > p_now - interval '24 hours' then f.raised_to end)::integer as measure
    from minutehand.count_starts(p_now - interval '1 hour', p_now + interval '1 minute', 50000) s
    join public.automation_workflows w on w.id = s.workflow_id
    cross join lateral minutehand.volume_rule(minutehand.as_object(w.settings::text)) r
    left join minutehand.floods f on f.kind = 'flood' and f.workflow_id = s.workflow_id and f.tenant = s.tenant
    cross join lateral (
      select minutehand.usual_hour(s.workflow_id, s.tenant, p_now) as usual
      where r.is_on and s.n > coalesce(r.per_hour, 100)) u
    where minutehand.has_sends(w)
  ) m
  where m.n > m.measure
  on conflict (kind, workflow_id, tenant) do update
  set started = excluded.started, usual = excluded.usual, measure = excluded.measure, seen_at = excluded.seen_at,
      is_held = excluded.is_held, since = coalesce(f.since, excluded.since);
  update minutehand.floods set since = null where kind = 'flood' and since is not null and seen_at < p_now;
  delete from minutehand.floods
  where kind = 'flood' and since is null and coalesce(raised_at, '-infinity') <= p_now - interval '24 hours';
  -- A recipient's flood is seen when a message is reserved.
  if pg_try_advisory_xact_lock(minutehand.recipients_lock()) then
    delete from minutehand.floods where kind = 'recipient' and seen_at < p_now - interval '1 hour';
  end if;
end
$$;

-- minutehand.recipients_lock() -> the lock under which floods of recipients are written.  Nobody waits for it.
create or replace function minutehand.recipients_lock() returns bigint
language sql immutable as $$
  select x'6d696e7574650300'::bigint
$$;

-- minutehand.hold_flooded(ids, now): holds these, which are locked.
create or replace function minutehand.hold_flooded(p_ids uuid[], p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  update public.automation_execution_logs l
  set code = 'flood', scheduled_at = 'infinity',
      reason = format('its workflow started %s times in an hour (usually %s, at most %s); release it to run it now, or cancel it',
        f.started, f.usual, f.measure)
  from minutehand.floods f
  where l.id = any (p_ids) and f.kind = 'flood' and f.workflow_id = l.workflow_id and f.tenant = minutehand.tenant_of(l)
$$;

-- minutehand.is_flooded(log) -> boolean: is it held because of a flood?
create or replace function minutehand.is_flooded(p_log public.automation_execution_logs) returns boolean
language sql immutable as $$
  select coalesce(p_log.status = 'pending' and p_log.code = 'flood' and p_log.scheduled_at = 'infinity', false)
$$;

-- minutehand.is_held(log) -> boolean: is it pending, and runs only when a person releases it: because of a flood, or after a restore?
create or replace function minutehand.is_held(p_log public.automation_execution_logs) returns boolean
language sql immutable as $$
  select coalesce(p_log.status = 'pending' and p_log.code in ('flood', 'restored') and p_log.scheduled_at = 'infinity', false)
$$;

-- minutehand.raise_measures(workflow ids, now): a person released executions of these: for 24 hours twice what they have started in
-- the hour is no flood, so that what was released is not held again at once.
create or replace function minutehand.raise_measures(p_workflow_ids uuid[], p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  update minutehand.floods
  set raised_to = least(2 * greatest(started, measure)::bigint, 1000000000), raised_at = p_now, since = null
  where kind = 'flood' and workflow_id = any (p_workflow_ids) and since is not null
$$;

-- minutehand.open_floods(now) -> (kind, workflow_id, count, summary): what is past its measure now, by workflow.
create or replace function minutehand.open_floods(p_now timestamptz)
returns table (kind text, workflow_id uuid, count bigint, summary text) language sql stable as $$
  select f.kind, f.workflow_id, sum(f.started), case f.kind
    when 'flood' then format('"%s" started %s times in an hour, usually %s%s', coalesce(minutehand.workflow_name(f.workflow_id), f.workflow_id::text), sum(f.started),
      sum(f.usual), case when bool_or(f.is_held) then '; what has not begun is held' else '' end)
    else format('"%s": %s messages to one recipient in an hour', coalesce(minutehand.workflow_name(f.workflow_id), f.workflow_id::text), max(f.started)) end
  from minutehand.floods f
  where f.since is not null and f.seen_at > p_now - case f.kind when 'flood' then interval '15 minutes' else interval '1 hour' end
  group by f.kind, f.workflow_id
$$;

-- minutehand.room_for_recipient(workflow, address, n, key, now) -> when there is room for one more message of this workflow to this
-- address, n within an hour; null when there is now.  Reads the newest 1,000 messages to the address.
create or replace function minutehand.room_for_recipient(
  p_workflow_id uuid, p_address text, p_n integer, p_key text, p_now timestamptz
) returns timestamptz language sql stable set search_path = '' as $$
  select least(c.reserved_at, p_now) + interval '1 hour'
  from (
    select s.reserved_at, s.execution_id
    from public.communication_logs s
    where minutehand.fold_case(left(s.recipient, 320)) = left(p_address, 320) and s.reserved_at > p_now - interval '1 hour'
      and s.channel in ('email', 'sms') and s.status in ('reserved', 'sent', 'uncertain')
      and s.idempotency_key is distinct from p_key
    order by s.reserved_at desc
    limit 1000
  ) c
  join public.automation_execution_logs l on l.id = c.execution_id and l.workflow_id = p_workflow_id
  order by c.reserved_at desc offset p_n - 1 limit 1
$$;

-- minutehand.is_own_address(workflow, address) -> boolean: does the address stand in the workflow itself?  Then a person chose it,
-- and it is not taken from rows.
create or replace function minutehand.is_own_address(p_workflow public.automation_workflows, p_address text) returns boolean
language sql stable as $$
  select coalesce(position(p_address in minutehand.fold_case(minutehand.row_of(p_workflow)::text)) > 0, false)
$$;

-- minutehand.recipient_waits(log, channel, recipient, key, now) -> (until, reason): with settings.volume.wait, until when a message
-- waits because its workflow has sent as many to this recipient within the hour; no row: it may leave.
create or replace function minutehand.recipient_waits(
  p_log public.automation_execution_logs, p_channel text, p_recipient text, p_key text, p_now timestamptz
) returns table (until timestamptz, reason text) language plpgsql stable rows 1 as $$
declare
  v_workflow public.automation_workflows;
  v_rule record;
begin
  if p_channel not in ('email', 'sms') then
    return;
  end if;
  select * into v_workflow from public.automation_workflows w where w.id = p_log.workflow_id;
  select * into v_rule from minutehand.volume_rule(minutehand.as_object(v_workflow.settings::text));
  if not v_rule.wait then
    return;
  end if;
  return query
    select room.at, format(
      '%s messages of this workflow to %s within 1 hour; the next may leave at %s', v_rule.per_recipient, a.address,
      minutehand.utc_text(room.at))
    from unnest(string_to_array(minutehand.fold_case(p_recipient), ', ')) as a (address)
    cross join lateral minutehand.room_for_recipient(v_workflow.id, a.address, v_rule.per_recipient, p_key, p_now) as room (at)
    where room.at is not null and not minutehand.is_own_address(v_workflow, a.address)
    order by room.at desc limit 1;
end
$$;

-- minutehand.lock_recipients(sends) -> boolean: locks the recipients of workflows with settings.volume.wait, sorted, as
-- minutehand.lock_limits does; true when there are any, so that each send is decided after the one before it.
create or replace function minutehand.lock_recipients(p_sends jsonb) returns boolean
language plpgsql set search_path = '' set jit = off as $$
declare
  v_keys constant bigint[] := array(
    select distinct x'6d696e7574650100'::bigint | (hashtextextended(concat_ws(E'\n', w.id, a.address), 0) & 255)
    from jsonb_to_recordset(p_sends) as s (id uuid, channel text, recipient text)
    join public.automation_execution_logs l on l.id = s.id
    join public.automation_workflows w on w.id = l.workflow_id and w.settings::text like '%volume%'
    cross join lateral minutehand.volume_rule(minutehand.as_object(w.settings::text)) r
    cross join lateral unnest(string_to_array(minutehand.fold_case(s.recipient), ', ')) as a (address)
    where r.wait and s.channel in ('email', 'sms')
    order by 1);
begin
  perform pg_advisory_xact_lock(key) from unnest(v_keys) as key;
  return v_keys <> '{}';
end
$$;

-- minutehand.note_recipients(sends, answers, now): records which workflows have sent more than their measure to one recipient within
-- the hour, by the sends that may leave now.  Not more often than every 10 seconds for each workflow, so that a flood is not counted
-- anew at each of its messages, and not while another call does.
create or replace function minutehand.note_recipients(p_sends jsonb, p_answers jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' set jit = off as $$
begin
  insert into minutehand.floods as f (kind, workflow_id, tenant, started, usual, measure, since, seen_at, is_held)
  select 'recipient', x.workflow_id, x.tenant, x.n, 0, x.measure, p_now, p_now, false
  from (
    select distinct on (w.id, g.tenant) w.id as workflow_id, g.tenant, r.per_recipient as measure, c.n
    from (
      select distinct l.workflow_id, minutehand.tenant_of(l) as tenant, a.address
      from jsonb_to_recordset(p_sends) as s (id uuid, channel text, recipient text, key text)
      join jsonb_to_recordset(p_answers) as t (key text, answer text) on t.key = s.key and t.answer = 'go'
      join public.automation_execution_logs l on l.id = s.id
      cross join lateral unnest(string_to_array(minutehand.fold_case(s.recipient), ', ')) as a (address)
      where s.channel in ('email', 'sms')
    ) g
    join public.automation_workflows w on w.id = g.workflow_id
    cross join lateral minutehand.volume_rule(minutehand.as_object(w.settings::text)) r
    cross join lateral (
      select minutehand.count_to_recipient(w.id, g.address, p_now) as n
      where r.is_on and not exists (
          select from minutehand.floods f
          where f.kind = 'recipient' and f.workflow_id = w.id and f.tenant = g.tenant and f.since is not null
            and f.seen_at >= p_now - interval '10 seconds')
        and minutehand.room_for_recipient(w.id, g.address, r.per_recipient + 1, null, p_now) is not null) c
    where not minutehand.is_own_address(w, g.address)
    order by w.id, g.tenant, c.n desc
  ) x
  where pg_try_advisory_xact_lock(minutehand.recipients_lock())
  on conflict (kind, workflow_id, tenant) do update
  set started = greatest(excluded.started, case when f.since is not null then f.started end), measure = excluded.measure,
      seen_at = excluded.seen_at, since = coalesce(f.since, excluded.since)
  where f.seen_at < p_now - interval '10 seconds' or f.since is null;
end
$$;

-- minutehand.count_to_recipient(workflow, address, now) -> how many messages this workflow sent to it within the hour, among the
-- newest 1,000 to the address.
create or replace function minutehand.count_to_recipient(p_workflow_id uuid, p_address text, p_now timestamptz) returns integer
language sql stable set search_path = '' as $$
  select count(*)::integer
  from (
    select s.execution_id
    from public.communication_logs s
    where minutehand.fold_case(left(s.recipient, 320)) = left(p_address, 320) and s.reserved_at > p_now - interval '1 hour'
      and s.channel in ('email', 'sms') and s.status in ('reserved', 'sent', 'uncertain')
    order by s.reserved_at desc
    limit 1000
  ) c
  join public.automation_execution_logs l on l.id = c.execution_id and l.workflow_id = p_workflow_id
$$;
