-- Actions: what a person may do to an execution in its state, and the answers to it.

-- minutehand.allowed_actions(log) -> text[]: of retry, resolve, release and cancel those that the execution's state allows.
-- In flight means under a lease of ours, whatever status a callee wrote meanwhile.
create or replace function minutehand.allowed_actions(p_log public.automation_execution_logs) returns text[]
language sql immutable as $$
  select array_remove(array[
    case when p_log.status in ('failed', 'skipped') and p_log.lease_expires_at is null
      and p_log.code is distinct from 'uncertain_send' then 'retry' end,
    case when p_log.status = 'failed' and p_log.code = 'uncertain_send' and p_log.lease_expires_at is null then 'resolve' end,
    case when p_log.status = 'skipped' and p_log.code = 'stale' and p_log.lease_expires_at is null
      or minutehand.is_held(p_log) then 'release' end,
    case when p_log.status = 'pending' or p_log.lease_expires_at is not null then 'cancel' end], null)
$$;

-- minutehand.action_answers(found, done, action, word) -> [{"id", "answer": word | "refused" | "missing", "reason"?}], one for each
-- execution, and for each text that names none or several.  found: of minutehand.find_executions; done: the executions to which it was
-- done, in this transaction.
create or replace function minutehand.action_answers(p_found jsonb, p_done uuid[], p_action text, p_word text) returns jsonb
language sql stable set search_path = '' set enable_seqscan = off set jit = off as $$
  select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'id', q.id,
    'answer', case when l.id = any (p_done) then p_word when q.sqlstate = 'MH404' or q.sqlstate is null and l.id is null then 'missing' else 'refused' end,
    'reason', case
      when l.id = any (p_done) then null
      when q.reason is not null then q.reason
      when l.id is null then format('there is no execution %s', q.id)
      when p_action <> 'cancel' and l.lease_expires_at is not null then 'it is running'
      when p_action = 'cancel' and l.status in ('processing', 'running') then 'another processor runs it'
      when p_action = 'cancel' then format('it is already %s', l.status)
      when p_action = 'retry' and l.code = 'uncertain_send'
        then 'its send may have arrived: find out first, then run `executions resolve`'
      when p_action = 'retry' then format('it is %s; only failed and skipped ones can be retried', l.status)
      else format('it is %s; only %s can be %s', concat_ws(': ', l.status, l.code),
                  case p_action when 'resolve' then 'failed: uncertain_send' else 'skipped: stale, pending: flood and pending: restored' end, p_word) end))), '[]')
  from (
    select distinct coalesce(value ->> 'id', value ->> 'asked') as id, (value ->> 'id')::uuid as found, value ->> 'sqlstate' as sqlstate,
                    value ->> 'reason' as reason
    from jsonb_array_elements(p_found)) q
  left join public.automation_execution_logs l on l.id = q.found
$$;

-- minutehand.audit_all(action, ids, actor, detail, now): one audit row for each execution.
create or replace function minutehand.audit_all(p_action text, p_ids uuid[], p_actor jsonb, p_detail jsonb, p_now timestamptz)
returns void language sql volatile set search_path = '' as $$
  select minutehand.audit(p_action, id::text, p_actor, p_detail, p_now) from unnest(p_ids) as id where p_actor is not null
$$;
