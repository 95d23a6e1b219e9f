-- `settings.stop_when`: conditions on the row as it is now that end an execution before its next step or send, as `skipped`.
-- They are those of the workflow as it stands, like its switch, and not of the version that matched: what is to stop stops.

-- minutehand.stop_when(workflow) -> its settings.stop_when; null where it has none, which nearly all have not: the text alone says so.
create or replace function minutehand.stop_when(p_workflow public.automation_workflows) returns jsonb
language sql stable as $$
  select case when p_workflow.settings::text like '%stop_when%'
    then minutehand.stop_when_of(minutehand.as_object(p_workflow.settings::text)) end
$$;

-- minutehand.stop_when_of(settings) -> its stop_when, null where that is empty.
create or replace function minutehand.stop_when_of(p_settings jsonb) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case when jsonb_typeof(p_settings) = 'object' and p_settings -> 'stop_when' not in ('null', '{}', '[]', '""')
    then p_settings -> 'stop_when' end
$$;

-- minutehand.most_stop_comparisons() -> how many comparisons one look may make: a look is one of a batch, which all tenants share.
create or replace function minutehand.most_stop_comparisons() returns bigint language sql immutable as $$ select 1000 $$;

-- minutehand.stop_when_problem(settings) -> text: why its stop_when cannot be judged, whatever the row; or null.
create or replace function minutehand.stop_when_problem(p_settings jsonb) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  v_conditions constant jsonb := minutehand.stop_when_of(p_settings);
begin
  if v_conditions is null then
    return null;
  elsif pg_column_size(v_conditions) > 8192 then
    return 'settings.stop_when is longer than 8 kB';
  elsif jsonb_typeof(v_conditions) not in ('object', 'array') then
    return format('settings.stop_when is %s: write conditions', left(v_conditions::text, 60));
  end if;
  if minutehand.normal_conditions(v_conditions) = '[]' then  -- it would hold for every row
    return 'settings.stop_when has no conditions';
  end if;
  return 'settings.stop_when: ' || minutehand.condition_problem(v_conditions);
end
$$;

-- minutehand.stopped(stop_when, row, row before the change, status column) -> (ended, code, reason), or no row: do the conditions hold?
-- What cannot be said of this row ends the execution as failed: it neither goes out on a guess, nor is it lost.
create or replace function minutehand.stopped(p_stop_when jsonb, p_row jsonb, p_old jsonb, p_status text)
returns table (ended text, code text, reason text) language plpgsql stable rows 1 set search_path = '' as $$
declare
  v_problem text := minutehand.stop_when_problem(jsonb_build_object('stop_when', p_stop_when));
  v_normal jsonb;
  v_count bigint;
  v_holds boolean;
begin
  if v_problem is null then
    v_normal := minutehand.normal_conditions(p_stop_when);
    v_count := minutehand.comparisons(v_normal, p_row, p_old, p_status);
    if v_count > minutehand.most_stop_comparisons() then
      v_problem := format('settings.stop_when needs %s comparisons on this row; at most %s are made',
                          v_count, minutehand.most_stop_comparisons());
    else
      v_holds := minutehand.conditions_verdict(v_normal, p_row, p_old, p_status);
      if v_holds is null then
        v_problem := 'settings.stop_when: ' || coalesce(
          jsonb_path_query_first(minutehand.describe_conditions(v_normal, p_row, p_old, p_status), 'strict $.**.problem') #>> '{}',
          'it cannot be said whether it holds');
      end if;
    end if;
  end if;
  if v_problem is not null then
    ended := 'failed';
    code := 'bad_workflow';
    reason := v_problem;
    return next;
  elsif v_holds then
    ended := 'skipped';
    code := 'stop_condition';
    reason := 'settings.stop_when holds: '
      || minutehand.held_in_words(minutehand.describe_conditions(v_normal, p_row, p_old, p_status));
    return next;
  end if;
end
$$;

-- minutehand.held_in_words(result tree that holds) -> text: the conditions that hold, as `status equals "cancelled"`, at most three.
create or replace function minutehand.held_in_words(p_tree jsonb) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case when p_tree @? 'strict $.** ? (exists (@.not))' then 'the row meets its conditions' else coalesce((
    select string_agg(l.words, ', ' order by l.nr)
    from (
      select nr, concat_ws(' ', left(leaf ->> 'field', 60), replace(leaf ->> 'operator', '_', ' '),
        left(nullif(leaf -> 'wanted', 'null')::text, 60)) as words
      from jsonb_path_query(p_tree, 'strict $.** ? (exists (@.operator) && @.held == true)') with ordinality as h (leaf, nr)
      order by nr limit 3) l), 'the row meets its conditions') end
$$;
