-- Filters of executions, for the command line and the dashboard, and how messages are grouped.

-- minutehand.matches_filter(log, filter) -> boolean: the one place that decides which executions a filter means.
-- filter: {"status"?, "code"?, "workflow"? (id or name), "entity"?, "error"? (part of its reason), "since"?, "until"?
-- (timestamptz), "tenant"?, "message"? (as minutehand.error_pattern returns it)}, after minutehand.filter_of.  The caller itself
-- applies "ids" (minutehand.filter_ids).  Plain SQL without a sub-select, so that it becomes part of its caller's query.
create or replace function minutehand.matches_filter(p_log public.automation_execution_logs, p_filter jsonb) returns boolean
language sql stable as $$
  select (p_filter ->> 'status' is null or p_log.status = p_filter ->> 'status'
      or p_filter ->> 'status' = 'processing' and p_log.status = 'running')
    and (p_filter ->> 'code' is null or p_log.code = p_filter ->> 'code' and p_log.status <> 'completed')
    and (p_filter ->> 'entity' is null or p_log.entity_id = p_filter ->> 'entity')
    and (p_filter ->> 'since' is null or p_log.created_at >= (p_filter ->> 'since')::timestamptz)
    and (p_filter ->> 'until' is null or p_log.created_at < (p_filter ->> 'until')::timestamptz)
    and (p_filter ->> 'tenant' is null or minutehand.tenant_of(p_log) = p_filter ->> 'tenant')
    and (p_filter ->> 'error' is null or p_log.status <> 'completed'
      and strpos(lower(coalesce(p_log.reason, p_log.error_message)), lower(p_filter ->> 'error')) > 0)
    and (p_filter ->> 'message' is null
      or minutehand.error_pattern(coalesce(p_log.reason, p_log.error_message)) = p_filter ->> 'message')
    and (p_filter ->> 'workflow' is null or p_filter -> 'workflow_ids' ? p_log.workflow_id::text)
$$;

-- minutehand.filter_of(filter) -> the filter with "workflow_ids": those that its workflow names, by name or id.
create or replace function minutehand.filter_of(p_filter jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(p_filter, '{}') || case when p_filter ->> 'workflow' is null then '{}' else jsonb_build_object(
    'workflow_ids', (
      select coalesce(jsonb_agg(w.id::text), '[]') from public.automation_workflows w
      where w.name = p_filter ->> 'workflow' or w.id = minutehand.to_uuid(p_filter ->> 'workflow'))
      || to_jsonb(lower(p_filter ->> 'workflow'))) end  -- also one that is gone
$$;

-- minutehand.filter_ids(filter) -> uuid[]: the executions that the filter names; null if it names none.
create or replace function minutehand.filter_ids(p_filter jsonb) returns uuid[]
language sql stable set search_path = '' as $$
  select case when p_filter ? 'ids' then array(
    select minutehand.to_uuid(id) from jsonb_array_elements_text(p_filter -> 'ids') as requested (id)) end
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

-- minutehand.search_floor(filter, before, rows) -> timestamptz: how far back a search reads; null: to the beginning.  A filter that
-- an index serves reads everything; any other reads the newest p_rows before the cursor, so that no search reads a history of
-- a million rows.
create or replace function minutehand.search_floor(p_filter jsonb, p_before timestamptz, p_rows integer)
returns timestamptz language sql stable as $$
  select case
    when p_filter ? 'ids' or p_filter ? 'entity' or p_filter ->> 'status' in ('failed', 'skipped', 'cancelled') then null
    when p_filter - array['status', 'since', 'until'] = '{}' and p_filter ->> 'status' is null then null
    else (
      select created_at
      from public.automation_execution_logs
      where p_before is null or created_at <= p_before
      order by created_at desc, id desc offset p_rows limit 1)
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
