-- Filters of executions, for the command line and the dashboard, and how messages are grouped.

-- minutehand.matches_filter(log, filter) -> boolean: the one place that decides which executions a filter means.
-- filter: {"status"?, "code"?, "workflow"? (id, beginning of an id, or name, also of one that was deleted), "entity"?, "error"? (part
-- of its reason), "since"?, "until"?, "due_from"?, "due_until"? (timestamptz), "attempt_from"?, "attempt_until"?, "took_from"?,
-- "took_until"? (seconds), "tenant"?, "recipient"?, "channel"?, "step"? (its id, name or type), "table"?, "payload.<path>"? (of its
-- trigger data or of the row as it was), "text"? (minutehand.text_filter), "hides_payloads"? ("text" then knows neither recipients nor
-- clients), "message"? (as minutehand.error_pattern returns it)}, after minutehand.filter_of.  The caller itself applies
-- minutehand.filter_ids.  Plain SQL without a sub-select, so that it becomes part of its caller's query.
create or replace function minutehand.matches_filter(p_log public.automation_execution_logs, p_filter jsonb) returns boolean
language sql stable as $$
  select (p_filter ->> 'status' is null or p_log.status = p_filter ->> 'status'
      or p_filter ->> 'status' = 'processing' and p_log.status = 'running')
    and (p_filter ->> 'code' is null or p_log.code = p_filter ->> 'code' and p_log.status <> 'completed')
    and (p_filter ->> 'entity' is null or p_log.entity_id = any (minutehand.keys_of(p_filter)))
    and (p_filter ->> 'since' is null or p_log.created_at >= (p_filter ->> 'since')::timestamptz)
    and (p_filter ->> 'until' is null or p_log.created_at < (p_filter ->> 'until')::timestamptz)
    and (p_filter ->> 'tenant' is null or minutehand.tenant_of(p_log) = p_filter ->> 'tenant')
    and (p_filter ->> 'error' is null or p_log.status <> 'completed'
      and strpos(minutehand.fold_case(coalesce(p_log.reason, p_log.error_message)), minutehand.fold_case(p_filter ->> 'error')) > 0)
    and (p_filter ->> 'message' is null
      or minutehand.error_pattern(coalesce(p_log.reason, p_log.error_message)) = p_filter ->> 'message')
    and (p_filter ->> 'workflow' is null or p_filter -> 'workflow_ids' ? p_log.workflow_id::text)
    and (p_filter ->> 'text' is null or p_filter -> 'text_ids' ? p_log.id::text or p_filter -> 'text_workflows' ? p_log.workflow_id::text)
    and (p_filter ->> 'recipient' is null or p_filter -> 'recipient_ids' ? p_log.id::text)
    and (p_filter ->> 'attempt_from' is null or p_log.attempt >= (p_filter ->> 'attempt_from')::integer)
    and (p_filter ->> 'attempt_until' is null or p_log.attempt <= (p_filter ->> 'attempt_until')::integer)
    and (p_filter ->> 'due_from' is null or p_log.status = 'pending'
      and coalesce(p_log.scheduled_at, p_log.created_at) >= (p_filter ->> 'due_from')::timestamptz)
    and (p_filter ->> 'due_until' is null or p_log.status = 'pending'
      and coalesce(p_log.scheduled_at, p_log.created_at) < (p_filter ->> 'due_until')::timestamptz)
    and (p_filter ->> 'took_from' is null
      or minutehand.took_seconds(p_log.claimed_at, p_log.started_at, p_log.completed_at) >= (p_filter ->> 'took_from')::double precision)
    and (p_filter ->> 'took_until' is null
      or minutehand.took_seconds(p_log.claimed_at, p_log.started_at, p_log.completed_at) <= (p_filter ->> 'took_until')::double precision)
    and (p_filter ->> 'table' is null
      or minutehand.is_of_table(p_log.trigger_data::text, p_filter ->> 'table', p_filter -> 'table_keys'))
    and (p_filter ->> 'channel' is null or minutehand.has_send(p_log.id, p_filter ->> 'channel'))
    and (p_filter ->> 'step' is null
      or minutehand.has_step(p_log.actions_executed::text, p_log.resume_step, p_filter ->> 'step'))
    and (p_filter -> 'payload' is null or minutehand.has_payload(
      p_log.trigger_data::text, p_log.event_id, p_log.entity_id::text, minutehand.tenant_of(p_log), p_filter -> 'payload'))
$$;

