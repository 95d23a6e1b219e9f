-- Direct mode: the database calls an executor for each new execution (pg_net), with a token of few rights from Vault.
-- The settings are read from the trigger itself, so there is no second list.  Its one argument is
--   {"url": "https://…", "timeout_ms": 5000, "no_claim": false}
-- Functions that the trigger calls set no search_path of their own, as in automation_capture.

-- minutehand.direct_config() -> the trigger's argument and {"enabled"}, or null when direct mode is off.
create or replace function minutehand.direct_config() returns jsonb
language sql stable as $$
  select minutehand.first_argument(tgargs)::jsonb || jsonb_build_object('enabled', tgenabled <> 'D')
  from pg_catalog.pg_trigger
  where tgrelid = to_regclass('public.automation_execution_logs') and tgname = 'minutehand_direct'
    and tgfoid = minutehand.own_function('public.handle_job_automation_triggers_direct()')
$$;

-- minutehand.direct_function() -> text: whose handle_job_automation_triggers_direct stands here: `ours`, `app` or null.
-- A comment outlives the body that it was written for; so the body must be ours too.
create or replace function minutehand.direct_function() returns text
language sql stable as $$
  select case
    when oid = minutehand.own_function('public.handle_job_automation_triggers_direct()')
      and prosrc like '%minutehand.direct_call%' then 'ours'
    else 'app'
  end
  from pg_catalog.pg_proc
  where oid = to_regprocedure('public.handle_job_automation_triggers_direct()')
$$;

-- minutehand.has_pg_net() -> boolean: whether there is a net.http_post that may be given the token.
create or replace function minutehand.has_pg_net() returns boolean
language sql stable as $$
  select exists (
    select from pg_catalog.pg_proc
    where oid = to_regprocedure('net.http_post(text,jsonb,jsonb,jsonb,integer)') and minutehand.is_trusted(proowner))
$$;

-- minutehand.direct_token() -> text: the token that calls carry, or null.  White space is removed: a line break would break the header.
create or replace function minutehand.direct_token() returns text
language plpgsql stable as $$
begin
  if minutehand.readable('vault.decrypted_secrets') is null then
    return null;
  end if;
  return (
    select nullif(regexp_replace(decrypted_secret, '\s', '', 'g'), '')
    from vault.decrypted_secrets
    where name = 'minutehand_direct_token');
end
$$;

-- minutehand.set_direct_token(token) -> text: writes it, or for null a new random one, to Vault, and returns it.
-- Errors: MH400 no Vault; a token that a header cannot carry, or with a comma.
create or replace function minutehand.set_direct_token(p_token text) returns text
language plpgsql set search_path = '' as $$
declare
  v_token constant text := coalesce(p_token, replace(concat(gen_random_uuid(), gen_random_uuid()), '-', ''));
  v_id uuid;
begin
  if minutehand.readable('vault.decrypted_secrets') is null then
    raise exception 'this database has no Vault, where the token for direct mode must stand'
      using errcode = 'MH400', hint = 'Run: create extension supabase_vault';
  elsif v_token !~ '^[!-~]+$' or position(',' in v_token) > 0 then
    raise exception 'the token holds a space, a comma, a line break or a letter beyond ASCII'
      using errcode = 'MH400', hint = 'Give one word, as from: openssl rand -hex 32';
  end if;
  select id into v_id from vault.decrypted_secrets where name = 'minutehand_direct_token';
  if v_id is null then
    perform vault.create_secret(v_token, 'minutehand_direct_token', 'What direct mode shows to the executor');
  else
    perform vault.update_secret(v_id, v_token);
  end if;
  return v_token;
end
$$;

-- minutehand.direct_begin(log) -> the row as --no-claim inserts it: processing, under a lease that outlasts the function's
-- limit of 400 s, so that a tick takes it over only after that.  While anything is paused, and on a copy, ticks decide what may run.
create or replace function minutehand.direct_begin(p_log public.automation_execution_logs)
returns public.automation_execution_logs language plpgsql as $$
declare
  v_now constant timestamptz := minutehand.clock();
begin
  if p_log.status = 'pending' and minutehand.due_at(p_log) <= v_now
     and not exists (select from public.automation_control)
     and not exists (select from minutehand.planned_pauses where starts_at <= v_now) and minutehand.may_call_out() then
    p_log.status := 'processing';
    p_log.lease_token := gen_random_uuid();
    p_log.lease_expires_at := v_now + interval '480 seconds';
    p_log.worker := 'direct';
    p_log.attempt := coalesce(p_log.attempt, 0) + 1;
    p_log.max_attempts := coalesce(p_log.max_attempts, 5);
    p_log.started_at := coalesce(p_log.started_at, v_now);
    p_log.claimed_at := v_now;
  end if;
  return p_log;
