"""`minutehand serve`: run an execution when somebody asks for it, over HTTP."""

from __future__ import annotations

import asyncio
import os
import socket
from importlib.metadata import version
from typing import TYPE_CHECKING

import click

from executor.settings import ExecutorSettings
from scheduler.road import look_at_figures, look_at_schema, open_store, refuse_bad_configuration
from scheduler.run import LAST_WORDS_SECONDS, hands, stopped_by_signals
from scheduler.settings import LogSettings, RoadSettings, RunSettings, api_token_option, run_options
from store import Store
from store.errors import BadConfiguration

if TYPE_CHECKING:
    from dashboard.tokens import Tokens
    from scheduler.on_demand import OnDemand


@click.command(
    "serve",
    short_help="Run executions when called over HTTP.",
    epilog="Example: minutehand serve --host 0.0.0.0 --port 8787",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8787, show_default=True, help="Port to listen on; 0: a free one."
)
@api_token_option
@run_options
def serve(
    host: str,
    port: int,
    api_token: str | None,
    road: RoadSettings,
    run: RunSettings,
    executor: ExecutorSettings,
    log: LogSettings,
) -> None:
    """Answer POST /functions/v1/automation-executor: claim the execution that it names, run it, say how it ended.

    Callers show MINUTEHAND_API_TOKEN.  What nobody called for, a tick beside it runs: `start`, or `run-once` from cron.
    SIGTERM and Ctrl-C end it cleanly: running executions finish, the rest is released.
    """
    from dashboard.server import listen
    from dashboard.tokens import Tokens
    from scheduler.logs import configure

    tokens = Tokens.parse(api_token)
    if tokens.first is None:
        raise BadConfiguration(
            "no token for callers: set MINUTEHAND_API_TOKEN (a new one: openssl rand -hex 32); "
            "`minutehand direct on` gives the same to the database"
        )
    configure(log)
    with listen(host, port) as listener:
        asyncio.run(_serve(listener, tokens, road, run, executor))


async def _serve(
    listener: socket.socket, tokens: Tokens, road: RoadSettings, run: RunSettings, executor: ExecutorSettings
) -> None:
    from scheduler.on_demand import OnDemand

    async with open_store(road) as store:
        await refuse_bad_configuration(store)
        async with hands(store, executor, stopping=lambda: on_demand.stopping) as made:
            on_demand = OnDemand(store, made.execute, run, worker=f"{socket.gethostname()}:{os.getpid()}")
            await _answer(listener, tokens, store, on_demand, run.grace_seconds + LAST_WORDS_SECONDS)


async def _answer(
    listener: socket.socket, tokens: Tokens, store: Store, on_demand: OnDemand, grace_seconds: float
) -> None:
    """Answer calls until a signal ends it; what runs then has its grace."""
    from structlog import get_logger

    from dashboard.app import make_app
    from dashboard.executor_endpoint import ExecutorEndpoint
    from dashboard.server import Server

    logger = get_logger()
    endpoint = ExecutorEndpoint(on_demand.run, tokens, version("minutehand"))
    app = make_app(endpoint, lambda: look_at_schema(store), lambda: look_at_figures(store), tokens)
    server = Server(app, grace_seconds=grace_seconds)

    def stop() -> None:
        on_demand.stop()
        server.stop()

    with stopped_by_signals(stop):
        host, port = listener.getsockname()[:2]
        logger.info("serving", road=store.road, host=host, port=port)
        await server.serve([listener])  # also what nobody waits for any more ends before that does
    logger.info("stopped")
