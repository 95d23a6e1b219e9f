-- Explain: what the subject means, and which changes and executions it has (automation_explain).

-- minutehand.explain_subject(subject) -> {"kind": "row" | "execution" | "event" | "recipient" | "key" | "workflow" | "none", "text", "tenant",
--   "since", "workflow_ids": [id] | null, "execution", "event", "address", "channel", "table", "key", "tables": [as
--   minutehand.explain_tables]}
-- `event:17`, `execution:…`, `row:…`, `recipient:…`, `key:…` and `workflow:…` say the kind; else it is a row where one has this id, then an execution,
-- an address, a change.
-- Errors: MH400 no subject or too long a one, MH404 no such workflow or table, MH409 rows of several tables, or several executions.
create or replace function minutehand.explain_subject(p_subject jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_text text := minutehand.trim_unseen(p_subject ->> 'text');
  v_kind constant text := substring(v_text from '^(event|execution|key|recipient|row|workflow):');
  v_tenant constant text := p_subject ->> 'tenant';
  v_subject jsonb;
  v_tables jsonb := '[]';
  v_id uuid;
begin
  if v_kind is not null then
    v_text := substr(v_text, length(v_kind) + 2);
  end if;
  if coalesce(v_text, '') = '' or length(v_text) > 500 then
    raise exception '%', case when coalesce(v_text, '') = '' then 'nothing to explain' else 'the subject is longer than 500 characters' end
      using errcode = 'MH400', hint = 'Name a row, an execution, a change (event:17) or a recipient.';
  end if;
  v_subject := jsonb_build_object(
    'kind', 'none', 'text', v_text, 'tenant', v_tenant, 'since', (p_subject ->> 'since')::timestamptz,
    'workflow_ids', minutehand.explain_workflows(
      case v_kind when 'workflow' then v_text else p_subject ->> 'workflow' end, v_tenant));
  if v_kind = 'workflow' then
    return v_subject || '{"kind": "workflow"}';
  end if;
  if coalesce(v_kind, 'row') = 'row' then
    v_tables := minutehand.explain_tables(v_text, p_subject ->> 'table', v_tenant);
    if jsonb_array_length(v_tables) > 1 then
      raise exception 'several tables have a row %: %', v_text,
        (select string_agg(t ->> 'table', ', ' order by t ->> 'table') from jsonb_array_elements(v_tables) as t)
        using errcode = 'MH409', hint = format('Name the table: minutehand explain --table %s %s', v_tables #>> '{0,table}', v_text);
    elsif v_tables <> '[]' then
      return v_subject || jsonb_build_object(
        'kind', 'row', 'table', v_tables #>> '{0,table}', 'key', v_tables #>> '{0,key}', 'tables', v_tables);
    end if;
  end if;
  v_id := case when coalesce(v_kind, 'execution') = 'execution' then minutehand.execution_id(v_text, v_tenant) end;
  if exists (
      select from public.automation_execution_logs l
      where l.id = v_id and (v_tenant is null or minutehand.tenant_of(l) = v_tenant)) then
    return v_subject || jsonb_build_object('kind', 'execution', 'execution', v_id);
  elsif coalesce(v_kind, 'recipient') = 'recipient' and coalesce(
      (minutehand.read_email(v_text)).address, (minutehand.read_phone(v_text)).address) is not null then
    return v_subject || jsonb_build_object(
      'kind', 'recipient', 'channel', case when v_text ~ '@' then 'email' else 'sms' end,
      'address', coalesce((minutehand.read_email(v_text)).address, (minutehand.read_phone(v_text)).address));
  elsif coalesce(v_kind, 'event') = 'event' and v_text ~ '^[0-9]{1,18}$' and exists (
      select from public.automation_events e
      where e.id = v_text::bigint and (v_tenant is null or coalesce(e.organization_id, e.user_id) = v_tenant)) then
    return v_subject || jsonb_build_object('kind', 'event', 'event', v_text::bigint);
  end if;
  return v_subject || case when v_kind = 'key' then '{"kind": "key"}' else '{}' end::jsonb;
end
$$;

-- minutehand.explain_workflows(id, beginning of an id, or name; tenant) -> [id] of the workflows that are meant, deleted ones too; null for null.
-- Errors: MH404.
create or replace function minutehand.explain_workflows(p_workflow text, p_tenant text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_range constant uuid[] := minutehand.id_range(p_workflow);
  v_ids jsonb;
begin
  if p_workflow is null then
    return null;
  end if;
  select jsonb_agg(distinct f.id) into v_ids
  from (
    select w.id
    from public.automation_workflows w
    where (w.name = p_workflow or w.id between v_range[1] and v_range[2]) and (p_tenant is null or minutehand.tenant_of(w) = p_tenant)
    union all
    select v.workflow_id
    from (
      select * from public.automation_workflow_versions where deleted_at is not null order by deleted_at desc limit 1000) v
    where (v.definition ->> 'name' = p_workflow or v.workflow_id between v_range[1] and v_range[2])
      and (p_tenant is null or coalesce(v.definition ->> 'organization_id', v.definition ->> 'user_id') = p_tenant)
    limit 20) f;
  if v_ids is null then
    raise exception 'there is no workflow "%", and none of that name was deleted', left(p_workflow, 100)
      using errcode = 'MH404', hint = 'See them with: minutehand workflows ls';
  end if;
  return v_ids;
end
$$;

-- minutehand.explain_tables(id, table or null, tenant) -> [{"table", "key", "config", "trigger": "on" | "off" | "replaced" | null, "row", "problem"}]:
-- the tables that have such a row, or changes of one.  A table that is named is always in it; without a config it is not watched.
-- Errors: MH404 no such table.
create or replace function minutehand.explain_tables(p_id text, p_table text, p_tenant text) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_relation constant oid := case when p_table is not null and p_tenant is null and not exists (
    select from public.automation_events e where e.entity_id = p_id and e.table_name = p_table) then minutehand.find_table(p_table) end;
begin
  return (
    with watched as (
      select w.name, w.relation, w.config, minutehand.key_text(w.relation, w.config, p_id) as key, w.trigger
      from minutehand.watched w
      where p_table is null or w.name = p_table or w.relation = v_relation
      order by w.name limit 50
    ), looked as (
      select w.name, w.config, w.key, r.found, r.problem, t.tgenabled in ('O', 'A') as is_on
      from watched w
      join pg_catalog.pg_trigger t on t.tgrelid = w.relation and t.tgname = w.trigger
      left join lateral minutehand.read_app_rows(w.relation, w.config, array[w.key]) r on true
    ), changed as (
      select distinct e.table_name
      from (
        select * from public.automation_events e
        where e.entity_id in (select p_id union select key from watched) order by e.id desc limit 1000) e
      where e.table_name <> '' and (p_tenant is null or coalesce(e.organization_id, e.user_id) = p_tenant)
        and (p_table is null or e.table_name = p_table)
    ), known as (
      select l.name, l.key, l.config, case when l.is_on then 'on' else 'off' end as trigger, l.found, l.problem
      from looked l
      where p_tenant is null and (l.found is not null or p_table is not null)
         or p_tenant is not null and coalesce(minutehand.organization_of(l.found, l.config), l.found ->> coalesce(l.config ->> 'user', 'user_id')) = p_tenant
         or l.name in (select table_name from changed)
      union all
      select c.table_name, p_id, null, null, null, null
      from changed c where c.table_name not in (select name from looked)
      union all
      select p_table, p_id, null, minutehand.foreign_trigger(v_relation), null, null
      where v_relation is not null and p_tenant is null and not exists (select from looked)
    )
    select coalesce(jsonb_agg(jsonb_build_object(
      'table', k.name, 'key', k.key, 'config', k.config, 'trigger', k.trigger, 'row', k.found, 'problem', k.problem) order by k.name), '[]')
    from known k);
end
$$;

-- minutehand.foreign_trigger(relation) -> text: 'replaced' where a trigger has the name of ours and calls another function.
create or replace function minutehand.foreign_trigger(p_relation oid) returns text
language sql stable set search_path = '' as $$
  select 'replaced'
  from pg_catalog.pg_trigger t
  where t.tgrelid = p_relation and t.tgname in ('!minutehand_capture', 'minutehand_capture')
    and t.tgfoid is distinct from minutehand.own_function('public.automation_capture()')
  limit 1
$$;

-- minutehand.explain_executions(subject) -> the executions of the subject, newest first, at most 51.
create or replace function minutehand.explain_executions(p_subject jsonb) returns public.automation_execution_logs[]
language plpgsql stable set search_path = '' set enable_seqscan = off set jit = off as $$
declare
  v_ids uuid[];
begin
  if p_subject ->> 'kind' = 'execution' then
    v_ids := array[(p_subject ->> 'execution')::uuid];
  elsif p_subject ->> 'kind' = 'event' then
    v_ids := array(select id from public.automation_execution_logs where event_id = (p_subject ->> 'event')::bigint limit 200);
  elsif p_subject ->> 'kind' = 'row' then
    v_ids := array(
      select l.id
      from (
        select * from public.automation_execution_logs
        where entity_id = p_subject ->> 'key' order by created_at desc limit 200) l
      where coalesce(minutehand.table_of(minutehand.readable_json(l.trigger_data::text)), p_subject ->> 'table') = p_subject ->> 'table');
  elsif p_subject ->> 'kind' = 'key' then
    v_ids := array(
      select l.id
      from public.automation_workflows w
      join public.automation_events e on e.dedupe_key = format('enqueue:%s:%s', w.id, p_subject ->> 'text')
      join public.automation_execution_logs l on l.event_id = e.id and l.replay_of is null
      limit 50);
  elsif p_subject ->> 'kind' = 'recipient' then
    v_ids := minutehand.executions_to(p_subject ->> 'address', p_subject ->> 'tenant', 50);
  end if;
  return array(
    select l
    from public.automation_execution_logs l
    where l.id = any (v_ids)
      and (p_subject ->> 'tenant' is null or minutehand.tenant_of(l) = p_subject ->> 'tenant')
      and (p_subject ->> 'since' is null or l.created_at >= (p_subject ->> 'since')::timestamptz)
      and (p_subject -> 'workflow_ids' = 'null' or p_subject -> 'workflow_ids' ? l.workflow_id::text)
    order by l.created_at desc, l.id desc limit 51);
end
$$;

-- minutehand.explain_events(subject) -> the changes of the subject, newest first, at most 21.
create or replace function minutehand.explain_events(p_subject jsonb) returns public.automation_events[]
language plpgsql stable set search_path = '' set enable_seqscan = off set jit = off as $$
begin
  if p_subject ->> 'kind' = 'event' then
    return array(select e from public.automation_events e where e.id = (p_subject ->> 'event')::bigint);
  elsif p_subject ->> 'kind' <> 'row' then
    return '{}';
  end if;
  return array(
    select e
    from public.automation_events e
    where e.entity_id = p_subject ->> 'key' and e.table_name = p_subject ->> 'table' and e.operation not in ('ENQUEUE', 'SCHEDULE', 'DATE')
      and (p_subject ->> 'since' is null or e.occurred_at >= (p_subject ->> 'since')::timestamptz)
      and (p_subject ->> 'tenant' is null or coalesce(e.organization_id, e.user_id) = p_subject ->> 'tenant')
    order by e.id desc limit 21);
end
$$;

-- minutehand.explain_candidates(event, config, subject) -> ids of the workflows that this change is compared with, at most 50: those of
-- its tenant, deleted ones too, of its types first; or those that the subject names, and where one of these is the tenant's, that alone.
-- For an operator, where the tenant has none, three of other tenants with the change's type.  None where the change itself starts nothing.
create or replace function minutehand.explain_candidates(p_event public.automation_events, p_config jsonb, p_subject jsonb)
returns setof uuid language plpgsql stable set search_path = '' as $$
declare
  v_single constant boolean := p_config is not null and p_config ->> 'tenant' is null;
  v_named constant uuid[] := case when p_subject -> 'workflow_ids' <> 'null' then array(
    select jsonb_array_elements_text(p_subject -> 'workflow_ids')::uuid) end;
  v_ids uuid[];
begin
  if p_event.error is not null or p_event.matched_at is null then
    return;
  end if;
  v_ids := array(
    select f.id
    from (
      (select w.id, w.trigger_type from public.automation_workflows w
       where v_single or w.organization_id::text = p_event.organization_id
       order by (w.trigger_type = any (p_event.types)) desc, w.id limit 200)
      union
      (select w.id, w.trigger_type from public.automation_workflows w
       where not v_single and p_event.organization_id is null and w.user_id::text = p_event.user_id
       order by (w.trigger_type = any (p_event.types)) desc, w.id limit 200)
      union
      (select v.workflow_id, v.definition ->> 'trigger_type'
       from (select * from public.automation_workflow_versions
             where deleted_at is not null and deleted_at >= p_event.occurred_at - interval '7 days' order by deleted_at desc limit 200) v
       where v_single or minutehand.same_tenant(
         p_event.organization_id, p_event.user_id, v.definition ->> 'organization_id', v.definition ->> 'user_id'))) f
    where v_named is null or f.id = any (v_named)
    order by (f.trigger_type = any (p_event.types)) desc, f.id
    limit 50);
  if v_ids <> '{}' or v_named is not null then
    return query select unnest(case when v_ids <> '{}' then v_ids else v_named end);
  elsif p_subject ->> 'tenant' is null and not v_single then
    return query
      select w.id from public.automation_workflows w where w.trigger_type = any (p_event.types) order by w.id limit 3;
  end if;
end
$$;
