-- Lookup: finds what a caller names, a workflow, a watched table or a row.  Each raises when it does not exist.

-- minutehand.id_range(text) -> uuid[] {first, last}: the ids that begin so.  Equal for a whole id; null for less than 6 of its digits,
-- and for any other text.
create or replace function minutehand.id_range(p_text text) returns uuid[]
language sql immutable set search_path = '' as $$
  select case when digits ~ '^[0-9a-f]{6,32}$' then array[rpad(digits, 32, '0')::uuid, rpad(digits, 32, 'f')::uuid] end
  from (select translate(lower(btrim(p_text)), '-{}', '') as digits) d
$$;

-- minutehand.several(kind, text, names) -> "several executions begin with 01a209: …": what more than one thing answers to; the first 5.
create or replace function minutehand.several(p_kind text, p_text text, p_names text[]) returns text
language sql immutable set search_path = '' as $$
  select format('several %s begin with %s: %s', p_kind, p_text, array_to_string(p_names[1:5], ', '))
    || case when cardinality(p_names) > 5 then ', …' else '' end
$$;

-- minutehand.find_executions([text], tenant) -> [{"asked", "id" | null, "sqlstate"?, "reason"?}], one for each: the execution that has this id, or
-- the only one whose id begins so; otherwise MH404 or MH409 and the reason.  With a tenant, others' executions do not exist; of ids
-- that more than 1,000 executions begin with, it then only says that these are too many.
create or replace function minutehand.find_executions(p_ids jsonb, p_tenant text default null) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'asked', q.asked, 'id', case when cardinality(f.ids) = 1 and not f.is_cut then f.ids[1] end, 'sqlstate', case
      when f.is_cut or cardinality(f.ids) > 1 then 'MH409' when f.ids = '{}' then 'MH404' end,
    'reason', case
      when f.is_cut then format('too many executions begin with %s', q.asked)
      when cardinality(f.ids) > 1 then minutehand.several('executions', q.asked, f.names)
      when f.ids = '{}' then format('there is no execution %s', q.asked) end)) order by q.nr), '[]')
  from (
    select asked, min(nr) as nr, minutehand.id_range(asked) as range
    from jsonb_array_elements_text(p_ids) with ordinality as a (asked, nr)
    group by asked
  ) q
  cross join lateral (
    -- A range of ids, in their order: the primary key answers it.
    select coalesce(array_agg(c.id order by c.id), '{}') as ids, coalesce(bool_or(c.nr > 1000), false) as is_cut,
           array_agg(concat(c.id, ' (' || left(c.entity_id::text, 40) || ')') order by c.id) as names
    from (
      select l.id, l.entity_id, tenant, row_number() over (order by l.id) as nr
      from (
        select o.id, o.entity_id, minutehand.tenant_of(o) as tenant
        from public.automation_execution_logs o
        where o.id between q.range[1] and q.range[2]
        order by o.id
        limit case when p_tenant is null then 6 else 1001 end) l
    ) c
    where p_tenant is null or c.tenant = p_tenant or c.nr > 1000
  ) f
$$;

-- minutehand.find_workflows(text, tenant) -> uuid[]: the workflow of this id; else those of this name; else the only one whose id begins so.
-- With a tenant, others' workflows do not exist.  Errors: MH404 none, MH409 several ids begin so.
create or replace function minutehand.find_workflows(p_workflow text, p_tenant text default null) returns uuid[]
language plpgsql stable set search_path = '' as $$
declare
  v_range constant uuid[] := minutehand.id_range(p_workflow);
  v_ids uuid[];
  v_names text[];
begin
  v_ids := array(
    select w.id from public.automation_workflows w
    where w.id = v_range[1] and v_range[1] = v_range[2] and (p_tenant is null or minutehand.tenant_of(w) = p_tenant));
  if v_ids = '{}' then
    v_ids := array(
      select w.id from public.automation_workflows w
      where w.name = p_workflow and (p_tenant is null or minutehand.tenant_of(w) = p_tenant)
      order by w.id);
  end if;
  if v_ids = '{}' then
    select coalesce(array_agg(f.id order by f.id), '{}'), array_agg(concat(f.id, ' (' || left(f.name::text, 40) || ')') order by f.id)
      into v_ids, v_names
    from (
      select w.id, w.name from public.automation_workflows w
      where w.id between v_range[1] and v_range[2] and (p_tenant is null or minutehand.tenant_of(w) = p_tenant)
      order by w.id
      limit 6) f;
    if v_ids = '{}' then
      raise exception 'there is no workflow "%"', p_workflow
        using errcode = 'MH404', hint = 'See them with: minutehand workflows ls';
    elsif cardinality(v_ids) > 1 then
      raise exception '%', minutehand.several('workflows', p_workflow, v_names)
        using errcode = 'MH409', hint = 'Pass more of the id.';
    end if;
  end if;
  return v_ids;
end
$$;

-- minutehand.find_workflow(text, tenant) -> its row, as find_workflows.  Errors: MH404, MH409 also several of that name.
create or replace function minutehand.find_workflow(p_workflow text, p_tenant text default null)
returns public.automation_workflows
language plpgsql stable set search_path = '' as $$
declare
  v_ids constant uuid[] := minutehand.find_workflows(p_workflow, p_tenant);
  v_workflow public.automation_workflows;
