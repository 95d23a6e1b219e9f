-- What is installed: `migrate` writes it down at its end, so that doctor can tell a function that somebody replaced.

-- minutehand.record_installed(): signature and source of every function of ours, replaced whole.
create or replace function minutehand.record_installed() returns void
language sql volatile set search_path = '' as $$
  delete from minutehand.installed;
  insert into minutehand.installed (signature, source_md5)
  select p.oid::regprocedure::text, md5(p.prosrc)
  from minutehand.own_functions() p
$$;
