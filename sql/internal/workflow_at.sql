-- A workflow as it was at some time, from its kept versions (versions.sql).

-- minutehand.workflow_at(workflow's id, time) -> one row, always:
--   known            whether its state at that time is certain; `unknown_because` says why not, and the rest is then the last known state
--   existed          whether it existed; null: not known
--   version, definition, is_on, switches   as minutehand.is_row_on and minutehand.workflow_switches; null where it did not exist yet
--   since, until     from when to when this state held, as far as recorded; `until` is null where it still holds
--   deleted_at       when it was deleted, if that was before the time
-- A change that the triggers on automation_workflows did not see (replica role, disabled triggers, a lock) is noticed, not dated.
-- The id may come back as another tenant's workflow: compare `definition` (minutehand.is_of_definition).
-- Locks: none.  Three index lookups.
create or replace function minutehand.workflow_at(
  p_workflow uuid, p_at timestamptz, out known boolean, out unknown_because text, out existed boolean, out version integer,
  out definition jsonb, out is_on boolean, out switches jsonb, out since timestamptz, out until timestamptz,
  out deleted_at timestamptz
) language plpgsql stable set search_path = '' as $$
declare
  v_row public.automation_workflows;
  v_kept public.automation_workflow_versions;
  v_next public.automation_workflow_versions;
  v_is_gone boolean;
begin
  select * into v_row from public.automation_workflows w where w.id = p_workflow;
  select * into v_kept
  from public.automation_workflow_versions v
  where v.workflow_id = p_workflow and v.saved_at <= p_at order by v.version desc limit 1;
  select * into v_next
  from public.automation_workflow_versions v
  where v.workflow_id = p_workflow and v.version > coalesce(v_kept.version, 0) order by v.version limit 1;
  if v_kept.workflow_id is null then
    until := coalesce(v_next.saved_at, v_row.created_at);
    if v_row.created_at > p_at or v_next.is_insert then
      existed := false;
    elsif v_next.saved_at is not null then
      unknown_because := format('its history begins at %s', minutehand.utc_text(v_next.saved_at));
    elsif v_row.id is not null then
      unknown_because := 'no version of it was kept';
    else
      unknown_because := 'there is no such workflow now, and no version of it was kept';
    end if;
  else
    version := v_kept.version;
    definition := minutehand.unwrapped(v_kept.definition);
    is_on := minutehand.is_row_on(definition);
    switches := minutehand.workflow_switches(definition);
    since := v_kept.saved_at;
    until := coalesce(v_kept.deleted_at, v_next.saved_at);
    existed := true;
    if v_kept.deleted_at <= p_at then
      deleted_at := v_kept.deleted_at;
      existed := false;
    elsif v_kept.deleted_at is null then
      v_is_gone := coalesce(v_next.is_insert, v_next.workflow_id is null and v_row.id is null);
      unknown_because := minutehand.unrecorded_change(
        since, definition, v_next.saved_at, v_is_gone, v_next.version > version + 1, v_row);
      existed := case when not v_is_gone then true end;
    end if;
  end if;
  known := unknown_because is null;
end
$$;

-- minutehand.unrecorded_change(saved at, definition, saved next at, gone?, gap?, the workflow's row) -> text: what became of the
-- workflow after a version, and was not recorded; or null.  gone: it was deleted; gap: a version is missing before the next one.  A
-- column that was added to the table since is no change.
create or replace function minutehand.unrecorded_change(
  p_saved_at timestamptz, p_definition jsonb, p_next_at timestamptz, p_is_gone boolean, p_is_gap boolean,
  p_workflow public.automation_workflows
) returns text language sql stable set search_path = '' as $$
  select case
    when p_is_gone then format('it was deleted after %s, and when was not recorded', minutehand.utc_text(p_saved_at))
    when p_is_gap then format('it was changed between %s and %s, and that was not recorded',
                              minutehand.utc_text(p_saved_at), minutehand.utc_text(p_next_at))
    when p_next_at is null and exists (
        select
        from jsonb_each(p_definition) kept
        join jsonb_each(minutehand.definition(minutehand.row_of(p_workflow))) present on present.key = kept.key
        where present.value <> kept.value)
      then format('it was changed after %s, and when was not recorded', minutehand.utc_text(p_saved_at))
  end
$$;
