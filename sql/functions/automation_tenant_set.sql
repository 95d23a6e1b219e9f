-- automation_tenant_set(p_tenant, p_changes, p_actor, p_now) -> {"answer": "set" | "removed" | "missing", …the tenant}
-- Changes what holds for all of a tenant's workflows: {"timezone": a zone | null, "settings": {name: value | null}}; what is not
-- named stays.  Tenant '': what holds for each tenant that has nothing of its own.  p_changes null removes all that a person set.
-- p_actor: {"via", "name"} of the person, or null.
-- Errors: MH400 an unknown zone or key, a window that cannot be read.  Locks: its row.  Called by: store.set_tenant.
create or replace function public.automation_tenant_set(
  p_tenant text, p_changes jsonb default null, p_actor jsonb default null, p_now timestamptz default null
) returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  v_now constant timestamptz := coalesce(p_now, now());
  v_unknown constant text := (
    select string_agg(key, ', ' order by key)
    from jsonb_object_keys(case when p_changes is null or p_changes = 'null' then '{}' else p_changes end) as key
    where key not in ('timezone', 'settings'));
  v_zone constant text := p_changes ->> 'timezone';
  v_window constant text := minutehand.window_problem(p_changes #> '{settings,window}');
  v_tenant public.automation_tenants;
begin
  if v_unknown is not null then
    raise exception 'a tenant has no %', v_unknown using errcode = 'MH400', hint = 'Write timezone or settings.';
  elsif v_zone is not null and not minutehand.is_zone(v_zone) then
    raise exception '% is not a time zone', left(v_zone, 60) using errcode = 'MH400', hint = 'Write one such as Europe/Berlin.';
  elsif v_window is not null then
    raise exception '%', v_window using errcode = 'MH400', hint = 'docs/time.md has the keys of a window.';
  elsif p_changes is null or p_changes = 'null' then
    delete from public.automation_tenants where tenant = p_tenant and app_timezone is null returning * into v_tenant;
    if not found then
      update public.automation_tenants set timezone = null, settings = '{}', updated_at = v_now
      where tenant = p_tenant returning * into v_tenant;
    end if;
    if v_tenant.tenant is null then
      return '{"answer": "missing"}';
    end if;
    perform minutehand.audit('tenant_remove', p_tenant, p_actor, to_jsonb(v_tenant), v_now);
    return to_jsonb(v_tenant) || '{"answer": "removed"}';
  end if;
  insert into public.automation_tenants as t (tenant, timezone, settings, updated_at)
  values (p_tenant, v_zone, jsonb_strip_nulls(coalesce(p_changes -> 'settings', '{}')), v_now)
  on conflict (tenant) do update
    set timezone = case when p_changes ? 'timezone' then excluded.timezone else t.timezone end,
        settings = (
          select coalesce(jsonb_object_agg(key, value), '{}')
          from jsonb_each(t.settings || coalesce(p_changes -> 'settings', '{}')) where value <> 'null'),
        updated_at = excluded.updated_at
  returning * into v_tenant;
  perform minutehand.audit('tenant_set', p_tenant, p_actor, p_changes, v_now);
  return to_jsonb(v_tenant) || '{"answer": "set"}';
end
$$;
comment on function public.automation_tenant_set is 'minutehand: changes what holds for all of a tenant''s workflows';
