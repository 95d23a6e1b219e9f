-- Settling: how the outcome of an attempt changes an execution.

-- minutehand.settle_batch(outcomes, now) -> answers: one set-based pass; raises when one of the outcomes cannot be stored.
create or replace function minutehand.settle_batch(p_outcomes jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' as $$
declare
  v_plain jsonb;
begin
  if p_outcomes @? '$[*].pace' then
    p_outcomes := minutehand.note_paces(p_outcomes, p_now);
  end if;
  if p_outcomes @? '$[*].confirm' then
    perform minutehand.confirm_sends(minutehand.pick_part(p_outcomes, 'confirm'), p_now);
  end if;
  v_plain := minutehand.settle_plain(p_outcomes, p_now);
  if jsonb_array_length(v_plain) = jsonb_array_length(p_outcomes) then
    return v_plain;
  end if;
  p_outcomes := (
    select jsonb_agg(o)
    from jsonb_array_elements(p_outcomes) as o
    where (o ->> 'id')::uuid not in (select (a ->> 'id')::uuid from jsonb_array_elements(v_plain) as a));
  return v_plain || minutehand.settle_others(p_outcomes, p_now);
end
$$;

-- minutehand.settle_plain(outcomes, now) -> answers to those of nearly all executions: every step did what it says, and is recorded now.
-- They end as minutehand.settle_others would end them, without a function call for a row.  Locks: the rows of all outcomes, by id.
-- The plans of both are kept; enable_seqscan is off, since a table that was small when they were made grows.
create or replace function minutehand.settle_plain(p_outcomes jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
declare
  v_ids uuid[];
  v_steps jsonb[];
  v_resume_steps text[];
  v_answers jsonb;
begin
  select array_agg(l.id), array_agg(r.steps), array_agg(r.resume_step) into v_ids, v_steps, v_resume_steps
  from (
    select o.id, o.token, o.resume_step, coalesce(o.steps, '[]') as steps,
           o.ended = 'done' and o.earlier is null
             and not coalesce(o.steps, '[]') @? '$[*] ? (!(@.status == "success") || exists (@.send))' as is_plain
    from jsonb_to_recordset(p_outcomes) as o (
      id uuid, token uuid, ended text, steps jsonb, earlier jsonb, resume_step text)
    order by o.id
  ) r
  cross join lateral (
    -- By its id alone: the index of leases would be read as a whole for each.
    select x.* from public.automation_execution_logs x where x.id = r.id offset 0 for update
  ) l
  where r.is_plain and l.lease_token = r.token and l.lease_expires_at is not null and l.status = 'processing'
    and coalesce(l.actions_executed::text, '[]') = '[]';

  with settled as (
    update public.automation_execution_logs l
    set status = 'completed', code = null, reason = null, error_message = null, actions_executed = p.steps,
        resume_step = p.resume_step, deferred_since = null, completed_at = p_now, lease_expires_at = null
    from unnest(v_ids, v_steps, v_resume_steps) as p (id, steps, resume_step)
    where l.id = p.id
    returning l.id, l.attempt
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'id', id, 'answer', 'settled', 'status', 'completed', 'code', null, 'reason', null, 'attempt', attempt,
    'due_seconds', null)), '[]')
  into v_answers
  from settled;
  return v_answers;
end
$$;

-- minutehand.settle_others(outcomes, now) -> answers: whatever the outcome and the row, by minutehand.state_after.
create or replace function minutehand.settle_others(p_outcomes jsonb, p_now timestamptz) returns jsonb
language plpgsql set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set jit = off as $$
declare
  v_answers jsonb;