begin
  if cardinality(v_ids) > 1 then
    raise exception 'there are % workflows named "%"', cardinality(v_ids), p_workflow
      using errcode = 'MH409', hint = (
        select 'Use an id: ' || string_agg(
          concat(w.id, ' (tenant ' || left(nullif(minutehand.tenant_of(w), ''), 40) || ')'), ', ' order by w.id)
          || case when cardinality(v_ids) > 5 then ', …' else '' end
        from public.automation_workflows w where w.id = any (v_ids[1:5]));
  end if;
  select w.* into v_workflow from public.automation_workflows w where w.id = v_ids[1];
  return v_workflow;
end
$$;

-- minutehand.table_of_type(trigger type) -> the watched table whose type it starts with: job_completed -> jobs; for what is started by
-- hand alone, the only watched table there is.  A type of a table that is not watched has none.
create or replace function minutehand.table_of_type(p_type text) returns text
language sql stable set search_path = '' as $$
  select coalesce(
    (
      select name
      from minutehand.watched
      where starts_with(p_type, (config ->> 'type') || '_')
      order by length(config ->> 'type') desc
      limit 1
    ),
    (select min(name) from minutehand.watched where coalesce(p_type, 'manual') = 'manual' having count(*) = 1))
$$;

-- minutehand.checked_row_id(workflow, table, id) -> the id as the table writes it ("7" for "007" where ids are numbers).
-- Errors: MH404 no such table or row, MH400 the row is another tenant's, or cannot be read.
create or replace function minutehand.checked_row_id(p_workflow public.automation_workflows, p_table text, p_row text)
returns text language plpgsql stable set search_path = '' as $$
declare
  v_config jsonb;
  v_row record;
begin
  if p_table is null then
    raise exception 'no watched table has the trigger type "%" of workflow "%"', p_workflow.trigger_type, p_workflow.name
      using errcode = 'MH404', hint = 'Watch the table first: minutehand trigger add TABLE.';
  end if;
  select w.config, r.key, r.found, r.problem into v_row
  from minutehand.watched w
  cross join lateral minutehand.read_app_rows(
    w.relation, w.config, array[minutehand.key_text(w.relation, w.config, p_row)]) r
  where w.name = p_table;
  if not found then
    raise exception 'there is no row % in %', p_row, p_table using errcode = 'MH404', hint = 'Name it by its id.';
  end if;
  if v_row.problem is not null then
    raise exception '%', v_row.problem ->> 'reason'
      using errcode = 'MH400', hint = case v_row.problem ->> 'ended'
        when 'deferred' then 'Correct that, then try again.' else 'Correct the row, or name another.' end;
  end if;
  v_config := v_row.config;
  perform minutehand.check_row_tenant(p_workflow, p_table, p_row, v_row.found, v_config);
  return v_row.key;
end
$$;

-- minutehand.check_row_tenant(workflow, table, id, row, config): raises where the row is not of the workflow's tenant.  Errors: MH400.
create or replace function minutehand.check_row_tenant(
  p_workflow public.automation_workflows, p_table text, p_id text, p_row jsonb, p_config jsonb
) returns void language plpgsql stable set search_path = '' as $$
begin
  if minutehand.is_row_of_workflow(p_row, p_config, p_workflow) then
    return;
  elsif minutehand.tenant_of(p_workflow) = '' then
    raise exception 'workflow "%" has neither organization_id nor user_id, and the rows of % have tenants', p_workflow.name, p_table
      using errcode = 'MH400', hint = 'Set its organization_id.';
  elsif minutehand.names_no_tenant(p_row, p_config) then
    raise exception 'row % of % names no tenant: % is null', p_id, p_table, p_config ->> 'tenant'
      using errcode = 'MH400', hint = 'Fill that column: the changes of such a row start nothing.';
  end if;
  raise exception 'row % of % belongs to another tenant than workflow "%"', p_id, p_table, p_workflow.name
    using errcode = 'MH400', hint = 'Name a row of the same organisation or user.';
end
$$;

-- minutehand.find_table(name) -> regclass.  `jobs` or `app.jobs`, quoted or not; an ordinary or partitioned table.
-- Errors: MH404; MH400 for what cannot be watched: a view has no rows of its own.
create or replace function minutehand.find_table(p_table text) returns regclass
language plpgsql stable set search_path = '' as $$
declare
  v_name text := regexp_replace(replace(p_table, '"', ''), '^public\.', '');
  v_found record;
begin
  select c.oid::regclass as relation, c.relkind in ('r', 'p') as is_table into v_found
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where minutehand.table_name(n.nspname, c.relname) = v_name and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and n.nspname !~ '^pg_|^information_schema$'
  order by is_table desc, n.nspname
  limit 1;
  if not found then
    raise exception 'there is no table %', p_table
      using errcode = 'MH404', hint = 'Write it as in the database, with its schema unless that is public.';
  elsif not v_found.is_table then
    raise exception '% is not a table but a view or a foreign table', p_table
      using errcode = 'MH400', hint = 'Watch the table whose rows it shows.';
  end if;
  return v_found.relation;
end
$$;

-- minutehand.execution_id(text, tenant) -> uuid: the execution of minutehand.find_executions, or null.  Errors: MH409 several begin so.
create or replace function minutehand.execution_id(p_text text, p_tenant text default null) returns uuid
language plpgsql stable set search_path = '' as $$
declare
  v_found constant jsonb := minutehand.find_executions(jsonb_build_array(p_text), p_tenant) -> 0;
begin
  if v_found ->> 'sqlstate' = 'MH409' then
    raise exception '%', v_found ->> 'reason' using errcode = 'MH409', hint = 'Pass more of the id.';
  end if;
  return (v_found ->> 'id')::uuid;
end
$$;
