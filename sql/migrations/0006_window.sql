-- What the dashboard needs beside the queue: when there was a beat.
--
-- Locks: none.

-- One row for each minute in which some processor looked: the strip of the last hour.
create table if not exists minutehand.tick_log (
  minute timestamptz primary key,
  first_at timestamptz not null
);
