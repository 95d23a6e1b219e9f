-- automation_doctor(p_now) -> {"began", "answered": the database's clock before and after, section: its facts, …}
-- The facts that `doctor` checks, section by section, without verdicts.  A section that cannot be read becomes
-- {"unreadable": why} and does not affect the others, because doctor runs when something is broken.  It contains no secrets.
-- Every query is bounded: the newest rows, the catalogs, at most so many of a kind; no scan of the history.
-- jit is off: compiling these queries takes fifty times as long as running them.
-- Errors: none; a locked table is waited for 2 s in each section.  Locks: none.  Called by: store.doctor.
create or replace function public.automation_doctor(p_now timestamptz default null)
returns jsonb language plpgsql stable security definer set search_path = ''
set lock_timeout = '2s' set jit = off as $$
declare
  v_began constant timestamptz := clock_timestamp();
  v_now constant timestamptz := coalesce(p_now, now());
  v_facts jsonb := '{}';
  v_section text;
  v_part jsonb;
begin
  foreach v_section in array array[
    'schema', 'identity', 'functions', 'grants', 'triggers', 'tables', 'columns', 'workflows', 'queue', 'processors', 'vacuum', 'direct']
  loop
    begin
      execute format('select minutehand.facts_%s($1)', v_section) into v_part using v_now;
    exception when others then
      v_part := jsonb_build_object('unreadable', sqlerrm);
    end;
    v_facts := v_facts || jsonb_build_object(v_section, v_part);
  end loop;
  return v_facts || jsonb_build_object('began', v_began, 'answered', clock_timestamp());
end
$$;
comment on function public.automation_doctor is 'minutehand: the facts that doctor checks';
