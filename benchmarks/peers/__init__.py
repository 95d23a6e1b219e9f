"""`make bench-peers`: Minutehand beside other queues in Postgres, in one run."""
