-- Audit: what a person did, and who it was (public.automation_audit).

-- minutehand.audit(action, target, actor, detail, now): writes one row.  Nothing without an actor: then no person was named.
-- actor: {"via": "cli" | "dashboard" | …, "name"}.  Errors: MH400 it is something else.
create or replace function minutehand.audit(p_action text, p_target text, p_actor jsonb, p_detail jsonb, p_now timestamptz)
returns void language plpgsql set search_path = '' as $$
begin
  if nullif(p_actor, 'null') is null then
    return;
  elsif jsonb_typeof(p_actor -> 'name') is distinct from 'string' or jsonb_typeof(p_actor -> 'via') is distinct from 'string' then
    raise exception 'the actor is not an object with "via" and "name"'
      using errcode = 'MH400', hint = 'Pass {"via": "cli", "name": "ann@app-1"}, or null.';
  end if;
  insert into public.automation_audit (at, actor, action, target, detail)
  values (p_now, jsonb_build_object('via', left(p_actor ->> 'via', 50), 'name', left(p_actor ->> 'name', 200)), p_action,
          left(p_target, 500), jsonb_strip_nulls(p_detail));
end
$$;

-- minutehand.prune_audit(limit, now): deletes rows that are older than 90 days.
create or replace function minutehand.prune_audit(p_limit integer, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  delete from public.automation_audit
  where id in (select id from public.automation_audit where at < p_now - interval '90 days' order by at limit p_limit)
$$;