end
$$;

-- minutehand.direct_undo(id): the call was not made after all; a tick runs the execution.
create or replace function minutehand.direct_undo(p_id uuid) returns void
language sql volatile as $$
  update public.automation_execution_logs
  set status = 'pending', lease_token = null, lease_expires_at = null, worker = null, attempt = 0, started_at = null,
      claimed_at = null
  where id = p_id and status = 'processing' and worker = 'direct'
$$;

-- minutehand.direct_call(config, log): calls the executor for an execution that is due now (with --no-claim: that has begun).
-- Errors: whatever pg_net and Vault raise; the trigger catches it.
create or replace function minutehand.direct_call(p_config jsonb, p_log public.automation_execution_logs) returns void
language plpgsql as $$
declare
  v_no_claim constant boolean := (p_config ->> 'no_claim')::boolean;
  v_due constant boolean := p_log.status = 'pending'
    and minutehand.due_at(p_log) <= minutehand.clock();
  v_begun constant boolean := p_log.status = 'processing' and p_log.worker = 'direct';
  v_token text;
  v_request bigint;
begin
  if not coalesce(case when v_no_claim then v_begun else v_due end, false) or not minutehand.may_call_out() then
    return;
  end if;
  v_token := minutehand.direct_token();
  if v_token is null then
    raise exception 'Vault has no secret minutehand_direct_token';
  end if;
  v_request := net.http_post(
    url := p_config ->> 'url',
    body := jsonb_build_object(
      'workflowId', p_log.workflow_id, 'executionId', p_log.id,
      'context', case when v_no_claim then minutehand.direct_context(p_log) else '{}' end),
    params := '{}',
    headers := jsonb_build_object('Content-Type', 'application/json', 'Authorization', 'Bearer ' || v_token),
    timeout_milliseconds := (p_config ->> 'timeout_ms')::integer);
  insert into minutehand.direct_calls (request_id, execution_id, called_at) values (v_request, p_log.id, minutehand.clock())
  on conflict (request_id) do update set execution_id = excluded.execution_id, called_at = excluded.called_at;
end
$$;

-- minutehand.direct_answers(from, to) -> (request_id, at, kind, answer): pg_net's responses to anybody's requests, the newest
-- 10,000; no rows where they cannot be read.  The one place that says what a response means; `answer` is its status or error:
--   accepted    2xx; 409, another processor has it or it may not run now        refused   401, 403
--   unanswered  the timeout, which is shorter than most executions               failed    anything else
create or replace function minutehand.direct_answers(p_from timestamptz, p_to timestamptz)
returns table (request_id bigint, at timestamptz, kind text, answer text) language plpgsql stable rows 100 as $$
begin
  if not minutehand.has_pg_net() or minutehand.readable('net._http_response') is null then
    return;
  end if;
  return query
    select r.id, r.created, case
             when r.status_code between 200 and 299 or r.status_code = 409 then 'accepted'
             when r.status_code in (401, 403) then 'refused'
             when r.timed_out then 'unanswered'
             else 'failed' end,
           -- An error names no URL: it may have credentials.
           coalesce(r.status_code::text, left(regexp_replace(r.error_msg, '\S+://\S+', '…', 'g'), 100), 'no answer')
    from net._http_response r
    where r.created >= p_from and r.created <= p_to
    order by r.created desc
    limit 10000;
exception when insufficient_privilege or undefined_column or undefined_table then
  return;
end
$$;

-- minutehand.direct_replies(now) -> {"accepted": n, "refused": n, "unanswered": n, "failed": n, "last": {"kind", "answer", "at"} |
--   null}: the replies to our calls within the last hour.
create or replace function minutehand.direct_replies(p_now timestamptz) returns jsonb
language sql stable as $$
  with replies as materialized (
    select a.kind, a.answer, a.at
    from minutehand.direct_answers(p_now - interval '1 hour', p_now) a
    join minutehand.direct_calls c on c.request_id = a.request_id and c.called_at <= a.at
  )
  select jsonb_build_object(
    'accepted', count(*) filter (where kind = 'accepted'), 'refused', count(*) filter (where kind = 'refused'),
    'unanswered', count(*) filter (where kind = 'unanswered'), 'failed', count(*) filter (where kind = 'failed'),
    'last', (select to_jsonb(l) from replies l order by l.at desc limit 1))
  from replies
$$;

