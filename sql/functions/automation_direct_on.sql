-- automation_direct_on(p_url, p_token, p_timeout_ms, p_no_claim, p_replace) -> {"url", "timeout_ms", "no_claim",
--   "secret": "kept" | "given" | "made", "token": the new one if it was made, "replaced": the app's own function as it was,
--   "used_by": the app's triggers that called it}
-- Lets the database call p_url for each new execution that is due, or changes how.  The token: p_token, else the one that
-- is in Vault, else a new one.  With p_no_claim rows are inserted as `processing`, for a function that does not claim.
-- Errors: MH400 no pg_net, no Vault, no such URL, timeout or token; MH409 the app has a function of the plan's name, and
-- p_replace is false; 55P03 the table is in use (see automation_trigger_add).
-- Locks: SHARE ROW EXCLUSIVE on automation_execution_logs for an instant, none when nothing changes.
-- Called by: store.direct_on.
create or replace function public.automation_direct_on(
  p_url text, p_token text default null, p_timeout_ms integer default 5000, p_no_claim boolean default false,
  p_replace boolean default false
) returns jsonb language plpgsql security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  v_config constant jsonb := jsonb_build_object('url', p_url, 'timeout_ms', p_timeout_ms, 'no_claim', p_no_claim);
  v_app constant boolean := coalesce(minutehand.direct_function() = 'app', false);
  v_used_by constant text[] := minutehand.direct_used_by();
  v_had constant text := minutehand.direct_token();
  v_secret text := 'kept';
  v_token text;
  v_replaced text;
begin
  perform minutehand.check_direct(p_url, p_timeout_ms);
  if v_app and not p_replace then
    raise exception 'the app has a function handle_job_automation_triggers_direct() of its own%',
        case when v_used_by = '{}' then '' else ', called by ' || array_to_string(v_used_by, ', ') end
      using errcode = 'MH409',
            hint = 'Replace it with --replace: it is printed as it was, and its triggers stay and do nothing.';
  elsif v_app then
    v_replaced := pg_get_functiondef('public.handle_job_automation_triggers_direct()'::regprocedure);
  end if;
  if v_had is null or v_had <> p_token then
    v_secret := case when p_token is null then 'made' else 'given' end;
    v_token := minutehand.set_direct_token(p_token);
  end if;
  perform minutehand.install_direct();
  if minutehand.direct_config() is distinct from v_config || '{"enabled": true}' then
    perform minutehand.set_direct_triggers(v_config);
  end if;
  return v_config || jsonb_build_object(
    'secret', v_secret, 'token', case when v_secret = 'made' then v_token end,
    'replaced', v_replaced, 'used_by', v_used_by);
end
$$;
comment on function public.automation_direct_on is 'minutehand: calls an executor for each new execution; for the owner';

-- minutehand.check_direct(url, timeout): nothing, or MH400 with what is missing.
create or replace function minutehand.check_direct(p_url text, p_timeout_ms integer) returns void
language plpgsql stable set search_path = '' as $$
begin
  if not minutehand.has_pg_net() then
    raise exception 'this database has no pg_net, which makes the calls'
      using errcode = 'MH400', hint = 'Run: create extension pg_net';
  elsif coalesce(p_url, '') !~ '^https?://[^\s/]+(/\S*)?$' then
    raise exception '% is no URL to call', coalesce(p_url, 'null')
      using errcode = 'MH400', hint = 'Write https://host/path, with the path of the executor.';
  elsif coalesce(p_timeout_ms, 0) not between 100 and 600000 then
    raise exception 'a timeout of % ms cannot be', coalesce(p_timeout_ms::text, 'null')
      using errcode = 'MH400', hint = 'Give 0.1 s to 10 min; 5 s is usual, since who is called need not be waited for.';
  end if;
end
$$;
