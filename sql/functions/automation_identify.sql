-- automation_identify(p_as, p_email_to, p_sms_to, p_skip_due, p_confirmed, p_caller, p_actor, p_now) -> {"was": minutehand.judge_identity's
--   state or `test`, "recorded": where the recorded one was, "changed": bool, "held": n, "due": "held" | "skipped"}
-- A person says which database this is (copies.sql): `production`, the one that Minutehand works on, or `test`, a copy whose e-mails go to
-- p_email_to and whose SMS go to p_sms_to (null: they are refused), and whose other steps that act are refused.
-- What was due on a copy or a restore does not run: the database that it was made from may have done it.  It stays pending, held with
-- code `restored`, until a person releases it; with p_skip_due it ends as `skipped: stale`, which can be released too.  `held`: how many
-- that are, counted to 10,000; the ticks that follow hold them, 5,000 each, before anything is claimed.
-- Executions in flight in the other database return to `pending` and are held with them.  Bulk actions that ran there stop.
-- p_caller: as minutehand.recognize.  p_confirmed: a person knows that the database that is recorded becomes a test copy.
-- Locks: the rows of minutehand.database_identity and minutehand.backlog; execution rows, by id.  Errors: MH400 (p_as), MH409 (it is not a
-- copy, and p_confirmed is false).  Called by: store.identify.
create or replace function public.automation_identify(
  p_as text, p_email_to text default null, p_sms_to text default null, p_skip_due boolean default false,
  p_confirmed boolean default false, p_caller jsonb default null, p_actor jsonb default null, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_was jsonb;
  v_state text;
  v_answer jsonb;
begin
  perform from minutehand.database_identity for update;
  perform minutehand.note_project(p_caller ->> 'project');
  v_was := minutehand.identity_words(v_now);
  v_state := v_was ->> 'state';
  if p_as is null or p_as not in ('production', 'test') then
    raise exception 'unknown kind of database %', p_as using errcode = 'MH400', hint = 'Use production or test.';
  elsif p_as = 'test' and v_state in ('new', 'same', 'moved') and not p_confirmed then
    raise exception 'this is %, and no copy of it', case v_state when 'new' then 'a database where nothing has run' else
        'the database that Minutehand works on since ' || minutehand.utc_text((v_was ->> 'since')::timestamptz) end
      using errcode = 'MH409', hint = 'If it is a copy of the server''s files, which looks the same, add --yes.';
  end if;
  v_answer := jsonb_build_object(
    'was', v_state, 'recorded', v_was -> 'recorded', 'changed', p_as = 'test' or v_state <> 'same', 'held', 0,
    'due', case when p_skip_due then 'skipped' else 'held' end);
  if p_as = 'test' or v_state not in ('same', 'new', 'moved') then
    v_answer := v_answer || jsonb_build_object('held', minutehand.hold_what_was_due(p_skip_due, v_now));
  end if;
  if (v_answer ->> 'changed')::boolean then
    delete from minutehand.database_identity;
    perform minutehand.record_identity(p_caller, v_now);
    update minutehand.database_identity set is_test = p_as = 'test', email_to = p_email_to, sms_to = p_sms_to where p_as = 'test';
  end if;
  perform minutehand.audit(
    'identify', p_as, p_actor,
    v_answer || jsonb_build_object('database', p_caller -> 'location', 'email_to', p_email_to, 'sms_to', p_sms_to), v_now);
  return v_answer;
end
$$;
comment on function public.automation_identify is 'minutehand: says which database this is, production or a copy for tests';

-- minutehand.hold_what_was_due(skip, now) -> how many executions are due, counted to 10,000.  The next ticks hold, or skip, them.
create or replace function minutehand.hold_what_was_due(p_skip boolean, p_now timestamptz) returns bigint
language plpgsql set search_path = '' set enable_seqscan = off set jit = off as $$
begin
  update public.automation_execution_logs l
  set status = 'pending', lease_token = null, lease_expires_at = null, worker = null, attempt = greatest(l.attempt, 1) - 1,
      scheduled_at = least(minutehand.due_at(l), p_now - interval '1 second')
  where l.id in (
    select f.id from public.automation_execution_logs f
    where f.lease_token is not null and f.lease_expires_at is not null and f.status in ('processing', 'running')
    order by f.id for update);
  update public.automation_bulk_actions set status = 'stopped', updated_at = p_now where status = 'running';
  insert into minutehand.backlog as b (held_before, begun) values (p_now, case when p_skip then 'skip' else 'hold' end)
  on conflict (only_row) do update set held_before = excluded.held_before, begun = excluded.begun;
  return (
    select count(*)
    from (
      select from public.automation_execution_logs l where l.status = 'pending' and minutehand.due_at(l) < p_now limit 10000) due);
end
$$;