-- minutehand.took_seconds(claimed, started, completed) -> seconds that the last attempt of an ended execution took.
create or replace function minutehand.took_seconds(p_claimed timestamptz, p_started timestamptz, p_completed timestamptz)
returns double precision language sql immutable as $$
  select extract(epoch from minutehand.bounded_time(p_completed) - minutehand.bounded_time(coalesce(p_claimed, p_started)))::double precision
$$;

-- The helpers below run once a row, on up to 100,000: no fold_case, which costs 100 times as much as lower, and one reading of the JSON.
-- Their words come from filter_of in small letters.  Their callers plan anew for each call, which these must not do for each row.

-- minutehand.json_or_null(text) -> jsonb; null where it cannot be read.
create or replace function minutehand.json_or_null(p_text text) returns jsonb
language plpgsql immutable set search_path = '' set plan_cache_mode = force_generic_plan as $$
begin
  return p_text::jsonb;
exception when data_exception or statement_too_complex then
  return null;
end
$$;

-- minutehand.is_of_table(trigger data, table, keys) -> boolean: is an execution about a row of this table?  As minutehand.table_of, with
-- the table's keys known before: {"job_id": true, "jobId": true}.
create or replace function minutehand.is_of_table(p_data text, p_table text, p_keys jsonb) returns boolean
language plpgsql stable set search_path = '' set plan_cache_mode = force_generic_plan as $$
declare
  v_data constant jsonb := minutehand.json_or_null(p_data);
begin
  return coalesce(
    case when v_data ? 'table_name' then lower(v_data ->> 'table_name') = p_table
      else v_data ?| array(select jsonb_object_keys(p_keys)) end, false);
end
$$;

-- minutehand.has_send(execution, channel) -> boolean: did it send through this channel?
create or replace function minutehand.has_send(p_id uuid, p_channel text) returns boolean
language plpgsql stable set search_path = '' set plan_cache_mode = force_generic_plan as $$
begin
  return exists (
    select from public.communication_logs s
    where s.execution_id = p_id and lower(s.channel) = p_channel);
end
$$;

-- minutehand.has_step(records, step to continue with, step) -> boolean: did it come to the step of this id, name or type?
create or replace function minutehand.has_step(p_records text, p_resume text, p_step text) returns boolean
language plpgsql stable set search_path = '' set plan_cache_mode = force_generic_plan as $$
declare
  v_records constant jsonb := minutehand.json_or_null(p_records);
begin
  return coalesce(lower(p_resume) = p_step, false) or jsonb_typeof(v_records) = 'array' and exists (
    select
    from jsonb_array_elements(case jsonb_typeof(v_records) when 'array' then v_records else '[]' end) as r (step)
    where p_step in (lower(r.step ->> 'stepId'), lower(r.step ->> 'name'), lower(r.step ->> 'type')));
end
$$;

-- minutehand.has_payload(trigger data, event, row, tenant, wanted) -> boolean: has it this value at each of these paths, in its trigger
-- data or in the row as its change left it?  wanted: {"client.id": "C-7"}; compared as text, in either case.  The event counts only if it
-- is about the same row and of the same tenant, as in minutehand.event_of.
create or replace function minutehand.has_payload(p_data text, p_event bigint, p_entity text, p_tenant text, p_wanted jsonb) returns boolean
language plpgsql stable set search_path = '' set plan_cache_mode = force_generic_plan as $$
declare
  v_data constant jsonb := minutehand.json_or_null(p_data);
  v_row jsonb;
