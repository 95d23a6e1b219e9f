-- Firings of schedules: which instants of a schedule start an execution, and starting them.
-- Processors compute the instants of a form (executor/schedules.py) from the `now` of a tick, and hand them in (automation_fire).  Each
-- look decides what lies between the last one (minutehand.schedules.decided_to) and that `now`, under the lock of its row, and moves
-- on; the unique dedupe key of the event beside it makes one execution of a firing, whoever hands it in.  The next instant is
-- always computed from the clock: that one firing fails or is lost ends no schedule.

-- minutehand.due_schedules(limit, now) -> [{"id", "version", "form", "zone", "from": instants after this are undecided}]: schedules to look at:
-- those that are new, were saved, or whose next instant has passed.  Not those that are off, cannot be read or are paused: a pause
-- is to a schedule as if no processor ran.
create or replace function minutehand.due_schedules(p_limit integer, p_now timestamptz) returns jsonb
language sql stable set search_path = '' set enable_seqscan = off set jit = off as $$
  select coalesce(jsonb_agg(jsonb_build_object(
    'id', d.id, 'version', d.version, 'form', d.form, 'zone', minutehand.time_zone_of(d.form, d.workflow), 'from', d.since)), '[]')
  from (
    select w as workflow, w.id, coalesce(w.version, 1) as version, minutehand.schedule_form(r.def) as form,
           coalesce(s.decided_to, minutehand.first_instant(w, p_now)) as since
    from public.automation_workflows w
    left join minutehand.schedules s on s.workflow_id = w.id
    cross join lateral (select minutehand.row_of(w) as def) r
    where w.trigger_type = any (minutehand.schedule_types())
      and (s.workflow_id is null or s.version <> coalesce(w.version, 1) or s.look_at <= p_now)
      and minutehand.can_start(r.def) and not minutehand.is_paused(minutehand.tenant_of(w), w.id, (select p from minutehand.pauses p))
    order by s.look_at nulls first, w.id
    limit p_limit) d
  where not d.form ? 'problem'
$$;

