"""`minutehand start`: run a tick every minute, from one process (APScheduler)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import click

from minutehand.executor.settings import ExecutorSettings
from minutehand.executor.tracing import exported
from minutehand.scheduler.alerts.heartbeat_ping import HeartbeatPing
from minutehand.scheduler.cli.options import SECONDS, run_options
from minutehand.scheduler.config import BackendSettings, LogSettings, RunSettings
from minutehand.scheduler.database import check_configuration, open_database
from minutehand.scheduler.engine.tick import TickRunner
from minutehand.scheduler.exit_codes import EX_CONFIG, exit_code
from minutehand.scheduler.process.shutdown import stopped_by_signals
from minutehand.store.errors import StoreError


@click.command("start", short_help="Run a batch every minute until stopped.", epilog="Example: minutehand start")
@click.option("--every", type=SECONDS, default=60.0, show_default=True, help="Time between ticks.")
@click.option("--drain", is_flag=True, help="Run each tick until nothing is due, instead of one batch.")
@run_options
def start(
    every: float,
    drain: bool,
    backend: BackendSettings,
    run: RunSettings,
    executor: ExecutorSettings,
    log: LogSettings,
) -> None:
    """Run a batch of due executions now, and again every minute.

    With --drain each tick runs all that is due; a tick that takes longer than a minute delays the next one.

    SIGTERM and Ctrl-C stop it cleanly: running executions finish within --grace, the others are released.
    """
    if run.hold_seconds is not None and every >= run.hold_seconds:
        raise click.UsageError(
            "--hold-later-than must be longer than --every: otherwise the time between two ticks counts as an outage"
        )
    asyncio.run(_run(every, drain, backend, run, executor, log))


async def _run(
    every: float,
    drain: bool,
    backend: BackendSettings,
    run: RunSettings,
    executor: ExecutorSettings,
    log: LogSettings,
) -> None:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

    from minutehand.executor.log import structlog
    from minutehand.scheduler.logs import configure

    configure(log)
    logger = structlog.get_logger()
    async with open_database(backend) as database, exported(wanted=executor.traces):
        await check_configuration(database.store)
        runner = TickRunner(database.store, run, executor, log, mode="start", drain=drain, tick_seconds=every)
        ping = HeartbeatPing(run.ping_url, log)
        stopped = asyncio.Event()

        async def tick() -> None:
            """Run one tick.  An error is logged; the next tick tries again."""
            ping.start()
            runner.note("ping", ping.problem)
            try:
                summary = await runner.tick()
            except StoreError as error:
                logger.error("tick_failed", reason=str(error))
                ping.finish(exit_code(error), str(error))
            else:
                if summary.stopped is not None:
                    logger.error("database_is_copy", reason=summary.stopped)
                    return ping.finish(EX_CONFIG, summary.stopped)
                ping.finish(0)
                if summary.held:
                    logger.warning("backlog_held", held=summary.held)
                counts = {end: count for end, count in summary.ends.items() if count}
                logger.info(
                    "tick_completed", claimed=summary.claimed, due=summary.due, backlog=summary.backlog, **counts
                )

        def stop() -> None:
            runner.stop()
            stopped.set()

        scheduler = AsyncIOScheduler(timezone=UTC)
        job = {"max_instances": 1, "coalesce": True, "misfire_grace_time": None}
        scheduler.add_job(tick, "interval", seconds=every, next_run_time=datetime.now(UTC), id="tick", **job)
        with stopped_by_signals(stop):
            scheduler.start()
            logger.info(
                "scheduler_started",
                backend=database.store.backend,
                database=database.name,
                every_seconds=every,
                batch_size=None if drain else run.batch_size,
            )
            await stopped.wait()
            scheduler.remove_all_jobs()
            await runner.idle()
            scheduler.shutdown(wait=False)
        logger.info("scheduler_stopped", backend=database.store.backend, database=database.name)
