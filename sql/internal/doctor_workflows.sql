-- What doctor reads of the workflows and of the queue: what can never run, and what waits for a person.

-- minutehand.known_statuses(relation, config) -> text[]: statuses that rows of a watched table have or may have, from a bounded
-- number of reads: an enum's labels, the app's table of statuses (job_statuses.name), some rows, the newest changes.
create or replace function minutehand.known_statuses(p_relation regclass, p_config jsonb) returns text[]
language plpgsql stable set search_path = '' as $$
declare
  v_status text := p_config ->> 'status';
  v_schema text := (select relnamespace::regnamespace::text from pg_catalog.pg_class where oid = p_relation);
  v_seeds regclass := minutehand.readable(format('%s.%I', v_schema, (p_config ->> 'type') || '_statuses'));
  v_words text[];
  v_more text[];
begin
  select array_agg(e.enumlabel::text) into v_words
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_enum e on e.enumtypid = a.atttypid
  where a.attrelid = p_relation and a.attname = v_status;
  if not exists (select from pg_catalog.pg_attribute where attrelid = p_relation and attname = v_status) then
    return '{}';
  end if;
  execute format('select array_agg(distinct s) from (select %I::text as s from %s limit 10000) x', v_status, p_relation)
    into v_more;
  v_words := v_words || v_more;
  if exists (select from pg_catalog.pg_attribute where attrelid = v_seeds and attname = 'name') then
    execute format('select array_agg(distinct name::text) from (select name from %s limit 1000) x', v_seeds) into v_more;
    v_words := v_words || v_more;
  end if;
  select array_agg(distinct e.new ->> v_status) into v_more
  from (select new, types from public.automation_events order by id desc limit 5000) e
  where e.types && array[(p_config ->> 'type') || '_updated', (p_config ->> 'type') || '_created'];
  return array(
    select distinct word from unnest(v_words || v_more) as word where word is not null order by word limit 500);
end
$$;

-- minutehand.tables_emitting(trigger_type) -> (type, status, word): the watched tables whose changes have this type; word is the
-- status in the name of the type ("job_completed"), null if there is none.
create or replace function minutehand.tables_emitting(p_type text)
returns table (type text, status text, word text) language sql stable set search_path = '' as $$
  select w.config ->> 'type', w.config ->> 'status',
         case when rest.word not in ('', 'created', 'updated', 'deleted', 'status_changed') then rest.word end
  from minutehand.watched w
  cross join lateral (select substr(p_type, length(w.config ->> 'type') + 2) as word) rest
  where starts_with(p_type, (w.config ->> 'type') || '_')
$$;

-- minutehand.wanted_statuses(conditions, status column) -> the statuses that conditions name.
create or replace function minutehand.wanted_statuses(p_conditions jsonb, p_status text) returns setof text
language sql stable set search_path = '' as $$
  select distinct word.value
  from jsonb_path_query(
    minutehand.normal_conditions(p_conditions), 'strict $.** ? (exists (@.field) && exists (@.operator))') as leaf
  cross join lateral jsonb_array_elements_text(
    case jsonb_typeof(leaf -> 'value') when 'array' then leaf -> 'value' else jsonb_build_array(leaf -> 'value') end)
    as word (value)
  where leaf ->> 'operator' in ('equals', 'in', 'changed_to', 'changed_from')
    and regexp_replace(leaf ->> 'field', '^(new|old|record)\.', '') = p_status
    and word.value is not null
$$;

-- minutehand.unknown_statuses(workflow, words) -> [{"word", "type"}]: statuses that it waits for and that no row is known to have.
-- A type without known statuses is not checked.
create or replace function minutehand.unknown_statuses(p_workflow public.automation_workflows, p_words jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(distinct jsonb_build_object('word', wanted.word, 'type', h.type)), '[]')
  from (
    -- job_status_changed is of jobs, but would also be a status of job: the type that says all of it is meant.
    select * from minutehand.tables_emitting(p_workflow.trigger_type) order by word nulls first, length(type) desc limit 1
  ) h
  cross join lateral (
    select h.word, true as in_type where h.word is not null
    union all
    select w.word, false
    from minutehand.wanted_statuses(
      minutehand.conditions_of(minutehand.row_of(p_workflow), h.status), h.status) as w (word)
  ) wanted
  where p_words -> h.type <> '[]' and not exists (
    select from jsonb_array_elements_text(p_words -> h.type) as known (word)
    where case when wanted.in_type then minutehand.slug(known.word) = wanted.word
      else minutehand.fold(known.word) = minutehand.fold(wanted.word) end)
$$;

-- minutehand.steps_for_lint(workflow) -> {"steps", "template_config"?, "workflow_config"?, "action_type"?, "action_config"?}, the
-- others if they contain steps; null if they have more than 16 kB.
create or replace function minutehand.steps_for_lint(p_workflow public.automation_workflows) returns jsonb
language sql stable set search_path = '' as $$
  select case when octet_length(held::text) <= 16384 then held end
  from (
    select jsonb_build_object('steps', coalesce(nullif(r -> 'steps', 'null'), '[]')) || jsonb_strip_nulls(jsonb_build_object(
      'template_config', r -> 'template_config', 'workflow_config', r -> 'workflow_config',
      'action_type', r -> 'action_type', 'action_config', r -> 'action_config')) as held
    from (select coalesce(minutehand.row_of(p_workflow), '{}') as r) read
  ) x