begin
  select coalesce(e.new, e.old) into v_row
  from public.automation_events e
  where e.id = p_event and e.entity_id is not distinct from p_entity
    and (p_tenant = '' or coalesce(e.organization_id, e.user_id, p_tenant) = p_tenant);
  return not exists (
    select
    from jsonb_each_text(p_wanted) as w (path, value)
    cross join lateral (
      select coalesce(v_data #>> string_to_array(w.path, '.'), v_row #>> string_to_array(w.path, '.')) as value) f
    where lower(f.value) is distinct from lower(w.value));
end
$$;

-- minutehand.keys_of(filter) -> text[]: its keys.  Not part of the caller's query, but known before it is planned.
create or replace function minutehand.keys_of(p_filter jsonb) returns text[]
language sql immutable as $$
  select array(select jsonb_array_elements_text(coalesce(p_filter -> 'keys', jsonb_build_array(p_filter -> 'entity'))))
$$;

-- minutehand.written_keys(text) -> text[]: a row's id as given, in small and in capital letters, and as each watched table writes it.
create or replace function minutehand.written_keys(p_text text) returns text[]
language sql stable set search_path = '' as $$
  select array(
    select k.key
    from (
      select unnest(array[p_text, minutehand.fold_case(p_text), upper(p_text)]) as key
      union
      select minutehand.key_text(w.relation, w.config, p_text) from minutehand.watched w
    ) k
    where k.key is not null)
$$;

-- minutehand.id_set([id]) -> {"<id>": true}: looked up faster than a list.
create or replace function minutehand.id_set(p_ids uuid[]) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_object_agg(id, true), '{}') from unnest(p_ids) as id where id is not null
$$;

-- minutehand.workflows_named(text, part) -> uuid[]: the workflows of this name in either case, or with `part` of a name that contains it,
-- and of this id or beginning of an id; also the 1,000 that were deleted last.
create or replace function minutehand.workflows_named(p_text text, p_part boolean) returns uuid[]
language sql stable set search_path = '' as $$
  select array(
    select n.id
    from (select minutehand.fold_case(p_text) as name, minutehand.id_range(p_text) as range) t
    cross join lateral (
      select w.id, minutehand.fold_case(w.name) as name from public.automation_workflows w
      union all
      select v.workflow_id, minutehand.fold_case(v.definition ->> 'name')
      from (
        select d.workflow_id, d.definition
        from public.automation_workflow_versions d
        where d.deleted_at is not null order by d.deleted_at desc limit 1000) v
    ) n
    where n.name = t.name or p_part and strpos(n.name, t.name) > 0 or n.id between t.range[1] and t.range[2])
$$;

-- minutehand.executions_to(recipient, tenant, limit) -> uuid[]: the executions that sent to this address, the newest so many; and of the
-- newest 2,000 failed and skipped ones those whose reason names it.  An address is read as opt-outs are; anything else, such as a URL,
-- is compared in either case.
create or replace function minutehand.executions_to(p_recipient text, p_tenant text, p_limit integer) returns uuid[]
language plpgsql stable set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_address constant text := coalesce(
    (minutehand.read_email(p_recipient)).address, (minutehand.read_phone(p_recipient)).address,
    minutehand.fold_case(minutehand.trim_unseen(p_recipient)));
begin
  if coalesce(v_address, '') = '' then
    return '{}';
  end if;
  return array(
    select sent.execution_id from (
      (select s.execution_id
       from public.communication_logs s
       where minutehand.fold_case(left(s.recipient, 320)) = left(v_address, 320) and s.reserved_at is not null
         and (p_tenant is null or minutehand.tenant_of(s) = p_tenant)
       order by s.reserved_at desc limit p_limit)
      union all
      (select s.execution_id
       from public.communication_logs s
       where string_to_array(minutehand.fold_case(s.recipient), ', ') @> array[v_address] and s.recipient like '%, %'
         and s.reserved_at is not null and (p_tenant is null or minutehand.tenant_of(s) = p_tenant)
       order by s.reserved_at desc limit p_limit)) sent
    where sent.execution_id is not null
    union
    select l.id
    from unnest(array['failed', 'skipped']) as ended (status)
    cross join lateral (
      select u.id, u.reason from public.automation_execution_logs u
      where u.status = ended.status and (p_tenant is null or minutehand.tenant_of(u) = p_tenant)
      order by u.created_at desc limit 2000) l
    where v_address ~ '[@+]' and strpos(minutehand.fold_case(l.reason), v_address) > 0);
end
$$;

-- minutehand.text_filter(text, tenant, hides payloads) -> {"text_ids": {"<execution>": true}, "text_workflows": {"<workflow>": true}}: what
-- a text without a word before it means: an execution's id or its beginning; the id of a row; a recipient; the id of the client of a row
-- (client_id, clientId, client.id or customer_id, in the newest 50,000 changes); the id of a workflow or a part of its name.
create or replace function minutehand.text_filter(p_text text, p_tenant text, p_hides boolean) returns jsonb
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan set enable_seqscan = off set jit = off as $$
declare
  v_keys constant text[] := minutehand.written_keys(p_text);
  v_range constant uuid[] := minutehand.id_range(p_text);
  v_ids uuid[] := case when p_hides then '{}' else minutehand.executions_to(p_text, p_tenant, 10000) end;
begin
  v_ids := v_ids || array(
    select l.id
    from public.automation_execution_logs l
    where l.id between v_range[1] and v_range[2] and (p_tenant is null or minutehand.tenant_of(l) = p_tenant)
    order by l.id limit 10000);
  v_ids := v_ids || array(
    select f.id
    from (
      select l.id, l.created_at
      from public.automation_execution_logs l
      where l.entity_id = any (v_keys) and (p_tenant is null or minutehand.tenant_of(l) = p_tenant) offset 0) f
    order by f.created_at desc limit 10000);
  if not p_hides and p_text !~ '\s' then
    v_ids := v_ids || array(
      select l.id
      from (select * from public.automation_events order by id desc limit 50000) e
      join public.automation_execution_logs l on l.event_id = e.id and l.entity_id is not distinct from e.entity_id
      where (p_tenant is null or minutehand.tenant_of(l) = p_tenant and coalesce(e.organization_id, e.user_id) = p_tenant)
        and (e.new ->> 'client_id' = any (v_keys) or e.new ->> 'clientId' = any (v_keys) or e.new #>> '{client,id}' = any (v_keys)
             or e.new ->> 'customer_id' = any (v_keys))
      limit 10000);
  end if;
  return jsonb_build_object(
    'text_ids', minutehand.id_set(v_ids), 'text_workflows', minutehand.id_set(minutehand.workflows_named(p_text, length(p_text) > 1)));
end
$$;

-- minutehand.filter_of(filter) -> the filter with what its values mean: "workflow_ids", "keys", "recipient_ids", "text_ids", "text_workflows",
-- "table_keys", and "payload", its paths together.
create or replace function minutehand.filter_of(p_filter jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(p_filter, '{}')
    || case when p_filter ->> 'entity' is null then '{}' else jsonb_build_object(
      'keys', to_jsonb(minutehand.written_keys(p_filter ->> 'entity'))) end
    || case when p_filter ->> 'workflow' is null then '{}' else jsonb_build_object(
      'workflow_ids', minutehand.id_set(minutehand.workflows_named(p_filter ->> 'workflow', false))
        || jsonb_build_object(lower(p_filter ->> 'workflow'), true)) end  -- also one that is gone
    || case when p_filter ->> 'recipient' is null then '{}' else jsonb_build_object(
      'recipient_ids', minutehand.id_set(minutehand.executions_to(p_filter ->> 'recipient', p_filter ->> 'tenant', 10000))) end
    || case when p_filter ->> 'text' is null then '{}' else minutehand.text_filter(
      p_filter ->> 'text', p_filter ->> 'tenant', p_filter ? 'hides_payloads') end
    || case when p_filter ->> 'table' is null then '{}' else jsonb_build_object(
      'table', lower(regexp_replace(replace(p_filter ->> 'table', '"', ''), '^public\.', '', 'i')),
      'table_keys', (
        select coalesce(jsonb_object_agg(k.key, true), '{}')
        from minutehand.watched w
        cross join lateral unnest(array[(w.config ->> 'type') || '_id', (w.config ->> 'type') || 'Id']) as k (key)
        where lower(w.name) = lower(regexp_replace(replace(p_filter ->> 'table', '"', ''), '^public\.', '', 'i'))
      )) end
    || case when p_filter ->> 'channel' is null then '{}' else jsonb_build_object('channel', lower(p_filter ->> 'channel')) end
    || case when p_filter ->> 'step' is null then '{}' else jsonb_build_object('step', lower(p_filter ->> 'step')) end
    || (
      select case when count(*) = 0 then '{}' else jsonb_build_object('payload', jsonb_object_agg(substr(f.key, 9), f.value)) end
      from jsonb_each_text(p_filter) as f
      where f.key like 'payload.%')
$$;

-- minutehand.is_listed(filter after filter_of) -> boolean: are the executions that it may mean known by their ids (minutehand.filter_ids)?
create or replace function minutehand.is_listed(p_filter jsonb) returns boolean
language sql immutable as $$
  select p_filter ?| array['ids', 'recipient', 'due_from', 'due_until']
    or p_filter ? 'text' and (p_filter -> 'text_ids' <> '{}' or p_filter -> 'text_workflows' = '{}')
$$;

-- minutehand.filter_ids(filter after filter_of, floor) -> uuid[]: the executions that the filter may mean; null if it does not list them.
-- A text that names executions means these, and the newest of the workflows that it names, back to the floor.
create or replace function minutehand.filter_ids(p_filter jsonb, p_floor timestamptz) returns uuid[]
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
begin
  if p_filter ? 'ids' then
    return array(select minutehand.to_uuid(id) from jsonb_array_elements_text(p_filter -> 'ids') as requested (id));
  elsif p_filter ? 'recipient' then
    return array(select jsonb_object_keys(p_filter -> 'recipient_ids')::uuid);
  elsif p_filter ?| array['due_from', 'due_until'] then
    return array(
      select f.id
      from (
        select l.id, l.created_at
        from public.automation_execution_logs l
        where l.status = 'pending' and minutehand.matches_filter(l, p_filter) offset 0) f
      order by f.created_at desc limit 10000);
  elsif not minutehand.is_listed(p_filter) then
    return null;
  end if;
  return array(select jsonb_object_keys(p_filter -> 'text_ids')::uuid) || case when p_filter -> 'text_workflows' = '{}' then '{}' else array(
    select l.id
    from public.automation_execution_logs l
    where l.created_at >= coalesce(p_floor, '-infinity') and minutehand.matches_filter(l, p_filter)
    order by l.created_at desc limit 10000) end;
end
$$;

-- minutehand.error_pattern(reason) -> text: the reason without ids, addresses and numbers, so that equal failures form one group.
-- What looks like an HTTP status (a word of its own, 400 to 599) stays, because a 404 is fixed differently from a 503.
create or replace function minutehand.error_pattern(p_reason text) returns text
language sql immutable as $$
  select left(
    regexp_replace(
      regexp_replace(
        regexp_replace(
          regexp_replace(left(coalesce(p_reason, ''), 500),
            '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', '…', 'gi'),
          '[^\s<>"'',;:]+@[^\s<>"'',;:]+', '…', 'g'),
        -- An answer is kept with a mark behind it, which goes again: looking behind each digit costs eight times as much.
        '(\s[45]\d\d(?![.,:]?\d))|\d+([.,:]\d+)*', '\1#', 'g'),
      '(\s[45]\d\d)#', '\1', 'g'),
    200)
$$;

-- minutehand.search_floor(filter after filter_of, before, rows) -> timestamptz: how far back a search reads; null: to the beginning.  A
-- filter that an index serves reads everything; any other reads the newest p_rows before the cursor, so that no search reads a history
-- of a million rows.  So do failed, skipped and cancelled ones, of their status, where the filter reads more than a row.
create or replace function minutehand.search_floor(p_filter jsonb, p_before timestamptz, p_rows integer)
returns timestamptz language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
declare
  v_status constant text := p_filter ->> 'status';
begin
  if p_filter ?| array['ids', 'recipient', 'due_from', 'due_until'] or p_filter -> 'text_workflows' = '{}' then
    return null;
  elsif p_filter ? 'entity' and not p_filter ? 'text' then
    return null;
  elsif v_status is null and p_filter - array['status', 'since', 'until'] = '{}' then
    return null;
  elsif v_status in ('failed', 'skipped', 'cancelled') and not minutehand.is_listed(p_filter) then
    if not p_filter ?| array['text', 'table', 'channel', 'step', 'payload', 'took_from', 'took_until', 'attempt_from', 'attempt_until'] then
      return null;
    end if;
    return (
      select created_at from public.automation_execution_logs
      where status = v_status and (p_before is null or created_at <= p_before)
      order by created_at desc, id desc offset p_rows limit 1);
  end if;
  return (
    select created_at
    from public.automation_execution_logs
    where p_before is null or created_at <= p_before
    order by created_at desc, id desc offset p_rows limit 1);
end
$$;

-- minutehand.bars(from, to, seconds, tenant) -> [{"at": start of the bucket, "<status>": n, …}]: how many executions were created
-- in each bucket of so many seconds, by their status; empty buckets are left out.  It reads every row that it counts: callers
-- that show long times keep the buckets that are over.  Errors: MH400 more than 1,000 buckets.
create or replace function minutehand.bars(p_from timestamptz, p_to timestamptz, p_seconds integer, p_tenant text)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  if p_seconds is null or p_seconds < 1 or extract(epoch from p_to - p_from) > 1000::bigint * p_seconds then
    raise exception 'the chart would have more than 1,000 buckets' using errcode = 'MH400', hint = 'Choose a shorter time or longer buckets.';
  end if;
  return (
    select coalesce(jsonb_agg(counts || jsonb_build_object('at', at) order by at), '[]')
    from (
      select at, jsonb_object_agg(status, n) as counts
      from (
        select date_bin(make_interval(secs => p_seconds), created_at, p_from) as at,
               case status when 'running' then 'processing' else status end as status, count(*) as n
        from public.automation_execution_logs l
        where created_at >= p_from and created_at < p_to and (p_tenant is null or minutehand.tenant_of(l) = p_tenant)
        group by 1, 2
      ) counted
      group by at
    ) buckets);
end
$$;
