-- Stand-ins for three extensions of a hosted project that no registry has: pg_net 0.20 (requests; net_standin.py delivers
-- them), Vault (secrets, here in clear) and pg_cron 1.6 (jobs that are noted, not run).  Names, arguments, defaults and
-- columns are the extensions' own; so is what goes wrong: `url := null` raises in the caller's transaction, a content
-- type but application/json too, and everybody may read the queue.  Needs no role, but knows Supabase's where they exist.

create schema net;
create sequence net.http_request_queue_id_seq;
create unlogged table net.http_request_queue (
  id bigint not null default nextval('net.http_request_queue_id_seq'),
  method text not null,
  url text not null,
  headers jsonb,
  body bytea,
  timeout_milliseconds integer not null
);
create unlogged table net._http_response (
  id bigint,
  status_code integer,
  content_type text,
  headers jsonb,
  content text,
  timed_out boolean,
  error_msg text,
  created timestamptz not null default now()
);
create index _http_response_created_idx on net._http_response (created);

-- net.queue(…): not in the extension; what its three functions share here.
create function net.queue(p_method text, p_url text, p_params jsonb, p_headers jsonb, p_body bytea, p_timeout integer)
returns bigint language plpgsql as $$
declare
  v_id bigint;
begin
  insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
  select p_method, p_url || coalesce('?' || string_agg(key || '=' || value, '&'), ''), p_headers, p_body, p_timeout
  from jsonb_each_text(p_params)
  returning id into v_id;
  notify net_standin;
  return v_id;
end
$$;

create function net.http_post(
  url text,
  body jsonb default '{}',
  params jsonb default '{}',
  headers jsonb default '{"Content-Type": "application/json"}',
  timeout_milliseconds integer default 5000
) returns bigint language plpgsql as $$
declare
  v_type text;
begin
  select value into v_type from jsonb_each_text(coalesce(headers, '{}')) where lower(key) = 'content-type' limit 1;
  if v_type is null then
    headers := coalesce(headers, '{}') || '{"Content-Type": "application/json"}';
  elsif v_type <> 'application/json' then
    raise exception 'Content-Type header must be "application/json"';
  end if;
  return net.queue('POST', url, params, headers, convert_to(body::text, 'UTF8'), timeout_milliseconds);
end
$$;

create function net.http_get(
  url text, params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds integer default 5000
) returns bigint language sql as $$
  select net.queue('GET', url, params, headers, null, timeout_milliseconds)
$$;

create function net.http_delete(
  url text,
  params jsonb default '{}',
  headers jsonb default '{}',
  timeout_milliseconds integer default 5000,
  body jsonb default null
) returns bigint language sql as $$
  select net.queue('DELETE', url, params, headers, convert_to(body::text, 'UTF8'), timeout_milliseconds)
$$;

grant usage on schema net to public;
grant all on all tables in schema net to public;
grant usage on all sequences in schema net to public;

create schema vault;
revoke all on schema vault from public;
create table vault.secrets (
  id uuid primary key default gen_random_uuid(),
  name text,
  description text not null default '',
  secret text not null,
  key_id uuid,
  nonce bytea,
  created_at timestamptz not null default current_timestamp,
  updated_at timestamptz not null default current_timestamp
);
create unique index secrets_name_idx on vault.secrets (name) where name is not null;
create view vault.decrypted_secrets as
select id, name, description, secret, secret as decrypted_secret, key_id, nonce, created_at, updated_at
from vault.secrets;

create function vault.create_secret(
  new_secret text, new_name text default null, new_description text default '', new_key_id uuid default null
) returns uuid language sql security definer set search_path = '' as $$
  insert into vault.secrets (secret, name, description, key_id)
  values (new_secret, new_name, new_description, new_key_id)
  returning id
$$;
create function vault.update_secret(
  secret_id uuid,
  new_secret text default null,
  new_name text default null,
  new_description text default null,
  new_key_id uuid default null
) returns void language sql security definer set search_path = '' as $$
  update vault.secrets
  set secret = coalesce(new_secret, secret),
      name = coalesce(new_name, name),
      description = coalesce(new_description, description),
      key_id = coalesce(new_key_id, key_id),
      updated_at = now()
  where id = secret_id
$$;
revoke all on all functions in schema vault from public;

create schema cron;
revoke all on schema cron from public;
create table cron.job (
  jobid bigint generated always as identity primary key,
  schedule text not null,
  command text not null,
  nodename text not null default 'localhost',
  nodeport integer default inet_server_port(),  -- null on a unix socket
  database text not null default current_database(),
  username text not null default current_user,
  active boolean not null default true,
  jobname text,
  unique (jobname, username)
);
create table cron.job_run_details (
  jobid bigint,
  runid bigint generated always as identity primary key,
  job_pid integer,
  database text,
  username text,
  command text,
  status text,
  return_message text,
  start_time timestamptz,
  end_time timestamptz
);
create function cron.schedule(job_name text, schedule text, command text) returns bigint language sql as $$
  insert into cron.job (jobname, schedule, command)
  values (job_name, schedule, command)
  on conflict (jobname, username) do update set schedule = excluded.schedule, command = excluded.command
  returning jobid
$$;
create function cron.unschedule(job_name text) returns boolean language plpgsql as $$
begin
  delete from cron.job where jobname = job_name and username = current_user;
  if not found then
    raise exception 'could not find valid entry for job ''%''', job_name;
  end if;
  return true;
end
$$;

-- The migrating role and service_role may use them, as on a hosted project.
do $$
declare
  v_role record;
begin
  for v_role in select rolname from pg_catalog.pg_roles where rolname in ('postgres_hosted', 'service_role') loop
    execute format('grant usage on schema vault to %I', v_role.rolname);
    execute format('grant select, delete on vault.secrets, vault.decrypted_secrets to %I', v_role.rolname);
    execute format('grant execute on all functions in schema vault to %I', v_role.rolname);
  end loop;
  if exists (select from pg_catalog.pg_roles where rolname = 'postgres_hosted') then
    grant usage on schema cron to postgres_hosted;
    grant all on all tables in schema cron to postgres_hosted;
  end if;
end
$$;