begin
  with requested as (
    select o.*
    from jsonb_to_recordset(p_outcomes) as o (
      id uuid, token uuid, ended text, steps jsonb, code text, reason text, more boolean, retry_after_seconds numeric,
      give_up_seconds numeric, resume_step text, on_uncertain text, due_in_seconds numeric, earlier jsonb)
  ), locked as (
    select l.id, l.lease_token, l.lease_expires_at, l.status as was, l.attempt, l.max_attempts, l.code as had_code,
           l.error_message, l.actions_executed, l.deferred_since
    from public.automation_execution_logs l
    where l.id = any (array(select requested.id from requested))
    order by l.id
    for update
  ), decided as (
    select h.id, s.ended, s.due_in_seconds, d.*
    from requested s
    join locked h on h.id = s.id
    cross join lateral minutehand.state_after(
      s.ended, s.steps, s.code, s.reason, coalesce(s.more, false), s.retry_after_seconds, s.resume_step, s.on_uncertain,
      s.due_in_seconds, s.give_up_seconds,
      case when h.had_code = s.code and s.earlier is null then h.deferred_since end, minutehand.add_records(coalesce(h.actions_executed::jsonb, '[]'), s.earlier),
      case when s.earlier is null or s.ended = 'done' then h.attempt else 0 end, h.max_attempts, h.was, h.error_message, p_now) d
    where h.lease_token = s.token and h.lease_expires_at is not null
  ), settled as (
    update public.automation_execution_logs l
    set status = d.status, code = d.code, attempt = d.attempt, actions_executed = d.recorded,
        resume_step = case
          -- That an earlier worker's call left stays noted (automation_begin_calls).
          when d.ended in ('released', 'deferred') and d.resume_step is null and l.resume_step <> 'call:' || l.lease_token
            then l.resume_step
          else d.resume_step end,
        reason = case when d.ended = 'deferred' and d.due_in_seconds is not null and d.status = 'pending'
          then format('%s (since %s, goes on at %s)', d.reason, minutehand.utc_text(d.deferred_since), minutehand.utc_text(d.due))
          else d.reason end,
        deferred_since = d.deferred_since,
        error_message = case when d.status = 'failed' then d.reason end,
        scheduled_at = coalesce(d.due, l.scheduled_at),
        completed_at = case when d.status <> 'pending' then p_now end,
        past = case when d.status <> 'pending' or d.due is null then l.past::jsonb
          else minutehand.append_history(
            l.past::jsonb, case d.ended when 'retry' then 'retry' when 'unknown' then 'retry' else 'wait' end, l.claimed_at, p_now,
            jsonb_build_object(
              'code', d.code,
              'reason', d.reason, 'due', d.due, 'worker', l.worker, 'attempt', l.attempt)) end,
        lease_expires_at = null
    from decided d
    where l.id = d.id
    returning l.id, l.status, l.code, l.reason, l.attempt,
              case when l.status = 'pending'
                then minutehand.seconds_until(minutehand.due_at(l), p_now) end as due_seconds
  )
  select coalesce(jsonb_agg(case
      when t.id is not null then
        to_jsonb(t) || jsonb_build_object('answer', case when t.code = 'unrecordable' then 'failed' else 'settled' end)
      when h.lease_token = s.token then
        jsonb_build_object('id', s.id, 'answer', 'already', 'status', h.was, 'code', h.had_code)
      else jsonb_build_object('id', s.id, 'answer', 'lost')
    end), '[]')
  into v_answers
  from requested s
  left join locked h on h.id = s.id
  left join settled t on t.id = s.id;

  if p_outcomes @? '$[*].steps[*].send' or p_outcomes @? '$[*].earlier[*].send' then
    perform minutehand.log_sends(
      (select jsonb_agg(jsonb_build_object('id', o.id, 'token', o.token, 'step', step))
       from jsonb_to_recordset(p_outcomes) as o (id uuid, token uuid, steps jsonb, earlier jsonb)
       cross join lateral jsonb_array_elements(coalesce(o.earlier, '[]') || coalesce(o.steps, '[]')) as step
       where step ? 'send'), p_now);
  end if;
  return v_answers;
end
$$;

