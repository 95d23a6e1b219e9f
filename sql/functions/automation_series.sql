-- automation_series(p_from, p_to, p_seconds, p_tenant) -> [{"at": begin of the bucket, "<status>": n, …}]: how many executions were made
-- in each p_seconds from p_from to p_to, by how they stand; buckets without any are left out.
-- Reads what it counts: who shows long times keeps the buckets that are over.
-- Locks: none.  Errors: MH400 more than 1,000 buckets.  Called by: store.series.
create or replace function public.automation_series(p_from timestamptz, p_to timestamptz, p_seconds integer, p_tenant text default null)
returns jsonb language plpgsql stable security definer set search_path = '' set jit = off as $$
begin
  if p_seconds is null or p_seconds < 1 or extract(epoch from p_to - p_from) > 1000::bigint * p_seconds then
    raise exception 'that is more than 1,000 buckets' using errcode = 'MH400', hint = 'Ask for less, or longer ones.';
  end if;
  return (
    select coalesce(jsonb_agg(counts || jsonb_build_object('at', at) order by at), '[]')
    from (
      select at, jsonb_object_agg(status, n) as counts
      from (
        select date_bin(make_interval(secs => p_seconds), created_at, p_from) as at,
               case status when 'running' then 'processing' else status end as status, count(*) as n
        from public.automation_execution_logs l
        where created_at >= p_from and created_at < p_to and (p_tenant is null or minutehand.tenant_of(l) = p_tenant)
        group by 1, 2
      ) counted
      group by at
    ) buckets);
end
$$;
comment on function public.automation_series is 'minutehand: executions over time, by status';
