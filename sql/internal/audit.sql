-- Audit: what a person did, and who it was (public.automation_audit).

-- minutehand.audit(action, target, actor, detail, now): writes one row.  Nothing without an actor: then no person was named.
-- actor: {"via": "cli" | "dashboard" | …, "name"}; of anything else the whole value is kept as the name.
create or replace function minutehand.audit(p_action text, p_target text, p_actor jsonb, p_detail jsonb, p_now timestamptz)
returns void language sql volatile set search_path = '' as $$
  insert into public.automation_audit (at, actor, action, target, detail)
  select p_now, jsonb_build_object(
           'via', left(coalesce(p_actor ->> 'via', 'unknown'), 50),
           'name', left(coalesce(p_actor ->> 'name', p_actor #>> '{}'), 200)),
         p_action, left(p_target, 500), jsonb_strip_nulls(p_detail)
  where nullif(p_actor, 'null') is not null
$$;

-- minutehand.prune_audit(limit, now): deletes rows that are older than 90 days.
create or replace function minutehand.prune_audit(p_limit integer, p_now timestamptz) returns void
language sql volatile set search_path = '' as $$
  delete from public.automation_audit
  where id in (select id from public.automation_audit where at < p_now - interval '90 days' order by at limit p_limit)
$$;
