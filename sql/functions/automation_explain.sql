-- automation_explain(p_subject, p_limit, p_now) -> {"now", "database", "subject": {"kind": "row" | "execution" | "event" | "recipient" |
--   "key" | "workflow" | "none", "text", "table", "key"}, "answers": [as minutehand.explain_answer, with "remedy"], "more": answers left out,
--   "more_changes": bool, "events_since": timestamptz | null}
-- Why did it start, why did it not?  p_subject: {"text": what a person names (minutehand.explain_subject), "table"?, "since"?
-- (timestamptz), "workflow"? (id or name), "tenant"?: only what is of this tenant}.  For each recorded change and each workflow of its
-- tenant, the newest change first; of a change first what started, then what came nearest.  The newest 20 changes and 50 executions
-- are looked at.  What is not known here, and what is another tenant's, has the same answer: `unknown_here`.
-- Locks: none; writes nothing.  Errors: as minutehand.explain_subject; 22007 an invalid time.  Called by: store.explain.
create or replace function public.automation_explain(p_subject jsonb, p_limit integer default 50, p_now timestamptz default null)
returns jsonb language plpgsql stable security definer
set search_path = '' set plan_cache_mode = force_custom_plan set jit = off as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_limit constant integer := least(greatest(coalesce(p_limit, 50), 1), 200);
  v_subject constant jsonb := minutehand.explain_subject(p_subject);
  v_logs constant public.automation_execution_logs[] := minutehand.explain_executions(v_subject);
  v_events constant public.automation_events[] := minutehand.explain_events(v_subject);
  v_answers jsonb := minutehand.explain_pairs(v_subject, v_events[:20], v_logs[:50], v_now);
  v_row jsonb;
begin
  if v_subject ->> 'kind' = 'row' then
    v_row := minutehand.explain_row(v_subject #> '{tables,0}', v_subject, v_events <> '{}');
    v_answers := case when v_row is not null then jsonb_build_array(v_row) else '[]' end || v_answers;
  elsif v_subject ->> 'kind' = 'recipient' then
    v_answers := minutehand.explain_recipient(v_subject, v_answers <> '[]') || v_answers;
  elsif v_subject ->> 'kind' = 'workflow' then
    v_answers := minutehand.explain_timed(v_subject, v_now) || v_answers;
  elsif v_subject ->> 'kind' = 'key' then
    v_answers := (
      select coalesce(jsonb_agg(minutehand.explain_key(answer, v_subject ->> 'text') order by nr), '[]')
      from jsonb_array_elements(v_answers) with ordinality as a (answer, nr));
  end if;
  if v_answers = '[]' then
    v_answers := jsonb_build_array(minutehand.explain_plain('unknown_here', minutehand.unknown_text(v_subject), 'subject'));
  end if;
  return jsonb_build_object(
    'now', v_now, 'database', current_database(),
    'subject', jsonb_build_object('kind', v_subject -> 'kind', 'text', v_subject -> 'text', 'table', v_subject -> 'table', 'key', v_subject -> 'key'),
    'answers', (
      select jsonb_agg(answer || jsonb_build_object('remedy', minutehand.remedy_of(answer, v_subject)) order by nr)
      from jsonb_array_elements(v_answers) with ordinality as a (answer, nr) where nr <= v_limit),
    'more', greatest(jsonb_array_length(v_answers) - v_limit, 0),
    'more_changes', cardinality(v_events) > 20 or cardinality(v_logs) > 50,
    'events_since', (select e.occurred_at from public.automation_events e order by e.id limit 1));
end
$$;
comment on function public.automation_explain is 'minutehand: why something started, or did not';

-- minutehand.unknown_text(subject) -> text: that it is not known in this database, and where was looked.
create or replace function minutehand.unknown_text(p_subject jsonb) returns text
language sql stable set search_path = '' as $$
  select format('no row, change, execution or send of "%s" is known in the database "%s"%s', left(p_subject ->> 'text', 100), current_database(),
    case when p_subject ->> 'tenant' is null then coalesce((
      select '; watched tables: ' || string_agg(name, ', ' order by name)
      from (select name from minutehand.watched order by name limit 20) w), '; no table is watched') else '' end)
$$;

-- minutehand.explain_pairs(subject, events, executions, now) -> [answer]: of each execution, and of each event with each workflow that it
-- did not start.  The rows are read once, table by table.
create or replace function minutehand.explain_pairs(
  p_subject jsonb, p_events public.automation_events[], p_logs public.automation_execution_logs[], p_now timestamptz
) returns jsonb language sql stable set search_path = '' as $$
  with logs as (
    select l as log, minutehand.event_of(l) as event from unnest(p_logs) l
  ), started as (  -- replays of an event are executions, too
    select l.log, l.event, (l.log).workflow_id as workflow_id from logs l
  ), compared as (
    select e as event, c.workflow_id
    from unnest(p_events) e
    left join minutehand.watched w on w.name = e.table_name
    left join lateral minutehand.explain_candidates(e, w.config, p_subject) as c (workflow_id) on true
    where not exists (
      select from public.automation_execution_logs l
      where l.event_id = e.id and l.replay_of is null and (
        l.workflow_id = c.workflow_id or c.workflow_id is null and e.matched_at is not null and e.error is null))
    limit 400
  ), pairs as (
    select null::public.automation_execution_logs as log, event, workflow_id from compared
    union all
    select log, event, workflow_id from started
  ), named as (
    select p.*, coalesce((p.event).table_name, minutehand.table_of(minutehand.readable_json((p.log).trigger_data::text))) as table_name,
           coalesce((p.event).entity_id, (p.log).entity_id) as key
    from pairs p
  ), rows as (
    select n.table_name, w.config, r.key, r.found
    from (select table_name, array_agg(distinct key) as keys from named where key is not null group by table_name) n
    join minutehand.watched w on w.name = n.table_name
    cross join lateral minutehand.read_app_rows(w.relation, w.config, n.keys) r
  ), answers as (
    select minutehand.explain_answer(
             n.event, n.log, n.workflow_id, w.config, r.found, p_now) as answer, n.event, n.log
    from named n
    left join minutehand.watched w on w.name = n.table_name
    left join rows r on r.table_name = n.table_name and r.key = n.key
  )
  select coalesce(jsonb_agg(answer order by coalesce((event).occurred_at, (log).created_at) desc, (event).id desc nulls last,
    (answer ->> 'fired')::boolean desc, jsonb_array_length(answer -> 'links') desc, answer ->> 'workflow'), '[]')
  from answers
$$;
