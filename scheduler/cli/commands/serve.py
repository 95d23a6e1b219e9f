"""`minutehand serve`: the dashboard and the HTTP API."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import click

from minutehand import __version__
from minutehand.executor.base import open_executor
from minutehand.executor.settings import ExecutorSettings
from minutehand.scheduler.cli.options import dashboard_options, poll_option, run_options, token_options
from minutehand.scheduler.config import BackendSettings, DashboardSettings, LogSettings, RunSettings
from minutehand.scheduler.dashboard_wiring import open_access
from minutehand.scheduler.database import Database, check_configuration, check_schema, open_database, read_metrics
from minutehand.scheduler.engine.housekeeping import notifier_of
from minutehand.scheduler.process.shutdown import FINAL_SETTLE_SECONDS, stopped_by_signals
from minutehand.store import Store
from minutehand.store.errors import BadConfiguration, StoreError, Unreachable

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from minutehand.dashboard.api.tokens import ServeTokens
    from minutehand.dashboard.auth.base import Access
    from minutehand.dashboard.context import DashboardContext
    from minutehand.scheduler.engine.on_demand import OnDemand
    from minutehand.scheduler.engine.worker import Worker


@click.command(
    "serve",
    short_help="Serve the dashboard and the HTTP API.",
    epilog="Example: minutehand serve --host 0.0.0.0 --port 8787",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8787,
    show_default=True,
    help="Port to listen on; 0 for any free port.",
)
@click.option("--with-worker", is_flag=True, help="Also run due executions, as `worker` does.")
@poll_option
@token_options
@dashboard_options
@run_options
def serve(
    host: str,
    port: int,
    with_worker: bool,
    poll_seconds: float,
    tokens: ServeTokens,
    dashboard: DashboardSettings,
    backend: BackendSettings,
    run: RunSettings,
    executor: ExecutorSettings,
    log: LogSettings,
) -> None:
    """Serve the dashboard at /, and POST /functions/v1/automation-executor, which runs the execution in its body.

    The dashboard needs no login on this machine; with any other --host it does.  API calls need MINUTEHAND_API_TOKEN,
    calls of direct mode MINUTEHAND_DIRECT_TOKEN, /metrics MINUTEHAND_METRICS_TOKEN.
    Executions that no call names are run by `start`, by `run-once` from cron, or by a worker in this process
    (--with-worker).  SIGTERM and Ctrl-C stop it cleanly: running executions finish within --grace, the others are
    released.
    """
    from minutehand.dashboard.server import listen
    from minutehand.scheduler.logs import configure

    if not tokens.any and not dashboard.dashboard:
        raise BadConfiguration(
            "the HTTP API needs a token: set MINUTEHAND_API_TOKEN (create one with openssl rand -hex 32), "
            "or for direct mode alone MINUTEHAND_DIRECT_TOKEN, which `minutehand direct on` prints"
        )
    access = open_access(host, backend, dashboard) if dashboard.dashboard else None
    configure(log)
    with listen(host, port) as listener:
        asyncio.run(
            _serve(
                listener, tokens, access, dashboard, poll_seconds if with_worker else None, backend, run, executor, log
            )
        )


async def _serve(
    listener: socket.socket,
    tokens: ServeTokens,
    access: Access | None,
    settings: DashboardSettings,
    poll_seconds: float | None,
    backend: BackendSettings,
    run: RunSettings,
    executor: ExecutorSettings,
    log: LogSettings,
) -> None:
    from minutehand.scheduler.engine.on_demand import OnDemand

    async with open_database(backend) as database:
        store = database.store
        await check_configuration(store)
        await check_tokens(store, tokens)
        await warn_of_refused_calls(store, tokens)
        dashboard = worker = None
        if access is not None:
            from minutehand.scheduler.dashboard_wiring import open_dashboard

            dashboard = open_dashboard(database, access, run, executor, read_only=settings.read_only)
        if poll_seconds is not None:
            from minutehand.scheduler.engine.worker import Worker

            worker = Worker(store, run, executor, log, poll_seconds=poll_seconds)
        async with open_executor(run.executor, store, executor, stopping=lambda: on_demand.stopping) as opened:
            on_demand = OnDemand(store, opened.execute, run, worker=f"{socket.gethostname()}:{os.getpid()}")
            await _answer(listener, tokens, database, on_demand, worker, run, dashboard)


async def check_tokens(store: Store, tokens: ServeTokens) -> None:
    """Refuse tokens that open more than direct mode's and are in Vault as direct mode's.

    Errors: `BadConfiguration`; an unreachable database is no reason to end.
    """
    if not tokens.wider_digests:
        return
    try:
        status = await store.direct_status(digests=tokens.wider_digests)
    except BadConfiguration:
        raise
    except StoreError:
        return
    if status.get("secret_listed"):
        raise BadConfiguration(
            "direct mode's token, which roles of the database can read, is also in MINUTEHAND_API_TOKEN or "
            "MINUTEHAND_METRICS_TOKEN: move it to MINUTEHAND_DIRECT_TOKEN, and set a new token there"
        )


async def warn_of_refused_calls(store: Store, tokens: ServeTokens) -> None:
    """Log that this server refuses the calls of direct mode, if it is on and its token is not one of ours.

    Errors: `BadConfiguration`; an unreachable database is no reason to end.
    """
    from minutehand.executor.log import structlog

    try:
        status = await store.direct_status(digests=tokens.direct_digests)
    except BadConfiguration:
        raise
    except StoreError:
        return
    if not (status["on"] and status["secret"]) or status.get("secret_listed"):
        return
    lacking = "is not set" if not tokens.direct.all else "does not have the token in Vault"
    logger = structlog.get_logger()
    logger.warning(
        "direct_calls_refused",
        url=status["url"],
        endpoint="open" if tokens.executor else "closed",
        reason=f"direct mode is on, and MINUTEHAND_DIRECT_TOKEN {lacking}: if it calls this server, each call is "
        "refused, and executions wait for a tick; set the variable to the token in Vault, or make a new one with "
        "minutehand direct rotate",
    )


async def look(store: Store, worker: Worker | None) -> None:
    """Check whether executions can run now.  Errors: see `dashboard.app.Ready`."""
    from minutehand.dashboard.app import WorkerStuck

    if worker is not None and worker.liveness.is_stuck:
        raise WorkerStuck
    if worker is not None and worker.liveness.is_database_unreachable:
        raise Unreachable("the database did not answer the worker")
    await check_schema(store)


async def _answer(
    listener: socket.socket,
    tokens: ServeTokens,
    database: Database,
    on_demand: OnDemand,
    worker: Worker | None,
    run: RunSettings,
    dashboard: DashboardContext | None,
) -> None:
    """Serve, and run the worker, until a signal or an error of the worker.

    Errors: those of `Worker.work`.
    """
    from minutehand.dashboard.api.executor_endpoint import ExecutorEndpoint
    from minutehand.dashboard.app import make_app
    from minutehand.dashboard.page_threads import PageThreads
    from minutehand.dashboard.server import Server
    from minutehand.executor.log import structlog

    logger, store = structlog.get_logger(), database.store
    endpoint = ExecutorEndpoint(on_demand.run, tokens, __version__)
    pages, close = ([], None) if dashboard is None else _pages(dashboard)
    threads = PageThreads() if dashboard is None else dashboard.threads
    metrics = partial(read_metrics, store, run.executor, threads.run)
    app = make_app(endpoint, lambda: look(store, worker), metrics, tokens.metrics, pages)
    server = Server(app, grace_seconds=run.grace_seconds + FINAL_SETTLE_SECONDS)

    def stop() -> None:
        on_demand.stop()
        if close is not None:
            close()
        server.stop()
        if worker is not None:
            worker.stop()

    with stopped_by_signals(stop):
        host, port = listener.getsockname()[:2]
        logger.info("server_started", backend=store.backend, database=database.name, host=host, port=port)
        notifier = notifier_of(store, run)
        notifying = None if notifier is None else asyncio.ensure_future(notifier.notify_forever())
        work = None if worker is None else asyncio.ensure_future(worker.work())
        if work is not None:
            work.add_done_callback(lambda _: stop())
        await server.serve([listener])  # also waits for running executions whose caller hung up
        if notifying is not None:
            notifying.cancel()
        if work is not None:
            await work
    logger.info("server_stopped", backend=store.backend, database=database.name)


def _pages(dashboard: DashboardContext) -> tuple[list[BaseRoute], Callable[[], None]]:
    """Return the dashboard's routes, and what closes their event streams, so that no browser delays a stop."""
    from minutehand.dashboard.routes import routes
    from minutehand.dashboard.sse import EventStream

    live = EventStream(dashboard)

    def close() -> None:
        live.stop()
        dashboard.bulk_runner.stop()

    return routes(dashboard, live), close
