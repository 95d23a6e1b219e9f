-- automation_direct_status(p_digests, p_now) -> {"on", "url", "timeout_ms", "no_claim", "enabled", "function": "ours" | "app" | null,
--   "pg_net": bool, "vault": bool, "secret": bool, "replies": minutehand.direct_replies, with p_digests "secret_listed": whether the token has one of them,
--   "problems": [what keeps it from calling, with what mends it]}
-- p_digests: SHA-256 of tokens, in hexadecimal, as a list.
-- Locks: none.  Errors: none.  Called by: store.direct_status, automation_doctor.
create or replace function public.automation_direct_status(
  p_digests jsonb default null, p_now timestamptz default null
) returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_config constant jsonb := minutehand.direct_config();
  v_token constant text := minutehand.direct_token();
  v_on constant boolean := v_config is not null;
  v_replies constant jsonb := minutehand.direct_replies(coalesce(p_now, now()));
  v_found constant jsonb := jsonb_build_object(
    'function', minutehand.direct_function(),
    'pg_net', minutehand.has_pg_net(),
    'vault', minutehand.readable('vault.decrypted_secrets') is not null,
    'secret', v_token is not null,
    'replies', v_replies)
    || case when p_digests is null then '{}' else jsonb_build_object(
      'secret_listed', coalesce(p_digests ? encode(sha256(convert_to(v_token, 'UTF8')), 'hex'), false)) end;
begin
  return jsonb_build_object('on', v_on, 'url', null, 'timeout_ms', null, 'no_claim', null, 'enabled', null)
    || coalesce(v_config, '{}') || v_found || jsonb_build_object('problems', case when v_on then to_jsonb(array_remove(array[
      case when not (v_found ->> 'pg_net')::boolean then 'pg_net is missing: create extension pg_net' end,
      case when not (v_found ->> 'vault')::boolean then 'Vault is missing: create extension supabase_vault' end,
      case when not (v_found ->> 'secret')::boolean then 'Vault has no token: minutehand direct rotate' end,
      case when not (v_config ->> 'enabled')::boolean then 'its trigger is disabled: minutehand direct on' end,
      case when v_found ->> 'function' <> 'ours' then
        'the function was replaced by another: minutehand direct on --replace' end,
      minutehand.direct_refusal(v_replies)], null)) else '[]' end);
end
$$;
comment on function public.automation_direct_status is 'minutehand: says whether the database calls, and what it lacks';
