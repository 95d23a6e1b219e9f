"""`minutehand worker`: all day, each execution as soon as it is due."""

from __future__ import annotations

import asyncio

import click

from executor.settings import ExecutorSettings
from scheduler.road import open_store, refuse_bad_configuration
from scheduler.run import stopped_by_signals
from scheduler.settings import SECONDS, LogSettings, RoadSettings, RunSettings, run_options


@click.command(
    "worker", short_help="Run what is due at once, until stopped.", epilog="Example: minutehand worker --concurrency 50"
)
@click.option(
    "--poll-seconds",
    envvar="MINUTEHAND_POLL_SECONDS",
    type=SECONDS,
    default=10.0,
    show_default=True,
    help="Look at least so often, whether or not a hint came.  [env: MINUTEHAND_POLL_SECONDS]",
)
@click.option("--max-jobs", type=click.IntRange(1), metavar="N", help="End after so many executions.")
@click.option("--max-time", type=SECONDS, help="End after this long: 1h.")
@run_options
def worker(
    poll_seconds: float,
    max_jobs: int | None,
    max_time: float | None,
    road: RoadSettings,
    run: RunSettings,
    executor: ExecutorSettings,
    log: LogSettings,
) -> None:
    """Run each execution as soon as it is due, all day; PostgreSQL tells of it (NOTIFY), and a poll stands behind that.

    Over REST and a transaction pooler it polls alone.  Any number may run at once, beside cron, too.  SIGTERM and
    Ctrl-C end it cleanly: running steps finish within --grace, the rest is released.
    """
    if poll_seconds < 0.1:
        raise click.UsageError("--poll-seconds must be 0.1 or more")
    asyncio.run(_run(poll_seconds, max_jobs, max_time, road, run, executor, log))


async def _run(
    poll_seconds: float,
    max_jobs: int | None,
    max_seconds: float | None,
    road: RoadSettings,
    run: RunSettings,
    executor: ExecutorSettings,
    log: LogSettings,
) -> None:
    from structlog import get_logger

    from scheduler.logs import configure
    from scheduler.worker import Worker

    configure(log)
    logger = get_logger()
    async with open_store(road) as store:
        await refuse_bad_configuration(store)
        made = Worker(store, run, executor, log, poll_seconds=poll_seconds, max_jobs=max_jobs, max_seconds=max_seconds)
        with stopped_by_signals(made.stop):
            logger.info("working", road=store.road, poll_seconds=poll_seconds, listens=store.can_listen)
            summary = await made.work()
        counts = {end: count for end, count in summary.ends.items() if count}
        logger.info("worker_stopped", claimed=summary.claimed, **counts)
