"""Who is measured: the packages, the program that drives each, and how its tables are read."""

from __future__ import annotations

from dataclasses import dataclass

PYTHON_PACKAGES = {
    "procrastinate": ("procrastinate==3.10.0", "uvloop==0.23.0", "aiohttp==3.14.5"),
    "pgqueuer": ("pgqueuer==1.6.0", "asyncpg==0.32.0", "uvloop==0.23.0", "aiohttp==3.14.5"),
}
NODE_PACKAGES = {"graphile-worker": ("graphile-worker@0.18.0",), "pg-boss": ("pg-boss@12.38.0",)}
#: graphile-worker needs Node 22.18; npm has the program itself as a package for each system.
NODE_VERSION = "22.23.5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One of the compared."""

    name: str
    #: The program in drivers/.
    driver: str
    #: How many executions have not ended, and how many that ended are kept.
    left: str
    kept: str
    #: The table of what waits, and that of what ended; None: nothing is kept.
    queue: str
    history: str | None
    #: Empties the tables.
    empty: str
    settings: str
    keeps: str
    #: A slow one runs this share of the executions, so that a run takes about as long.
    share: float = 1.0


MINUTEHAND = Peer(
    name="Minutehand",
    driver="minutehand_driver",
    queue="automation_execution_logs",
    history="automation_execution_logs",
    left="select count(*) from automation_execution_logs where completed_at is null",
    kept="select count(*) from automation_execution_logs where status = 'completed'",
    empty="truncate automation_execution_logs, automation_events, communication_logs, jobs",
    settings="worker, 50 lanes; cold: run-once --drain",
    keeps="every execution with its steps, reasons and history; a send is never repeated on a guess; "
    "reads the row and its client again before the step",
)
PROCRASTINATE = Peer(
    name="procrastinate",
    driver="procrastinate_driver",
    queue="procrastinate_jobs",
    history="procrastinate_jobs",
    left="select count(*) from procrastinate_jobs where status in ('todo', 'doing')",
    kept="select count(*) from procrastinate_jobs where status = 'succeeded'",
    empty="truncate procrastinate_jobs, procrastinate_events, procrastinate_periodic_defers",
    settings="50 at once, uvloop, 15 % of the executions; cold: wait=False",
    keeps="finished jobs, and an event for each change; a job whose worker died is not run again by itself",
    share=0.15,
)
PGQUEUER = Peer(
    name="pgqueuer",
    driver="pgqueuer_driver",
    queue="pgqueuer",
    history="pgqueuer_log",
    left="select count(*) from pgqueuer",
    kept="select count(*) from pgqueuer_log where status = 'successful'",
    empty="truncate pgqueuer, pgqueuer_log, pgqueuer_statistics",
    settings="batch 500, pool 10, asyncpg, uvloop; POST: batch 25, 50 at once; cold: drain mode",
    keeps="a log line for each change, without the payload; a job whose worker died runs again",
)
GRAPHILE = Peer(
    name="graphile-worker",
    driver="graphile_driver",
    queue="graphile_worker._private_jobs",
    history=None,
    left="select count(*) from graphile_worker._private_jobs",
    kept="select 0",
    empty="truncate graphile_worker._private_jobs, graphile_worker._private_job_queues",
    settings="50 at once, local queue 1000, completion delay 50 ms; POST: local queue 100, delay 0; "
    "cold: runOnce, with neither",
    keeps="nothing: a finished job is deleted; a job whose worker died runs again",
)
PGBOSS = Peer(
    name="pg-boss",
    driver="pgboss_driver",
    queue="pgboss.job",
    history="pgboss.job",
    left="select count(*) from pgboss.job where state < 'completed'",
    kept="select count(*) from pgboss.job where state = 'completed'",
    empty="truncate pgboss.job",
    settings="batch 500, 4 workers, LISTEN; POST: batch 50; cold: fetch and complete, since a worker does not exit",
    keeps="finished jobs for 7 days; a job whose worker died runs again",
)
PEERS = (MINUTEHAND, PROCRASTINATE, PGQUEUER, GRAPHILE, PGBOSS)
