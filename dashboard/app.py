"""The Starlette application of `minutehand serve`.

POST /functions/v1/automation-executor   run one execution now (api/executor_endpoint.py)
GET  /healthz                            the process is alive
GET  /readyz                             the database is reachable, with the right schema; the worker is not stuck
GET  /metrics                            metrics for Prometheus, behind a token of their own (api/metrics.py)
GET  /                                   the dashboard (routes.py)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from minutehand.dashboard.api.executor_endpoint import PATH, ExecutorEndpoint
from minutehand.dashboard.api.metrics import CONTENT_TYPE, prometheus_text
from minutehand.dashboard.api.problems import http_error, internal_error, try_again_later, unauthorized
from minutehand.dashboard.api.tokens import Tokens
from minutehand.dashboard.query_cache import QueryCache
from minutehand.store.errors import SchemaMismatch, StoreError
from minutehand.store.records import Metrics


class WorkerStuck(Exception):
    """The housekeeping of the worker in this process neither succeeds nor fails."""


#: Checks whether executions can run now.  Errors: `WorkerStuck`, `SchemaMismatch`, else `StoreError`.
Ready = Callable[[], Awaitable[None]]
#: Returns what `Store.metrics` returns.  Errors: as those of `Ready`.
ReadMetrics = Callable[[], Awaitable[Metrics]]


def make_app(
    endpoint: ExecutorEndpoint,
    ready: Ready,
    read_metrics: ReadMetrics,
    metrics_tokens: Tokens,
    pages: Sequence[BaseRoute] = (),
) -> Starlette:
    """Return the application; `pages` are the routes of the dashboard."""
    queries = QueryCache()

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        try:
            await queries("ready", ready)
        except (StoreError, TimeoutError, WorkerStuck) as error:
            return unavailable(error)
        return JSONResponse({"status": "ready"})

    async def metrics(request: Request) -> Response:
        if not metrics_tokens.accept(request.headers.get("authorization", "")):
            return unauthorized(metrics_tokens.variable)
        try:
            return Response(prometheus_text(await queries("metrics", read_metrics)), media_type=CONTENT_TYPE)
        except (StoreError, TimeoutError) as error:
            return unavailable(error)

    return Starlette(
        routes=[
            Route(PATH, endpoint.handle, methods=["POST"]),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            *pages,
        ],
        exception_handlers={HTTPException: http_error, Exception: internal_error},
    )


def unavailable(error: Exception) -> Response:
    """Return a 503 that names what failed; the error's message may name hosts, and stays in the log."""
    if isinstance(error, WorkerStuck):
        return try_again_later("the worker in this process is stuck: restart the process", failed="worker")
    if isinstance(error, SchemaMismatch):
        return try_again_later(
            "the schema of the database does not fit this program: run minutehand migrate", failed="schema"
        )
    return try_again_later("the database is unreachable", failed="database")
