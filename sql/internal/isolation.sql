-- Isolation: where one execution's row cannot be stored as it should be, it ends alone, and the batch goes on (R6, R17).  A row
-- may hold any value that the app's columns allow, and the app's own CHECKs and triggers may refuse what follows from it.

-- minutehand.all_or_each(function, ids, now): calls minutehand.<function>(ids, now) for all of them at once, or, where that cannot
-- be stored, for each in a block of its own.  Which needs something that cannot be used now is put off.
create or replace function minutehand.all_or_each(p_function text, p_ids uuid[], p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_id uuid;
begin
  begin
    execute format('select minutehand.%I($1, $2)', p_function) using p_ids, p_now;
    return;
  exception when others then
    if minutehand.is_away(sqlstate) then
      raise;
    end if;  -- find out which one
    perform minutehand.note_wait(sqlstate);
  end;
  for v_id in select id from unnest(p_ids) as id order by id loop
    begin
      execute format('select minutehand.%I($1, $2)', p_function) using array[v_id], p_now;
    exception when others then
      if minutehand.is_away(sqlstate) then
        raise;
      elsif minutehand.is_unstorable(sqlstate) then
        perform minutehand.end_unstorable(v_id, sqlerrm, p_now);
      else
        perform minutehand.note_wait(sqlstate), minutehand.put_off(v_id, sqlstate, p_now);
      end if;
    end;
  end loop;
end
$$;

-- minutehand.put_off(id, sqlstate, now): an error of class `object` is in the way of an execution's next state.  One that was just
-- claimed is deferred; another stays as it is, until the next tick.  If even that cannot be stored, a WARNING remains.
create or replace function minutehand.put_off(p_id uuid, p_sqlstate text, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  perform minutehand.settle_batch(jsonb_agg(
    minutehand.unknown_problem(p_sqlstate) || jsonb_build_object('id', l.id, 'token', l.lease_token)), p_now)
  from public.automation_execution_logs l
  where l.id = p_id and l.status = 'processing' and l.lease_expires_at > p_now
  having count(*) > 0;
exception when others then
  if minutehand.is_away(sqlstate) then
    raise;
  end if;
  raise warning 'minutehand: execution % has to wait: %', p_id, sqlerrm;
end
$$;

-- minutehand.end_unstorable(id, error, now): ends an execution as failed: unrecordable.  If that is refused too, without a time of
-- its end; else it is put off for an hour, so that it is not tried again at once.  Then a WARNING remains.
create or replace function minutehand.end_unstorable(p_id uuid, p_error text, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  v_reason constant text := format('its next state could not be stored: %s', p_error);
begin
  begin
    update public.automation_execution_logs
    set status = 'failed', code = 'unrecordable', reason = v_reason, error_message = v_reason, completed_at = p_now,
        lease_expires_at = null
    where id = p_id;
    return;
  exception when others then
    if not minutehand.is_unstorable(sqlstate) then
      raise;
    end if;
  end;
  begin
    update public.automation_execution_logs
    set status = 'failed', code = 'unrecordable', reason = v_reason, error_message = v_reason, lease_expires_at = null
    where id = p_id;
    return;
  exception when others then
    if not minutehand.is_unstorable(sqlstate) then
      raise;
    end if;
  end;
  begin
    update public.automation_execution_logs
    set scheduled_at = case when status = 'pending' then p_now + interval '1 hour' else scheduled_at end,
        lease_expires_at = case when lease_expires_at is not null then p_now + interval '1 hour' end
    where id = p_id;
  exception when others then
    if not minutehand.is_unstorable(sqlstate) then
      raise;
    end if;
  end;
  raise warning 'minutehand: execution % cannot end: %', p_id, p_error;
end
$$;
