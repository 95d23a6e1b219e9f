-- automation_opt_out_set(p_channel, p_address, p_tenant, p_reason, p_remove, p_actor, p_now) -> {"answer": "added" | "already" |
--   "removed" | "missing", "channel", "address", "tenant"}
-- Notes that an address wants no messages of a channel, or of `all`; for one tenant, or for all (''); p_remove ends that.  The
-- address and the channel are kept as they are compared.
-- p_actor: {"via", "name"} of the person, or null.
-- Errors: MH400 an address that cannot be read.  Locks: its row.  Called by: store.set_opt_out.
create or replace function public.automation_opt_out_set(
  p_channel text, p_address text, p_tenant text default '', p_reason text default null, p_remove boolean default false,
  p_actor jsonb default null, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_channel constant text := minutehand.opt_out_channel(p_channel);
  v_address text;
  v_found boolean;
  v_opt_out jsonb;
begin
  if coalesce(p_remove, false) then  -- also a row that cannot be read
    delete from public.automation_opt_outs
    where channel = p_channel and address = p_address and tenant = coalesce(p_tenant, '');
    v_found := found;
    v_address := p_address;
  end if;
  if v_found is not true then
    v_address := minutehand.opt_out_address(p_channel, p_address);
  end if;
  v_opt_out := jsonb_build_object('channel', v_channel, 'address', v_address, 'tenant', coalesce(p_tenant, ''));
  if not coalesce(p_remove, false) then
    insert into public.automation_opt_outs (channel, address, tenant, reason, created_at)
    values (v_channel, v_address, coalesce(p_tenant, ''), p_reason, coalesce(p_now, now()))
    on conflict do nothing;
    v_found := found;
  elsif v_found is not true then
    delete from public.automation_opt_outs
    where channel = v_channel and address = v_address and tenant = coalesce(p_tenant, '');
    v_found := found;
  end if;
  if v_found then
    perform minutehand.audit(
      case when p_remove then 'opt_out_remove' else 'opt_out_add' end, v_address, p_actor,
      v_opt_out || jsonb_build_object('reason', p_reason), coalesce(p_now, now()));
  end if;
  return v_opt_out || jsonb_build_object('answer', case
    when p_remove then case when v_found then 'removed' else 'missing' end
    when v_found then 'added' else 'already' end);
end
$$;
comment on function public.automation_opt_out_set is 'minutehand: adds or removes an opt-out';