-- minutehand.direct_refusal(replies) -> text: what is wrong if the last reply accepted nothing, with what to do; else null.
create or replace function minutehand.direct_refusal(p_replies jsonb) returns text
language sql immutable as $$
  select case p_replies #>> '{last,kind}'
    when 'refused' then format(
      'the executor refuses its calls: %s of %s in the last hour, the last with %s: set MINUTEHAND_DIRECT_TOKEN where serve '
      'runs to the token in Vault (minutehand direct rotate stores a new one)',
      p_replies ->> 'refused', n, p_replies #>> '{last,answer}')
    when 'failed' then format(
      'its calls do not reach the executor: %s of %s in the last hour, the last with %s: minutehand direct on --url …',
      p_replies ->> 'failed', n, replace(p_replies #>> '{last,answer}', ': ', ', '))
  end
  from (
    select sum(value::integer) as n from jsonb_each_text(p_replies) where key in ('accepted', 'refused', 'unanswered', 'failed')
  ) total
$$;

-- minutehand.direct_reply_reason(log, now) -> text: that direct mode's call for a due execution was refused or failed; else null.
create or replace function minutehand.direct_reply_reason(p_log public.automation_execution_logs, p_now timestamptz)
returns text language plpgsql stable as $$
declare
  v_call minutehand.direct_calls;
begin
  if p_log.status <> 'pending' or minutehand.due_at(p_log) > p_now then
    return null;
  end if;
  select * into v_call
  from minutehand.direct_calls c where c.execution_id = p_log.id order by c.request_id desc limit 1;
  return (
    select format(
      'direct mode called for it, and the executor %s (%s): see minutehand direct status; the next tick runs it',
      case a.kind when 'refused' then 'refused the call' else 'was not reached' end, a.answer)
    -- pg_net sends after the commit, in turn; no call takes longer than 10 minutes.
    from minutehand.direct_answers(v_call.called_at, least(p_now, v_call.called_at + interval '30 minutes')) a
    where a.request_id = v_call.request_id and a.kind in ('refused', 'failed'));
end
$$;

-- minutehand.prune_direct_calls(limit, now): deletes some of the calls whose responses pg_net has deleted (6 hours).
create or replace function minutehand.prune_direct_calls(p_limit integer, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  delete from minutehand.direct_calls
  where request_id in (
      select o.request_id from minutehand.direct_calls o order by o.request_id limit p_limit)
    and called_at < p_now - interval '6 hours'
    and (select o.called_at from minutehand.direct_calls o order by o.request_id limit 1) < p_now - interval '6 hours'
$$;

-- minutehand.direct_context(log) -> {"trigger_data", "job_id", "jobId"}: what a function that reads no queue expects.
create or replace function minutehand.direct_context(p_log public.automation_execution_logs) returns jsonb
language plpgsql stable as $$
declare
  v_data constant jsonb := p_log.trigger_data;
  v_entity_id constant text := minutehand.entity_key(p_log.entity_id, minutehand.as_object(v_data::text));
  v_type constant text := (
    select config ->> 'type'
    from minutehand.watched
    where name = v_data ->> 'table_name'
    limit 1);
begin
  return jsonb_build_object('trigger_data', v_data) || case
    when v_type is null or v_entity_id is null then '{}'
    else jsonb_build_object(v_type || '_id', v_entity_id, v_type || 'Id', v_entity_id)
  end;
end
$$;

-- minutehand.direct_used_by() -> text[]: the triggers, other than ours, that call the function of that name.
create or replace function minutehand.direct_used_by() returns text[]
language sql stable set search_path = '' as $$
  select coalesce(array_agg(format('%s on %s', t.tgname, minutehand.table_name(n.nspname, c.relname)) order by 1), '{}')
  from pg_catalog.pg_trigger t
  join pg_catalog.pg_class c on c.oid = t.tgrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where t.tgfoid = to_regprocedure('public.handle_job_automation_triggers_direct()')
    and t.tgname not in ('minutehand_direct', 'minutehand_direct_begin')
$$;

-- minutehand.set_direct_triggers(config): creates the triggers, or replaces those with other settings; for null, drops them.
create or replace function minutehand.set_direct_triggers(p_config jsonb) returns void
language plpgsql set search_path = '' as $$
declare
  v_trigger text;
begin
  for v_trigger in
    select tgname
    from pg_catalog.pg_trigger
    where tgrelid = 'public.automation_execution_logs'::regclass
      and tgname in ('minutehand_direct', 'minutehand_direct_begin')
  loop
    execute format('drop trigger %I on public.automation_execution_logs', v_trigger);
  end loop;
  if (p_config ->> 'no_claim')::boolean then
    execute format(
      'create trigger minutehand_direct_begin before insert on public.automation_execution_logs for each row '
      'execute function public.handle_job_automation_triggers_direct(%L)', p_config::text);
  end if;
  if p_config is not null then
    execute format(
      'create trigger minutehand_direct after insert on public.automation_execution_logs for each row '
      'execute function public.handle_job_automation_triggers_direct(%L)', p_config::text);
  end if;
end
$$;
