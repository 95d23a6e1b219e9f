-- Lookup: finds what a caller names, a workflow, a watched table or a row.  Each raises when it does not exist.

-- minutehand.find_workflow(id or name) -> its row.  Errors: MH404, MH409.
create or replace function minutehand.find_workflow(p_workflow text) returns public.automation_workflows
language plpgsql stable set search_path = '' as $$
declare
  v_workflow public.automation_workflows;
  v_count integer;
begin
  select count(*) into v_count
  from public.automation_workflows w where w.id::text = lower(p_workflow) or w.name = p_workflow;
  if v_count = 0 then
    raise exception 'there is no workflow "%"', p_workflow
      using errcode = 'MH404', hint = 'See them with: minutehand workflows ls';
  elsif v_count > 1 then
    raise exception 'there are % workflows named "%"', v_count, p_workflow
      using errcode = 'MH409', hint = 'Use its id.';
  end if;
  select w.* into v_workflow
  from public.automation_workflows w where w.id::text = lower(p_workflow) or w.name = p_workflow;
  return v_workflow;
end
$$;

-- minutehand.table_of_type(trigger type) -> the watched table whose type it starts with: job_completed -> jobs; or the
-- only watched table there is.
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
    (select min(name) from minutehand.watched having count(*) = 1))
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
  cross join lateral minutehand.read_app_rows(w.relation, w.config, array[p_row]) r
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
  if not minutehand.is_row_of_workflow(v_row.found, v_config, p_workflow) then
    raise exception 'row % of % belongs to another tenant than workflow "%"', p_row, p_table, p_workflow.name
      using errcode = 'MH400', hint = 'Name a row of the same organisation or user.';
  end if;
  return v_row.key;
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
