-- What a hosted project has before its first migration, as far as Minutehand meets it.  Roles belong to the whole server,
-- the rest to one database.  Run by a superuser; safe to run again.

do $$
declare
  v_role record;
begin
  for v_role in
    select *
    from (values
      ('anon', 'nologin noinherit'),
      ('authenticated', 'nologin noinherit'),
      ('service_role', 'nologin noinherit bypassrls'),
      -- Hosted, `postgres` is no superuser; this is its look-alike, so that what only a superuser may do fails here too.
      ('postgres_hosted', 'login createdb createrole bypassrls')) as role (name, options)
    where not exists (select from pg_catalog.pg_roles where rolname = name)
  loop
    execute format('create role %I %s', v_role.name, v_role.options);
  end loop;
end
$$;
grant anon, authenticated, service_role to postgres_hosted;
grant all on schema public to postgres_hosted with grant option;

create schema if not exists extensions;
create schema if not exists auth;
grant usage on schema public, extensions, auth to postgres_hosted, anon, authenticated, service_role;

-- Who is asking, from the settings that PostgREST makes for each request.
create or replace function auth.jwt() returns jsonb language sql stable as $$
  select coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb
$$;
create or replace function auth.uid() returns uuid language sql stable as $$
  select nullif(auth.jwt() ->> 'sub', '')::uuid
$$;
create or replace function auth.role() returns text language sql stable as $$
  select auth.jwt() ->> 'role'
$$;
