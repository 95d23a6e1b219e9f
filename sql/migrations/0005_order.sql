-- The order of a row's executions, and how the hot tables are vacuumed.
--
-- Locks: ACCESS EXCLUSIVE on automation_execution_logs for an instant; building the index reads it once.  SHARE UPDATE
-- EXCLUSIVE on each hot table for an instant.

-- Set where the workflow said `settings.order` when the execution was made: one at a time with those of the same workflow
-- and row, in their order.  'block': a wait keeps those behind it waiting; 'step_aside': it does not.
alter table public.automation_execution_logs add column if not exists entity_order text;

-- The lines: of each workflow and row what is unfinished, first what is in flight, then what is pending, in the order of
-- the changes.  Its first says whose turn it is, however long the line or the history.  The ids of events tell the order
-- better than times do: they are drawn while the app's transaction holds the row, and a transaction that changes it later
-- may have begun earlier.  Who stands aside is not in it.  Without ordered workflows it is empty.
create index if not exists automation_execution_logs_ordering
  on public.automation_execution_logs (
    (coalesce(entity_id::text, '')), workflow_id,
    (case when status = 'pending' and lease_expires_at is null then 1 else 0 end), (coalesce(event_id, 0)), created_at, id)
  where entity_order is not null
    and (status in ('pending', 'processing', 'running') or lease_expires_at is not null)
    and not (entity_order = 'step_aside' and status = 'pending' and coalesce(code, '') = 'waiting'
             and lease_expires_at is null);

-- Vacuum.  A claim goes through the queue's index past what died there since the last vacuum.  PostgreSQL waits until a fifth
-- of a table is dead: of a million executions that is 200,000.  An execution leaves three to five dead rows, an e-mail one.
-- So these are vacuumed at a hundredth, as queues are that grew slow of it (pgqueuer's autovac; river#59), and
-- not below 1,000, so that a small table is not vacuumed at each look.  Events die by the tick's pruning alone, 500 a beat.
-- The row of a worker is updated each beat, in its own page where that has room: a page half empty, and a vacuum each 200
-- updates.  What an adopted table says of itself stays.
-- No fillfactor for the executions: the status stands in the queue's index, so no claim and no settle stays in its page, and
-- measured with 70 they were slower (8,500 to 12,500 a second instead of 9,200 to 15,500).
do $$
declare
  v_setting record;
begin
  for v_setting in
    select s.*
    from (values
      ('automation_execution_logs', 'autovacuum_vacuum_scale_factor', '0.01'),
      ('automation_execution_logs', 'autovacuum_vacuum_threshold', '1000'),
      ('communication_logs', 'autovacuum_vacuum_scale_factor', '0.01'),
      ('communication_logs', 'autovacuum_vacuum_threshold', '1000'),
      ('automation_events', 'autovacuum_vacuum_scale_factor', '0.02'),
      ('automation_events', 'autovacuum_vacuum_threshold', '1000'),
      ('automation_workers', 'autovacuum_vacuum_scale_factor', '0'),
      ('automation_workers', 'autovacuum_vacuum_threshold', '200'),
      ('automation_workers', 'fillfactor', '50'),
      ('automation_control', 'autovacuum_vacuum_scale_factor', '0'),
      ('automation_control', 'autovacuum_vacuum_threshold', '50')
    ) as s (table_name, key, value)
    join pg_catalog.pg_class c on c.oid = to_regclass('public.' || s.table_name)
    where not exists (select from pg_options_to_table(c.reloptions) o where o.option_name = s.key)
  loop
    execute format('alter table public.%I set (%I = %s)', v_setting.table_name, v_setting.key, v_setting.value);
  end loop;
end
$$;