$$;

-- minutehand.facts_of_workflow(workflow, words) -> {"id", "name", "trigger_type", "problem", "unread", "heard", "unmatched"}, and as
-- minutehand.steps_for_lint; "steps" is null if that is, and for a workflow with a problem.  `unread`: the settings that cannot be
-- read; it runs without them.  `heard`: a watched table has changes of its type.
create or replace function minutehand.facts_of_workflow(p_workflow public.automation_workflows, p_words jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_problem text := minutehand.workflow_problem(p_workflow);
  v_held jsonb;
begin
  if v_problem is null then
    v_held := minutehand.steps_for_lint(p_workflow);
  end if;
  v_held := coalesce(v_held, '{"steps": null}');
  return v_held || jsonb_build_object(
    'id', p_workflow.id, 'name', left(p_workflow.name, 100), 'trigger_type', left(p_workflow.trigger_type, 100),
    'problem', v_problem,
    'unread', minutehand.order_problem(minutehand.row_of(p_workflow) -> 'settings'),
    'heard', exists (select from minutehand.tables_emitting(p_workflow.trigger_type)),
    'unmatched', case when v_problem is null then minutehand.unknown_statuses(p_workflow, p_words) else '[]' end);
end
$$;

-- minutehand.workflow_switches(workflow) -> {switch: value}, of those that the row has; null if a json value of the row is not valid
-- jsonb.
create or replace function minutehand.workflow_switches(p_workflow public.automation_workflows) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return jsonb_strip_nulls(jsonb_build_object(
    'is_active', p_workflow.is_active, 'status', p_workflow.status, 'enabled', to_jsonb(p_workflow) -> 'enabled'));
exception when data_exception or statement_too_complex then
  return null;
end
$$;

-- minutehand.facts_workflows(now) -> {"on": [as facts_of_workflow], "off": count, "torn": [{"id", "name", "switches"}],
--   "words": {type: [status]}}.  Torn: one switch is on, another is off.  A workflow that cannot be read counts as on, so that it is
-- reported.  At most 1,000 of a kind, of the first 10,000.
create or replace function minutehand.facts_workflows(p_now timestamptz) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_words jsonb;
  v_facts jsonb;
begin
  select coalesce(jsonb_object_agg(w.config ->> 'type', to_jsonb(minutehand.known_statuses(w.relation, w.config))), '{}')
  into v_words
  from minutehand.watched w;
  with looked as (
    select workflow, switches is null or minutehand.is_on(workflow) as is_on, switches
    from (
      select w as workflow, minutehand.workflow_switches(w) as switches from public.automation_workflows w limit 10000
    ) x
  )
  select jsonb_build_object(
    'words', v_words,
    'off', (select count(*) from looked where not is_on),
    'on', (select coalesce(jsonb_agg(minutehand.facts_of_workflow(workflow, v_words) order by (workflow).name), '[]')
           from (select * from looked where is_on order by (workflow).name limit 1000) l),
    'torn', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'id', (workflow).id, 'name', left((workflow).name, 100), 'switches', switches) order by (workflow).name), '[]')
      from (
        select * from looked
        where not is_on and (switches @> '{"is_active": true}' or switches @> '{"enabled": true}'
                             or lower(switches ->> 'status') = 'active')
        order by (workflow).name limit 1000) l))
  into v_facts;
  return v_facts;
end
$$;

-- minutehand.facts_queue(now) -> {"stale": count, "stale_oldest": due, "held", "uncertain", "unmatched", "set_aside",
--   "no_tenant", "lost"}; counts stop at 10,000, or at the newest 20,000 executions.  Stale: due an hour ago and never started;
-- paused ones do not count.  Held: those that a processor has set aside as stale.
create or replace function minutehand.facts_queue(p_now timestamptz) returns jsonb
language sql stable set search_path = '' set enable_seqscan = off as $$
  with stale as (
    select l.due
    from minutehand.next_by_tenant() h
    cross join lateral (
      select minutehand.due_at(l) as due
      from public.automation_execution_logs l
      where l.status = 'pending' and l.started_at is null and minutehand.tenant_of(l) = h.tenant
        and minutehand.due_at(l) < p_now - interval '1 hour'
      limit 10000
    ) l
    where h.due < p_now - interval '1 hour'
    limit 10000
  ), recent as (
    select status, code from public.automation_execution_logs order by created_at desc, id desc limit 20000
  )
  select jsonb_build_object(
    'stale', (select count(*) from stale),
    'stale_oldest', (select min(due) from stale),
    'held', (select count(*) from recent where status = 'skipped' and code = 'stale'),
    'uncertain', (select count(*) from recent where status = 'failed' and code = 'uncertain_send'),
    'unmatched', (select count(*) from (
      select from public.automation_events
      where matched_at is null and match_attempts < 5 and occurred_at < p_now - interval '10 minutes' limit 10000) x),
    'set_aside', (select count(*) from (
      select from public.automation_events where matched_at is null and match_attempts >= 5 limit 10000) x),
    'no_tenant', (select count(*) from (
      select error from public.automation_events order by id desc limit 10000) x where error like 'no tenant%'),
    'lost', (select case when is_called then last_value else 0 end from minutehand.lost_events))
$$;
