-- What a signed-in user of the app may see through the API: the policies in grants.sql ask here.  Both read the claims that
-- the API has checked; they run once a statement, and with our rights, since a user may not read profiles of others.

-- minutehand.my_user() -> text: the id of the signed-in user, or null.
create or replace function minutehand.my_user() returns text
language sql stable security definer set search_path = '' as $$
  select coalesce(
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub',
    nullif(current_setting('request.jwt.claim.sub', true), ''))
$$;

-- minutehand.my_organization() -> text: the organisation of who is signed in, or null: the claim app_metadata.organization_id,
-- which only a server can write (user_metadata is the user's own), else the user's row of public.profiles, where the app has
-- such a table.
create or replace function minutehand.my_organization() returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  v_claimed constant text := nullif(current_setting('request.jwt.claims', true), '')::jsonb
    #>> '{app_metadata,organization_id}';
begin
  return minutehand.effective_organization(v_claimed, minutehand.my_user());
end
$$;
