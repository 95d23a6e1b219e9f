-- Switches: what turns a workflow on and off in the app's own row.  minutehand.is_row_on reads them.

-- minutehand.switch_patch(workflow, on) -> {switch: value}: the switches to change; {} where it is so already.  On: each switch that is
-- off.  Off: the switches of yes and no that the row uses (`is_active`, where it uses none); `status` keeps its word, unless no other can
-- be written.  A column that the database computes cannot be
-- written.  Errors: MH400 the row cannot be read, MH409 the database computes what is off.
create or replace function minutehand.switch_patch(p_workflow public.automation_workflows, p_on boolean) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_row constant jsonb := minutehand.row_of(p_workflow);
  v_columns constant text[] := array(
    select attname::text from pg_catalog.pg_attribute
    where attrelid = 'public.automation_workflows'::regclass and attnum > 0 and not attisdropped and attgenerated = ''
      and attname in ('is_active', 'enabled', 'status'));
  v_patch jsonb;
begin
  if v_row is null then
    raise exception 'workflow "%" cannot be read: %', left(p_workflow.name, 100), minutehand.workflow_problem(p_workflow)
      using errcode = 'MH400', hint = 'Correct its row in the app first.';
  elsif minutehand.is_row_on(v_row) = p_on then
    return '{}';
  elsif p_on then
    select jsonb_object_agg(s.name, s.value) into v_patch
    from (values
      ('is_active', to_jsonb(true), v_row ->> 'is_active' = 'false'),
      ('enabled', to_jsonb(true), v_row ->> 'enabled' = 'false'),
      ('status', to_jsonb(minutehand.status_word(array['active'])),
       minutehand.fold_case(coalesce(v_row ->> 'status', 'active')) <> 'active')) as s (name, value, is_off)
    where s.is_off and s.name = any (v_columns);
  else
    select jsonb_object_agg(name, false) into v_patch
    from unnest(v_columns) as name
    where name <> 'status' and (v_row ->> name is not null
      or name = 'is_active' and not coalesce('enabled' = any (v_columns) and v_row ->> 'enabled' is not null, false));
    v_patch := coalesce(v_patch, jsonb_build_object(
      'status', minutehand.status_word('{inactive,paused,disabled,off,draft,archived}')));
  end if;
  if v_patch is null then
    raise exception 'workflow "%" cannot be switched on: the database computes its switches: %', left(p_workflow.name, 100),
      minutehand.workflow_switches(v_row)
      using errcode = 'MH409', hint = 'Switch it on in the app.';
  end if;
  return v_patch;
end
$$;

-- minutehand.status_word(words) -> text: the first of these words that automation_workflows.status takes, as the app writes it: a label
-- of its enum, or as another row has it; else the first word.
create or replace function minutehand.status_word(p_words text[]) returns text
language sql stable set search_path = '' as $$
  select coalesce((
    select known.word
    from unnest(p_words) with ordinality as w (word, nr)
    join (
      select e.enumlabel::text as word, 1 as place
      from pg_catalog.pg_attribute a
      join pg_catalog.pg_enum e on e.enumtypid = a.atttypid
      where a.attrelid = 'public.automation_workflows'::regclass and a.attname = 'status'
      union all
      select r.status, 2
      from (select distinct status::text as status from (select status from public.automation_workflows limit 10000) x) r
    ) known on minutehand.fold_case(known.word) = w.word
    order by w.nr, known.place, known.word
    limit 1), p_words[1])
$$;
