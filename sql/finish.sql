-- Runs last, once the functions and grants are in place.
do $$
begin
  perform minutehand.widen_checks();
  perform minutehand.record_installed();
end
$$;