-- minutehand.state_after(outcome…, row…) -> the row's next state.  Pure, except for the jitter of the backoff.
-- If the callee ended the execution itself, under our token, that end stands, whatever became of the call to it.
create or replace function minutehand.state_after(
  p_ended text, p_steps jsonb, p_code text, p_reason text, p_more boolean, p_retry_after_seconds numeric,
  p_resume_step text, p_on_uncertain text, p_due_in_seconds numeric, p_give_up_seconds numeric,
  p_deferred_since timestamptz, p_recorded jsonb, p_attempt integer, p_max_attempts integer, p_was text, p_error text,
  p_now timestamptz,
  out status text, out code text, out reason text, out attempt integer, out recorded jsonb, out resume_step text,
  out due timestamptz, out deferred_since timestamptz
) language plpgsql volatile set search_path = '' as $$
declare
  -- A step that began after a recorded one is at its first attempt, although progress has set the count to 0.
  v_attempt constant integer := greatest(coalesce(p_attempt, 0), 1);
  v_used_up constant boolean := v_attempt >= coalesce(p_max_attempts, 5);
  v_step_failed boolean := false;
  v_given_up text;
begin
  recorded := coalesce(p_recorded, '[]');
  attempt := p_attempt;
  code := p_code;
  reason := p_reason;
  resume_step := p_resume_step;
  case
    when p_was in ('completed', 'failed', 'skipped', 'cancelled') or p_ended = 'done' then
      recorded := minutehand.add_records(recorded, case when p_ended = 'done' then p_steps end);
      select e.status, e.code, e.reason into status, code, reason from minutehand.final_state(recorded, p_was, p_error) e;
    when p_ended in ('failed', 'skipped', 'cancelled') then
      recorded := minutehand.add_records(recorded, p_steps);
      status := p_ended;
    when p_ended = 'released' then
      status := 'pending';
      attempt := greatest(p_attempt, 1) - 1;
      due := p_now + make_interval(secs => p_due_in_seconds);  -- null: due as before, since who stops claims nothing more
    when p_ended = 'waiting' then
      recorded := minutehand.add_records(recorded, p_steps);
      status := 'pending';
      attempt := 0;
      due := p_now + make_interval(secs => greatest(p_due_in_seconds, 0));
    when p_ended = 'deferred' then
      attempt := greatest(p_attempt, 1) - 1;
      deferred_since := coalesce(p_deferred_since, p_now);
      if p_now - deferred_since < make_interval(secs => least(coalesce(p_give_up_seconds, 86400), 604800)) then
        status := 'pending';
        due := p_now + case
          when p_due_in_seconds is not null then make_interval(secs => least(greatest(p_due_in_seconds, 0.001), 604800))
          else greatest(
            minutehand.deferral(p_now - deferred_since), make_interval(secs => least(coalesce(p_retry_after_seconds, 0), 604800)))
        end;
      else
        v_given_up := format(
          ' (given up after %s)', minutehand.interval_text(date_trunc('second', p_now - deferred_since)));
        reason := concat(p_reason, v_given_up);
        p_steps := jsonb_set(p_steps, '{0,error}', to_jsonb(concat(p_steps #>> '{0,error}', v_given_up)));
        deferred_since := null;
        v_step_failed := true;
      end if;
    when p_ended = 'unknown' and (p_on_uncertain = 'hold' or (p_on_uncertain = 'resend' and v_used_up)) then
      status := 'failed';
      code := 'uncertain_send';
    when p_ended = 'retry' and not v_used_up or p_ended = 'unknown' and p_on_uncertain = 'resend' then
      status := 'pending';
      attempt := v_attempt;
      -- The receiver's Retry-After wins, up to a week.  (greatest() ignores a null.)
      due := p_now + case
        when p_retry_after_seconds is null then minutehand.backoff(v_attempt)
        else make_interval(secs => least(greatest(p_retry_after_seconds, 0), 604800))
      end;
    when p_ended = 'retry' or p_ended = 'unknown' and p_on_uncertain = 'drop' then
      v_step_failed := true;
    else
      raise exception 'unknown outcome %', p_ended;
  end case;
  if v_step_failed and coalesce(p_steps, '[]') = '[]' then
    status := 'failed';  -- it failed outside any step
  elsif v_step_failed then
    recorded := minutehand.add_records(recorded, p_steps);
    if p_more then
      status := 'pending';
      attempt := 0;
      due := p_now;
    else
      select e.status, e.code, e.reason into status, code, reason from minutehand.final_state(recorded, p_was, p_error) e;
    end if;
  end if;
end
$$;

-- minutehand.final_state(recorded, was, error) -> (status, code, reason): completed only if every step did what it says (R14).
-- A step whose recipients have opted out, or that came too late, is skipped, which is no failure: the execution is skipped if no
-- other step acted.
-- A callee may have ended the execution itself under our token: its status stands.  But if it says completed, an item that
-- failed, or was skipped or deferred (the app's executor calls unsent messages so), makes it failed.
create or replace function minutehand.final_state(
  p_recorded jsonb, p_was text, p_error text, out status text, out code text, out reason text
) language plpgsql immutable set search_path = '' as $$
declare
  v_undone constant jsonpath := case p_was
    when 'completed' then '$[*] ? (@.status == "failed" || (@.status == "skipped" && !(@.code == "opted_out" || @.code == "too_late"))
                                   || @.result.status == "failed" || @.result.status == "deferred"
                                   || (@.result.status == "skipped" && !(@.code == "opted_out" || @.code == "too_late")))'
    else '$[*] ? (@.status == "failed")'
  end;
  v_skipped jsonb;
begin
  if p_was in ('skipped', 'cancelled') then
    status := p_was;
    reason := coalesce(p_error, 'the executor ended it so');
  elsif p_recorded @? v_undone then
    status := 'failed';
    select u.code, u.reason into code, reason from minutehand.first_failure(p_recorded, v_undone) u;
    reason := coalesce(case p_was when 'failed' then p_error end, reason);
  elsif p_was = 'failed' then
    status := 'failed';
    code := 'executor_failed';
    reason := coalesce(p_error, 'the executor ended it so');
  else
    v_skipped := jsonb_path_query_first(p_recorded, '$[*] ? (@.status == "skipped" && (@.code == "opted_out" || @.code == "too_late"))');
    if v_skipped is null or minutehand.steps_that_acted(p_recorded) > 0 then
      status := 'completed';
    else
      status := 'skipped';
      code := v_skipped ->> 'code';
      reason := minutehand.step_error(v_skipped);
    end if;
  end if;
end
$$;

-- minutehand.steps_that_acted(recorded) -> how many steps did something outside of the execution.
create or replace function minutehand.steps_that_acted(p_recorded jsonb) returns integer
language sql immutable set search_path = '' as $$
  select count(*)::integer
  from jsonb_path_query(p_recorded, '$[*] ? (@.status == "success")') as s
  where coalesce(s #>> '{result,type}', '') not in ('condition', 'wait', 'stop')
    and coalesce(s #>> '{result,status}', '') not in ('failed', 'skipped', 'deferred')
$$;

-- minutehand.step_error(record) -> `step Mail: …`, as an execution's reason shows it.
create or replace function minutehand.step_error(p_record jsonb) returns text
language sql immutable set search_path = '' as $$
  select concat('step ', coalesce(p_record ->> 'name', p_record ->> 'stepId'), ': ',
    coalesce(p_record ->> 'error', p_record ->> 'reason', p_record #>> '{result,status}', p_record ->> 'status'))
$$;

-- minutehand.first_failure(recorded, undone) -> (code, reason): of the first of the undone items.
create or replace function minutehand.first_failure(p_recorded jsonb, p_undone jsonpath, out code text, out reason text)
language plpgsql immutable set search_path = '' as $$
declare
  v_first constant jsonb := jsonb_path_query_first(p_recorded, p_undone);
  v_failures constant integer := jsonb_array_length(jsonb_path_query_array(p_recorded, p_undone));
begin
  code := case when minutehand.steps_that_acted(p_recorded) > 0 then 'partial' else coalesce(v_first ->> 'code', 'step_failed') end;
  reason := concat(
    minutehand.step_error(v_first),
    case when v_failures > 1 then format(' (and %s more failed)', v_failures - 1) end);
end
$$;
