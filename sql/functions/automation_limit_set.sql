-- automation_limit_set(p_scope, p_n, p_per, p_channel, p_tenant, p_on_exceed, p_actor, p_now) -> {"answer": "set" | "removed" |
--   "missing", …the limit}
-- How many messages may leave: p_n within p_per (an interval), to one `recipient` or from one `tenant`; of one channel or of all
-- together (''), for one tenant or for each (''); further ones are delayed or dropped.  p_n null removes the limit.
-- p_actor: {"via", "name"} of the person, or null.
-- Errors: MH400 an invalid limit.  Locks: its row.  Called by: store.set_limit.
create or replace function public.automation_limit_set(
  p_scope text, p_n integer default null, p_per text default '1 day', p_channel text default '',
  p_tenant text default '', p_on_exceed text default 'delay', p_actor jsonb default null,
  p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_limit public.automation_limits;
begin
  if p_n is null then
    delete from public.automation_limits
    where scope = p_scope and tenant = p_tenant and channel = p_channel
    returning * into v_limit;
    if not found then
      return '{"answer": "missing"}';
    end if;
    perform minutehand.audit('limit_remove', p_scope, p_actor, minutehand.limit_json(v_limit), coalesce(p_now, now()));
    return minutehand.limit_json(v_limit) || '{"answer": "removed"}';
  elsif coalesce(minutehand.to_interval(p_per), '0') <= interval '0' then
    raise exception '% is not a period', coalesce(p_per, 'null') using errcode = 'MH400', hint = 'Write 1 hour, 1 day or 7 days.';
  end if;
  insert into public.automation_limits as l (scope, tenant, channel, n, per, on_exceed)
  values (p_scope, p_tenant, p_channel, p_n, p_per::interval, p_on_exceed)
  on conflict (scope, tenant, channel)
  do update set n = excluded.n, per = excluded.per, on_exceed = excluded.on_exceed
  returning * into v_limit;
  perform minutehand.audit('limit_set', p_scope, p_actor, minutehand.limit_json(v_limit), coalesce(p_now, now()));
  return minutehand.limit_json(v_limit) || '{"answer": "set"}';
exception when check_violation or not_null_violation then
  raise exception 'the limit is not valid: %', sqlerrm
    using errcode = 'MH400', hint = 'n is 0 to 1,000,000, per at most 366 days, on_exceed delay or drop.';
end
$$;
comment on function public.automation_limit_set is 'minutehand: sets or removes a limit of sends';
