-- Incomplete events: changes of a row that lacked a column which its watch needs, because it was renamed or dropped
-- (missing_columns).  They name no row, tenant or status surely, so they match nothing until the operator has corrected the watch
-- (`trigger add … --id COLUMN`) or the table; then all that follows from the column is computed.

-- minutehand.complete_events(ids): completes those of them that can be, and says in the error of the others what is missing.
-- Locks: their rows, skip locked.
create or replace function minutehand.complete_events(p_ids bigint[]) returns void
language plpgsql set search_path = '' as $$
declare
  v_event public.automation_events;
begin
  for v_event in
    select * from public.automation_events
    where id = any (p_ids) and missing_columns is not null and matched_at is null
    order by id
    for update skip locked
  loop
    v_event := minutehand.completed_event(v_event);
    update public.automation_events
    set types = v_event.types, entity_id = v_event.entity_id, user_id = v_event.user_id,
        organization_id = v_event.organization_id, old = v_event.old, new = v_event.new, error = v_event.error,
        matched_at = v_event.matched_at, missing_columns = v_event.missing_columns
    where id = v_event.id;
  end loop;
end
$$;

-- minutehand.completed_event(event) -> the event as its watch sees it now; with its missing_columns and an error if columns still
-- are missing.
create or replace function minutehand.completed_event(p_event public.automation_events) returns public.automation_events
language plpgsql stable set search_path = '' as $$
declare
  v_watched record;
  v_config jsonb;
  v_row jsonb;
  v_missing text[];
begin
  select * into v_watched from minutehand.watched w where w.name = p_event.table_name limit 1;
  if not found then
    p_event.error := minutehand.missing_table(p_event.table_name, null) ->> 'reason';
    return p_event;
  end if;
  v_config := v_watched.config;
  v_missing := minutehand.missing_columns(v_watched.relation, v_watched.needs);
  if v_missing <> '{}' then
    p_event.error := minutehand.columns_reason(p_event.table_name, v_config, v_missing);
    return p_event;
  end if;
  p_event := minutehand.renamed_event(p_event, v_watched.relation, v_config);
  v_row := minutehand.row_after(p_event);
  v_missing := array(
    select c from unnest(v_watched.needs) as c where not v_row ? c and not coalesce(v_config -> 'exclude', '[]') ? c);
  if v_missing <> '{}' then
    p_event.error := format(
      'the row had no column %s when it changed: this change starts nothing', array_to_string(v_missing, ', '));
    return p_event;
  end if;
  p_event.entity_id := coalesce(v_row ->> (v_config ->> 'id'), p_event.entity_id);
  p_event.organization_id := coalesce(minutehand.organization_of(v_row, v_config), p_event.organization_id);
  p_event.user_id := coalesce(v_row ->> (v_config ->> 'user'), p_event.user_id);
  p_event.types := minutehand.event_types(v_config, p_event.operation, minutehand.row_before(p_event), p_event.new);
  p_event.error := null;
  p_event.missing_columns := null;
  if v_config ->> 'tenant' is not null and coalesce(p_event.organization_id, p_event.user_id) is null then
    p_event.matched_at := p_event.occurred_at;
    p_event.error := format('no tenant: %s is null', v_config ->> 'tenant');
  end if;
  return p_event;
end
$$;

-- minutehand.renamed_event(event, relation, config) -> the event with the column's present name.  If the row had exactly one column that the
-- table has not now, and lacked exactly one that it has, that column was renamed (back).
create or replace function minutehand.renamed_event(p_event public.automation_events, p_relation oid, p_config jsonb)
returns public.automation_events language plpgsql stable set search_path = '' as $$
declare
  v_row constant jsonb := minutehand.row_after(p_event);
  v_columns constant text[] := array(
    select attname::text from pg_catalog.pg_attribute
    where attrelid = p_relation and attnum > 0 and not attisdropped);
  v_before constant text[] := array(select key from jsonb_object_keys(v_row) as key where key <> all (v_columns));
  v_now constant text[] := array(
    select c from unnest(v_columns) as c
    where not v_row ? c and not coalesce(p_config -> 'exclude', '[]') ? c
      and c <> all (coalesce(p_event.cut_columns, '{}')));
begin
  if cardinality(v_before) = 1 and cardinality(v_now) = 1 then
    if p_event.new ? v_before[1] then
      p_event.new := p_event.new - v_before[1] || jsonb_build_object(v_now[1], p_event.new -> v_before[1]);
    end if;
    if p_event.old ? v_before[1] then
      p_event.old := p_event.old - v_before[1] || jsonb_build_object(v_now[1], p_event.old -> v_before[1]);
    end if;
  end if;
  return p_event;
end
$$;
