-- automation_direct_rotate(p_token) -> {"token": now in Vault, "previous": before, or null}
-- Puts a new token into Vault: p_token, unless it is the one that is there already; else a random one.  The next call
-- shows it; those under way show the previous, so the receiver takes both for a while.
-- Errors: MH400 no Vault, or no token for a header.  Locks: the secret's row.  Called by: store.direct_rotate.
create or replace function public.automation_direct_rotate(p_token text default null)
returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_previous constant text := minutehand.direct_token();
begin
  return jsonb_build_object(
    'token', minutehand.set_direct_token(nullif(p_token, v_previous)), 'previous', v_previous);
end
$$;
comment on function public.automation_direct_rotate is 'minutehand: puts a new token for direct mode into Vault; for the owner';
