-- The app's own triggers on the tables that we write: our functions run with an empty search_path, under which a trigger
-- function that says `update clients …` finds nothing, and our write would fail with it.  So while a statement of ours is
-- at work on such a table, names are looked for where the app's functions expect them.  The path is fixed, never the
-- session's: they run with our rights, and pg_temp is named last for the same reason (see automation_capture).

-- minutehand.enter_app_path(): before a statement.  Only what our functions set is replaced.
create or replace function minutehand.enter_app_path() returns trigger language plpgsql as $$
begin
  if current_setting('search_path') in ('', '""', 'pg_catalog, pg_temp') then
    perform set_config('minutehand.own_path', current_setting('search_path'), true),
            set_config('minutehand.entered_at', pg_trigger_depth()::text, true),
            set_config('search_path', 'public, extensions, pg_temp', true);
  end if;
  return null;
end
$$;

-- minutehand.leave_app_path(): after the statement that entered, not after one within its triggers.
create or replace function minutehand.leave_app_path() returns trigger language plpgsql as $$
begin
  if current_setting('minutehand.entered_at', true) = pg_trigger_depth()::text then
    perform set_config('minutehand.entered_at', '', true),
            set_config('search_path', current_setting('minutehand.own_path'), true);
  end if;
  return null;
end
$$;

do $$
begin
  if not exists (
    select from pg_catalog.pg_trigger
    where tgrelid = 'public.communication_logs'::regclass and tgname = 'minutehand_path_left'
      and tgfoid = 'minutehand.leave_app_path()'::regprocedure
  ) then
    create or replace trigger minutehand_path_entered before insert or update on public.automation_execution_logs
      for each statement execute function minutehand.enter_app_path();
    create or replace trigger minutehand_path_left after insert or update on public.automation_execution_logs
      for each statement execute function minutehand.leave_app_path();
    create or replace trigger minutehand_path_entered before insert or update on public.communication_logs
      for each statement execute function minutehand.enter_app_path();
    create or replace trigger minutehand_path_left after insert or update on public.communication_logs
      for each statement execute function minutehand.leave_app_path();
  end if;
end
$$;
