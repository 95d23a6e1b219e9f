-- The sample app: a field-service app of two organisations, as it stands before anybody automates anything.
-- Ids are text and statuses are the app's own words, as in real apps; nothing here knows of Minutehand.

create table public.clients (
  id text primary key,
  organization_id text not null,
  name text not null,
  email text
);

create table public.jobs (
  id text primary key,
  organization_id text not null,
  client_id text references public.clients,
  title text not null,
  job_type text not null,
  status text not null default 'scheduled'
);

insert into public.clients (id, organization_id, name, email) values
  ('C-1', 'north', 'Lakeview Hotel', 'hotel@example.com'),
  ('C-2', 'north', 'Maple Street School', 'school@example.com'),
  ('C-3', 'north', 'Corner Bakery', null),
  ('C-4', 'south', 'Harbour Museum', 'museum@example.com');

insert into public.jobs (id, organization_id, client_id, title, job_type) values
  ('J-2019', 'north', 'C-1', 'Boiler repair', 'repair'),
  ('J-2020', 'north', 'C-2', 'Heating inspection', 'inspection'),
  ('J-2021', 'north', 'C-3', 'Oven installation', 'installation'),
  ('J-2022', 'north', 'C-1', 'Tap repair', 'repair'),
  ('J-2023', 'north', 'C-2', 'Radiator installation', 'installation'),
  ('J-2024', 'south', 'C-4', 'Pump repair', 'repair');
