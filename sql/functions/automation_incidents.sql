-- automation_incidents(p_all, p_limit) -> [{"id", "kind", "subject", "workflow", "code", "opened_at", "seen_at",
--   "recovered_at", "count", "summary", "sample", "notified", "notified_at"}], the newest first
-- The open incidents; with p_all also those of the last 90 days that have recovered.
-- Locks: none.  Errors: none.  Called by: store.incidents.
create or replace function public.automation_incidents(p_all boolean default false, p_limit integer default 100)
returns jsonb language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_agg(
      to_jsonb(i) - '{notifier,notifier_until}'::text[] || jsonb_build_object('workflow', minutehand.workflow_name(minutehand.to_uuid(i.subject)))
      order by i.opened_at desc, i.id desc), '[]')
    from (
      select *
      from public.automation_incidents
      where p_all or recovered_at is null
      order by opened_at desc, id desc
      limit least(greatest(coalesce(p_limit, 100), 0), 1000)
    ) i);
end
$$;
comment on function public.automation_incidents is 'minutehand: open and past incidents';
