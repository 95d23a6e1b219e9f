-- automation_opt_outs(p_channel, p_address, p_tenant, p_limit) -> [{"channel", "address", "tenant", "reason", "created_at",
--   "problem"?}]: who has opted out, the newest first; of one channel, address or tenant, each as people write it.  `problem`: a row
-- from before addresses were read, which stops nothing.
-- Errors: MH400 an address that cannot be read.  Locks: none.  Called by: store.opt_outs, doctor.
create or replace function public.automation_opt_outs(
  p_channel text default null, p_address text default null, p_tenant text default null, p_limit integer default 100
) returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_channel constant text := minutehand.opt_out_channel(p_channel);
  v_address constant text := case when p_address is not null then minutehand.opt_out_address(coalesce(p_channel, 'all'), p_address) end;
begin
  return (
    select coalesce(jsonb_agg(to_jsonb(o) || case when r.problem is null then '{}' else jsonb_build_object('problem', r.problem) end
      order by o.created_at desc, o.address), '[]')
    from (
      select channel, address, tenant, reason, created_at
      from public.automation_opt_outs
      where (p_channel is null or channel = v_channel) and (p_address is null or address in (v_address, p_address))
        and (p_tenant is null or tenant = p_tenant)
      order by created_at desc, address
      limit least(greatest(coalesce(p_limit, 100), 1), 1000)
    ) o
    cross join lateral minutehand.read_opt_out(o.channel, o.address) r);
end
$$;
comment on function public.automation_opt_outs is 'minutehand: lists who has opted out';
