-- Runs last, once functions and grants are in place.
-- Locks: ACCESS EXCLUSIVE on an adopted table with a CHECK that is too narrow.  Called by: store/schema.py, on both backends.
do $$
begin
  perform minutehand.widen_checks();
  perform minutehand.record_zones();
  perform minutehand.record_installed();
  perform minutehand.forget_verdicts();
  perform minutehand.keep_verdicts(interval '5 seconds');
  perform minutehand.note_schedules(now());
end
$$;
