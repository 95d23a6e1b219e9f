-- automation_webhook_tenant(p_organization, p_user) -> {"single_tenant": bool,
--   "tenant": {"kind": "organization" | "user", "id"} | null}
-- The tenant whose secret signs the webhooks of workflows of this organization, else of this user; null: the operator's own.
-- Errors: MH400 for an id that its column cannot hold.  Locks: none.  Called by: store.webhook_signer.
create or replace function public.automation_webhook_tenant(p_organization text default null, p_user text default null)
returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  v_single constant boolean := minutehand.is_single_tenant();
begin
  return jsonb_build_object('single_tenant', v_single, 'tenant', minutehand.webhook_tenant(
    jsonb_build_object(
      'organization_id', minutehand.column_text('organization_id', p_organization),
      'user_id', minutehand.column_text('user_id', p_user)), v_single));
end
$$;
comment on function public.automation_webhook_tenant is 'minutehand: the tenant whose secret signs webhooks';

-- Tables that were watched before this was kept.
do $$
begin
  if not exists (select from minutehand.webhook_signing) then
    perform minutehand.decide_signing();
  end if;
end
$$;
