-- Copies: is this the database that Minutehand has worked on, or a copy or a restore of it?  The one place that decides this.
-- The first claim records what identifies the database (minutehand.database_identity): not `migrate`, so that a template stays
-- without it.  A row that came with a dump, a template or a clone names another database than the one that it stands in.

-- minutehand.judge_identity(recorded, system identifier, oid of the database, oid of automation_migrations) -> text:
--   new       nothing was claimed here yet
--   same      it is the database that was recorded
--   moved     only the system identifier differs: pg_upgrade, which keeps the others
--   restored  the same Supabase project, but its database or its tables were created again
--   copy      another project; or other oids, and the project is not known to be the same
-- What is not known (null) concludes nothing.
create or replace function minutehand.judge_identity(
  p_recorded minutehand.database_identity, p_system bigint, p_database bigint, p_table bigint
) returns text language sql immutable as $$
  select case
    when p_recorded.only_row is null then 'new'
    when p_recorded.project <> p_recorded.seen_project then 'copy'
    when p_recorded.database_oid <> p_database or p_recorded.table_oid <> p_table
      then case when p_recorded.project = p_recorded.seen_project then 'restored' else 'copy' end
    when p_recorded.system_identifier <> p_system then 'moved'
    else 'same'
  end
$$;

-- minutehand.current_identity -> (database_oid, table_oid): of the database that this is.  By id, which is as cheap as it gets: each
-- claim and each look before a step asks.
create or replace view minutehand.current_identity as
select (select oid::bigint from pg_catalog.pg_database where datname = current_database()) as database_oid,
       to_regclass('public.automation_migrations')::oid::bigint as table_oid;

-- minutehand.system_identifier() -> bigint: of the server's data directory; null where this role may not read it.
create or replace function minutehand.system_identifier() returns bigint
language plpgsql stable set search_path = '' as $$
begin
  return (select c.system_identifier from pg_catalog.pg_control_system() c);
exception when insufficient_privilege or undefined_function then
  return null;
end
$$;

-- minutehand.identity -> (state, is_test, recorded): the state as minutehand.judge_identity, without `moved`, which stops nothing.
-- is_test: a person said that it is a copy for tests.
create or replace view minutehand.identity as
select minutehand.judge_identity(i, null, c.database_oid, c.table_oid) as state, coalesce(i.is_test, false) as is_test,
       i as recorded
from minutehand.current_identity c
left join minutehand.database_identity i on true;

-- minutehand.is_copy(state) -> boolean: nothing may run until a person has said what it is.
create or replace function minutehand.is_copy(p_state text) returns boolean language sql immutable as $$
  select p_state in ('copy', 'restored')
$$;

-- minutehand.may_call_out() -> boolean: may the database itself call an executor (direct mode)?  Not from a copy; and a test copy cannot
-- know whether the one that it would call redirects its messages.
create or replace function minutehand.may_call_out() returns boolean language sql stable as $$
  select not minutehand.is_copy(i.state) and not i.is_test from minutehand.identity i
$$;

-- minutehand.identity_words(now) -> {"state": as minutehand.judge_identity, or `test`, "database": its name, "recorded": where the
--   recorded one was, "since": timestamptz, "reason": what is the matter, null where nothing is; "email_to", "sms_to": of a test copy}
create or replace function minutehand.identity_words(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'state', case when i.is_test and s.state in ('same', 'moved') then 'test' else s.state end,
    'database', current_database(), 'recorded', r.location, 'since', r.recorded_at, 'email_to', r.email_to, 'sms_to', r.sms_to,
    'reason', case
      when s.state = 'copy' then format(
        'this is a copy of %s (or was restored from a backup of it): %s', r.location, minutehand.identity_differences(r, s.system))
      when s.state = 'restored' then format(
        'this was restored from a backup of %s: %s', r.location, minutehand.identity_differences(r, s.system))
      when i.is_test then format(
        'this is a test copy of %s: e-mails go to %s, SMS to %s, every other step that acts is refused', r.location,
        coalesce(r.email_to, 'nobody'), coalesce(r.sms_to, 'nobody'))
      when s.state = 'moved' then format(
        '%s has moved to another server since %s (pg_upgrade does that); if this is a copy of its files, stop the processors',
        r.location, minutehand.utc_text(r.recorded_at))
    end)
  from minutehand.identity i
  cross join lateral (select (i.recorded).*) r
  cross join lateral (
    select minutehand.judge_identity(i.recorded, x.system, c.database_oid, c.table_oid) as state, x.system
    from minutehand.current_identity c cross join (select minutehand.system_identifier() as system) x) s
$$;

-- minutehand.identity_differences(recorded, system identifier) -> text: what differs, for people.
create or replace function minutehand.identity_differences(p_recorded minutehand.database_identity, p_system bigint) returns text
language sql stable set search_path = '' as $$
  select concat_ws(', ',
    case when p_recorded.project <> p_recorded.seen_project
      then format('the project is %s, not %s', p_recorded.seen_project, p_recorded.project) end,
    case when p_recorded.system_identifier <> p_system then 'the server is another' end,
    case when p_recorded.database_oid <> c.database_oid then 'the database is another' end,
    case when p_recorded.table_oid <> c.table_oid then 'its tables were created again' end)
  from minutehand.current_identity c
$$;

-- minutehand.note_project(project): the project that the last caller's address named.  The first one that is known is the database's own,
-- unless it is a copy.
create or replace function minutehand.note_project(p_project text) returns void
language sql volatile set search_path = '' as $$
  update minutehand.database_identity
  set seen_project = p_project,
      project = coalesce(project, case when not minutehand.is_copy((select state from minutehand.identity)) then p_project end)
  where p_project is not null and seen_project is distinct from p_project
$$;

-- minutehand.record_identity(caller, now): records this database as the one that Minutehand works on, unless one is recorded.
create or replace function minutehand.record_identity(p_caller jsonb, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  insert into minutehand.database_identity (
    system_identifier, database_oid, table_oid, project, seen_project, location, recorded_at)
  select minutehand.system_identifier(), c.database_oid, c.table_oid, p_caller ->> 'project', p_caller ->> 'project',
         coalesce(left(p_caller ->> 'location', 300), current_database()), p_now
  from minutehand.current_identity c
  on conflict (only_row) do nothing
$$;

-- minutehand.facts_identity(now) -> minutehand.identity_words.
create or replace function minutehand.facts_identity(p_now timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select minutehand.identity_words(p_now)
$$;
