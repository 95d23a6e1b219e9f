-- What projects have that were made before the end of May 2026: every new object in public is open to the API's roles.
alter default privileges for role postgres_hosted in schema public
  grant all on tables to anon, authenticated, service_role;
alter default privileges for role postgres_hosted in schema public
  grant all on routines to anon, authenticated, service_role;
alter default privileges for role postgres_hosted in schema public
  grant all on sequences to anon, authenticated, service_role;