-- minutehand.first_instant(workflow, now) -> timestamptz: from when on a schedule counts that was never looked at: since it was saved.
create or replace function minutehand.first_instant(p_workflow public.automation_workflows, p_now timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
  select least(coalesce((
    select v.saved_at from public.automation_workflow_versions v
    where v.workflow_id = p_workflow.id and v.version <= coalesce(p_workflow.version, 1) order by v.version desc limit 1), p_now), p_now)
$$;

-- minutehand.note_schedules(now): at `migrate`: schedules that stood before count from now on.
create or replace function minutehand.note_schedules(p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  insert into minutehand.schedules (workflow_id, version, decided_to, look_at)
  select w.id, 0, p_now, '-infinity'
  from public.automation_workflows w where w.trigger_type = any (minutehand.schedule_types() || minutehand.date_types()) and minutehand.time_kind(minutehand.row_of(w)) is not null
  on conflict do nothing
$$;

-- minutehand.grace() -> interval: how late a firing is still on time, for ticks that come once a minute.
create or replace function minutehand.grace() returns interval
language sql immutable as $$
  select interval '5 minutes'
$$;

-- minutehand.decide_schedule(look, now) -> how many executions it started, or null where another call is at it, or the workflow was
-- saved meanwhile: then the next tick looks again.  look: as in automation_fire.
create or replace function minutehand.decide_schedule(p_look jsonb, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
  v_id constant uuid := (p_look ->> 'id')::uuid;
  v_until constant timestamptz := least((p_look ->> 'until')::timestamptz, p_now);
  v_next constant timestamptz := (p_look ->> 'next_at')::timestamptz;
  v_form constant jsonb := p_look -> 'form';
  v_workflow public.automation_workflows;
  v_state minutehand.schedules;
  v_instants timestamptz[];
  v_started integer := 0;
begin
  select * into v_workflow from public.automation_workflows w where w.id = v_id;
  if v_workflow.id is null or coalesce(v_workflow.version, 1) <> (p_look ->> 'version')::integer then
    return null;
  end if;
  insert into minutehand.schedules (workflow_id, version, decided_to, look_at)
  values (v_id, 0, minutehand.first_instant(v_workflow, v_until), '-infinity') on conflict do nothing;
  select * into v_state from minutehand.schedules s where s.workflow_id = v_id for update skip locked;
  if not found or v_until < v_state.decided_to then
    return null;
  end if;
  if v_state.form <> v_form and v_state.next_at > v_state.decided_to and v_state.next_at <= v_until then
    -- It was saved between an instant of its old form and this look.
    v_started := minutehand.fire_instants(v_workflow, v_state.form, array[v_state.next_at], null, p_now);
  end if;
  v_instants := array(
    select i::timestamptz from jsonb_array_elements_text(p_look -> 'instants') as i
    where i::timestamptz > v_state.decided_to and i::timestamptz <= v_until order by 1);
  v_started := v_started + minutehand.fire_instants(v_workflow, v_form, v_instants, v_next, p_now);
  update minutehand.schedules
  set version = coalesce(v_workflow.version, 1), form = v_form, decided_to = v_until, next_at = v_next, problem = p_look ->> 'problem',
      -- Each hour, too: the zone may have become another one.
      look_at = least(v_next, v_until + interval '1 hour')
  where workflow_id = v_id;
  return v_started;
end
$$;

-- minutehand.fire_instants(workflow, form, instants, next instant, now) -> how many executions were started.  Each instant asks the
-- workflow as it was then: only what was on and said the same fires.  Of what is late, catch_up decides; one skipped execution says
-- what was left out.
create or replace function minutehand.fire_instants(
  p_workflow public.automation_workflows, p_form jsonb, p_instants timestamptz[], p_next timestamptz, p_now timestamptz
) returns integer language plpgsql set search_path = '' as $$
declare
  v_catch_up constant text := p_form ->> 'catch_up';
  v_meant timestamptz[];
  v_last timestamptz;
  v_fires timestamptz[];
  v_started integer := 0;
  v_at timestamptz;
begin
  foreach v_at in array p_instants loop
    if minutehand.was_meant(p_workflow, p_form, v_at) then
      v_meant := v_meant || v_at;
      v_last := v_at;
    end if;
  end loop;
  if v_last is null then
    return 0;
  end if;
  v_fires := case
    when v_catch_up = 'all' then v_meant
    when p_now - v_last <= minutehand.grace() or v_catch_up = 'last' and p_now - v_last < (p_next - v_last) / 2 then array[v_last]
    else '{}' end;
  foreach v_at in array v_fires loop
    v_started := v_started + minutehand.fire_instant(p_workflow, p_form, v_at, p_now)::integer;
  end loop;
  if v_fires = '{}' then
    perform minutehand.start_timed(p_workflow, null, null, null, 'SCHEDULE', minutehand.schedule_data(v_last),
      minutehand.schedule_key(p_workflow.id, v_last), jsonb_build_object('code', 'late', 'reason', format(
        'it was due at %s%s, and no processor looked before %s: too late to catch up (catch_up: %s)', minutehand.utc_text(v_last),
        case when cardinality(v_meant) > 1 then format(' and %s times before', cardinality(v_meant) - 1) else '' end,
        minutehand.utc_text(p_now), v_catch_up)), p_now);
  end if;
  return v_started;
end
$$;

-- minutehand.was_meant(workflow, form, time) -> boolean: was it on at that time, and did it say this?  What is not known is taken as it is now.
create or replace function minutehand.was_meant(p_workflow public.automation_workflows, p_form jsonb, p_at timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
declare
  v_then record;
begin
  select * into v_then from minutehand.workflow_at(p_workflow.id, p_at);
  if v_then.existed is false then
    return false;
  elsif not v_then.known or v_then.definition is null then
    return coalesce(p_workflow.created_at <= p_at, true);
  end if;
  return v_then.is_on and minutehand.schedule_form(v_then.definition) = p_form;
end
$$;

-- minutehand.schedule_data(time) -> trigger_data of a firing.
create or replace function minutehand.schedule_data(p_at timestamptz) returns jsonb
language sql stable as $$
  select jsonb_build_object('scheduled_for', to_jsonb(p_at at time zone 'UTC') #>> '{}' || 'Z')
$$;

-- minutehand.schedule_key(workflow, time) -> text: the dedupe key of a firing.  Of the workflow, whatever its version.
create or replace function minutehand.schedule_key(p_workflow_id uuid, p_at timestamptz) returns text
language sql immutable as $$
  select format('schedule:%s:%s', p_workflow_id, extract(epoch from p_at)::bigint)
$$;

-- minutehand.fire_instant(workflow, form, time, now) -> whether it started an execution.  With for_each it begins a walk over the rows instead.
create or replace function minutehand.fire_instant(
  p_workflow public.automation_workflows, p_form jsonb, p_at timestamptz, p_now timestamptz
) returns boolean language plpgsql set search_path = '' as $$
begin
  if jsonb_typeof(p_form -> 'for_each') = 'object' then
    insert into minutehand.schedule_walks (workflow_id, instant, table_name, try_at)
    values (p_workflow.id, p_at, minutehand.watched_name(p_form #>> '{for_each,table}'), '-infinity') on conflict do nothing;
    return false;
  end if;
  return minutehand.start_timed(p_workflow, null, null, null, 'SCHEDULE', minutehand.schedule_data(p_at),
    minutehand.schedule_key(p_workflow.id, p_at), null, p_now);
end
$$;

-- minutehand.start_timed(workflow, table, id of a row, the row, operation, trigger_data, dedupe key, skipped, now) -> boolean: starts
-- one execution by a time; or one that is skipped, {"code", "reason"}.  False where the key has been used.  No rate limit applies: its key bounds it.
create or replace function minutehand.start_timed(
  p_workflow public.automation_workflows, p_table text, p_row_id text, p_row jsonb, p_operation text, p_data jsonb, p_key text,
  p_skipped jsonb, p_now timestamptz
) returns boolean language plpgsql set search_path = '' as $$
declare
  v_event bigint;
  v_log public.automation_execution_logs;
begin
  insert into public.automation_events (
    occurred_at, table_name, operation, types, entity_id, user_id, organization_id, new, dedupe_key, matched_at)
  values (
    p_now, coalesce(p_table, ''), p_operation, array_remove(array[
      lower(p_operation), minutehand.date_text(p_data #>> '{date,offset}', p_data #>> '{date,column}')], null), p_row_id, p_workflow.user_id, p_workflow.organization_id,
    coalesce(p_row, p_data), p_key, p_now)
  on conflict (dedupe_key) where dedupe_key is not null do nothing
  returning id into v_event;
  if v_event is null then
    return false;
  end if;
  v_log.user_id := p_workflow.user_id;
  v_log.organization_id := p_workflow.organization_id;
  insert into public.automation_execution_logs (
    workflow_id, workflow_version, trigger_type, status, trigger_data, created_at, completed_at, event_id, entity_id, user_id,
    organization_id, code, reason, entity_order, attempt, lost_leases, chain_depth)
  values (
    p_workflow.id, coalesce(p_workflow.version, 1), p_workflow.trigger_type, case when p_skipped is null then 'pending' else 'skipped' end,
    jsonb_strip_nulls(jsonb_build_object('table_name', p_table, 'operation', p_operation, 'record_id', p_row_id)) || p_data,
    p_now, case when p_skipped is not null then p_now end, v_event, p_row_id, v_log.user_id, v_log.organization_id,
    p_skipped ->> 'code', p_skipped ->> 'reason',
    case when p_row_id is not null then minutehand.order_of(minutehand.as_object(p_workflow.settings::text)) end, 0, 0, 0);
  return p_skipped is null;
end
$$;

-- minutehand.is_walk_due(now) -> boolean: is there a walk to go on with?
create or replace function minutehand.is_walk_due(p_now timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select
    from minutehand.schedule_walks k
    left join public.automation_workflows w on w.id = k.workflow_id
    where k.try_at <= p_now and not (w.id is not null and minutehand.is_paused(
      minutehand.tenant_of(w), w.id, (select p from minutehand.pauses p))))
$$;

-- minutehand.step_walks(deadline, now) -> (started, more): goes on with the walks, a piece of 500 rows of each in turn, until the
-- deadline.  A piece that fails is tried again with a growing delay, and the walk ends after 5 attempts, as skipped.
create or replace function minutehand.step_walks(
  p_deadline timestamptz, p_now timestamptz, out started integer, out more boolean
) language plpgsql set search_path = '' as $$
declare
  v_walk minutehand.schedule_walks;
begin
  started := 0;
  loop
    more := minutehand.is_walk_due(p_now);
    exit when not more or clock_timestamp() > p_deadline;
    select k.* into v_walk
    from minutehand.schedule_walks k
    left join public.automation_workflows w on w.id = k.workflow_id
    where k.try_at <= p_now and not (w.id is not null and minutehand.is_paused(
      minutehand.tenant_of(w), w.id, (select p from minutehand.pauses p)))
    order by k.pieces, k.instant, k.workflow_id
    limit 1 for update of k skip locked;
    exit when not found;
    begin
      started := started + minutehand.step_walk(v_walk, p_now);
    exception when others then
      if minutehand.is_away(sqlstate) then
        raise;
      elsif v_walk.attempts < 4 then
        update minutehand.schedule_walks
        set attempts = attempts + 1, problem = sqlerrm, try_at = p_now + minutehand.backoff(attempts + 1)
        where workflow_id = v_walk.workflow_id and instant = v_walk.instant;
      else
        perform minutehand.end_walk(v_walk, jsonb_build_object('code', 'unreadable', 'reason', format(
          'the rows of %s cannot be read: %s', v_walk.table_name, sqlerrm)), p_now);
      end if;
    end;
  end loop;
end
$$;

-- minutehand.end_walk(walk, skipped, now): deletes it; one execution that is skipped, {"code", "reason"}, says why it ended early.
create or replace function minutehand.end_walk(p_walk minutehand.schedule_walks, p_skipped jsonb, p_now timestamptz)
returns void language plpgsql set search_path = '' as $$
declare
  v_workflow public.automation_workflows;
begin
  delete from minutehand.schedule_walks where workflow_id = p_walk.workflow_id and instant = p_walk.instant;
  select * into v_workflow from public.automation_workflows w where w.id = p_walk.workflow_id;
  if p_skipped is not null and v_workflow.id is not null then
    perform minutehand.start_timed(v_workflow, null, null, null, 'SCHEDULE', minutehand.schedule_data(p_walk.instant),
      minutehand.schedule_key(p_walk.workflow_id, p_walk.instant), p_skipped, p_now);
  end if;
end
$$;

-- minutehand.step_walk(walk, now) -> how many executions its next piece started: one for each of the tenant's own rows that meets the
-- conditions, as it is now.  Its row is locked.
create or replace function minutehand.step_walk(p_walk minutehand.schedule_walks, p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
  v_workflow public.automation_workflows;
  v_watched record;
  v_piece record;
  v_row record;
  v_conditions jsonb;
  v_started integer := 0;
begin
  select * into v_workflow from public.automation_workflows w where w.id = p_walk.workflow_id;
  if v_workflow.id is null or not minutehand.is_on(v_workflow) then
    perform minutehand.end_walk(p_walk, jsonb_build_object(
      'code', 'workflow_off', 'reason', 'the workflow was switched off before all rows had started'), p_now);
    return 0;
  end if;
  select w.relation, w.config, w.name into v_watched from minutehand.watched w where w.name = p_walk.table_name;
  if not found then
    perform minutehand.end_walk(p_walk, minutehand.problem('table_missing', format(
      'table %s is not watched; watch it: minutehand trigger add %s', p_walk.table_name, p_walk.table_name)), p_now);
    return 0;
  end if;
  v_conditions := minutehand.conditions_of(minutehand.row_of(v_workflow), minutehand.status_column(v_watched.config));
  select * into v_piece
  from minutehand.next_keys(v_watched.relation, v_watched.config, v_workflow, p_walk.after_key, 2000);
  for v_row in
    select r.key, r.found from minutehand.read_app_rows(v_watched.relation, v_watched.config, v_piece.keys) r
    where r.found is not null
  loop
    if minutehand.is_row_of_workflow(v_row.found, v_watched.config, v_workflow)
       and not coalesce(minutehand.is_set_on(v_row.found, v_watched.config ->> 'soft_delete'), false)
       and minutehand.conditions_met(v_conditions, v_row.found, null, minutehand.status_column(v_watched.config)) then
      v_started := v_started + minutehand.start_timed(
        v_workflow, v_watched.name, v_row.key, v_row.found, 'SCHEDULE', minutehand.schedule_data(p_walk.instant),
        minutehand.schedule_key(v_workflow.id, p_walk.instant) || ':' || v_row.key, null, p_now)::integer;
    end if;
  end loop;
  if v_piece.last is null then
    perform minutehand.end_walk(p_walk, null, p_now);
  else
    update minutehand.schedule_walks set after_key = v_piece.last, pieces = pieces + 1, attempts = 0, problem = null
    where workflow_id = p_walk.workflow_id and instant = p_walk.instant;
  end if;
  return v_started;
end
$$;

-- minutehand.next_keys(relation, config, workflow, after, limit) -> (keys, last): of the next so many rows in the order of their keys
-- the keys of those of the workflow's tenant; last: where to go on, null at the end.
-- enable_seqscan is off: the key has an index of its own, and a piece must not cost the whole table.
create or replace function minutehand.next_keys(
  p_relation oid, p_config jsonb, p_workflow public.automation_workflows, p_after text, p_limit integer,
  out keys text[], out last text
) language plpgsql stable set search_path = '' set enable_seqscan = off set jit = off set lock_timeout = '250ms' as $$
declare
  v_id constant text := p_config ->> 'id';
  v_type constant text := (
    select format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute a
    where a.attrelid = p_relation and a.attname = p_config ->> 'id' and not a.attisdropped);
  v_tenant constant text := p_config ->> 'tenant';
  v_user constant text := coalesce(p_config ->> 'user', 'user_id');
  v_count integer;
begin
  perform set_config('lock_timeout', minutehand.lock_wait(), true);
  execute format(
    'select coalesce(array_agg(k order by nr) filter (where %s), ''{}''), max(nr), (array_agg(k order by nr desc))[1] '
    'from (select s.*, row_number() over () as nr from (select %I::text as k, %s as org, %s as usr from %s where %s order by %I limit %s) s) n',
    case when v_tenant is null then 'true' else 'org = $2 or org is null and usr = $3' end, v_id,
    case when v_tenant is null or v_tenant = v_user then 'null::text' else format('%I::text', v_tenant) end,
    case when v_tenant is null or not minutehand.has_column(p_relation, v_user) then 'null::text' else format('%I::text', v_user) end,
    p_relation::regclass, case when p_after is null then 'true' else format('%I > $1::%s', v_id, v_type) end, v_id, p_limit)
  into keys, v_count, last
  using p_after, p_workflow.organization_id::text, p_workflow.user_id::text;
  if coalesce(v_count, 0) < p_limit then
    last := null;
  end if;
end
$$;

-- minutehand.next_firings(from, to, limit) -> (workflow_id, workflow, kind, at, form, zone): the schedules that are on and fire next within
-- [from, to), as they were last looked at.  Further firings of a form are computed by executor/schedules.py.
create or replace function minutehand.next_firings(p_from timestamptz, p_to timestamptz, p_limit integer)
returns table (workflow_id uuid, workflow text, kind text, at timestamptz, form jsonb, zone text)
language sql stable set search_path = '' as $$
  select w.id, w.name::text, 'schedule', s.next_at, s.form, minutehand.time_zone_of(s.form, w)
  from minutehand.schedules s
  join public.automation_workflows w on w.id = s.workflow_id
  where s.next_at >= p_from and s.next_at < p_to and s.version = coalesce(w.version, 1) and minutehand.is_on(w)
    and w.trigger_type = any (minutehand.schedule_types())
  order by s.next_at, w.name limit p_limit
$$;
