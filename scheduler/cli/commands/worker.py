"""`minutehand worker`: run each execution as soon as it is due, all day."""

from __future__ import annotations

import asyncio
import os
import sys

import click

from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.cli.options import SECONDS, poll_option, run_options
from minutehand.scheduler.config import BackendSettings, LogSettings, RunSettings
from minutehand.scheduler.database import check_configuration, open_database
from minutehand.scheduler.process.sd_notify import ServiceManager, service_manager
from minutehand.scheduler.process.shutdown import stopped_by_signals


@click.command(
    "worker",
    short_help="Run executions as soon as they are due, until stopped.",
    epilog="Example: minutehand worker --processes 4",
)
@poll_option
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Number of worker processes; one that dies is restarted.",
)
@click.option("--max-jobs", type=click.IntRange(1), metavar="N", help="Stop after N executions (in each process).")
@click.option("--max-time", type=SECONDS, help="Stop after this long: 1h.")
@run_options
def worker(
    poll_seconds: float,
    processes: int,
    max_jobs: int | None,
    max_time: float | None,
    backend: BackendSettings,
    run: RunSettings,
    executor: ExecutorSettings,
    log: LogSettings,
) -> int:
    """Run each execution as soon as it is due.

    The database notifies the worker (LISTEN/NOTIFY); a poll every --poll-seconds finds what a lost notification missed.
    Where notifications do not arrive (REST, a transaction pooler), the worker only polls, and logs it.  Any number of
    workers may run at the same time, also together with cron.  SIGTERM and Ctrl-C stop it cleanly: running executions
    finish within --grace, the others are released.
    """
    manager = service_manager(os.environ)
    if processes == 1:
        asyncio.run(_run(poll_seconds, max_jobs, max_time, manager, backend, run, executor, log))
        return 0

    from minutehand.scheduler.logs import configure
    from minutehand.scheduler.process.supervisor import Supervisor

    configure(log)
    supervisor = Supervisor(
        count=processes,
        command=[sys.executable, *sys.orig_argv[1:], "--processes", "1"],  # the last one wins
        environ=os.environ,
        manager=manager,
        grace_seconds=run.grace_seconds,
        may_exit=max_jobs is not None or max_time is not None,
        max_seconds=max_time,
    )
    return asyncio.run(supervisor.run())


async def _run(
    poll_seconds: float,
    max_jobs: int | None,
    max_seconds: float | None,
    manager: ServiceManager,
    backend: BackendSettings,
    run: RunSettings,
    executor: ExecutorSettings,
    log: LogSettings,
) -> None:
    from minutehand.executor.log import structlog
    from minutehand.scheduler.engine.worker import Worker
    from minutehand.scheduler.logs import configure

    configure(log)
    logger = structlog.get_logger()
    async with open_database(backend) as database:
        store = database.store
        await check_configuration(store)
        worker = Worker(
            store,
            run,
            executor,
            log,
            poll_seconds=poll_seconds,
            max_jobs=max_jobs,
            max_seconds=max_seconds,
            manager=manager,
        )
        with stopped_by_signals(worker.stop), manager.stops_by(worker.stop):
            logger.info(
                "worker_started",
                backend=store.backend,
                database=database.name,
                poll_seconds=poll_seconds,
            )
            summary = await worker.work()
        counts = {end: count for end, count in summary.ends.items() if count}
        logger.info("worker_stopped", backend=store.backend, database=database.name, claimed=summary.claimed, **counts)
