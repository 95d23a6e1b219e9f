"""The Starlette application of `minutehand serve`.

POST /functions/v1/automation-executor   run one execution now (api/executor_endpoint.py)
GET  /healthz                            the process is alive
GET  /readyz                             the database answers with this program's schema, and the worker is running
GET  /metrics                            figures for Prometheus (api/metrics.py)
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
from minutehand.dashboard.api.metrics import CONTENT_TYPE, exposition
from minutehand.dashboard.api.problems import come_back, crashed, no_token, refused
from minutehand.dashboard.api.tokens import Tokens
from minutehand.dashboard.query_cache import QueryCache
from minutehand.store import Json
from minutehand.store.errors import SchemaMismatch, StoreError


class WorkerStuck(Exception):
    """The worker of this process makes no progress."""


#: Checks the database and the worker.  Errors: `WorkerStuck`, `SchemaMismatch`, `StoreError`.
Ready = Callable[[], Awaitable[None]]
#: Returns the result of `Store.metrics`.  Errors: those of `Ready`.
Figures = Callable[[], Awaitable[Json]]


def make_app(
    endpoint: ExecutorEndpoint, ready: Ready, figures: Figures, tokens: Tokens, pages: Sequence[BaseRoute] = ()
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
        if not tokens.let_in(request.headers.get("authorization", "")):
            return no_token()
        try:
            return Response(exposition(await queries("figures", figures)), media_type=CONTENT_TYPE)
        except (StoreError, TimeoutError) as error:
            return unavailable(error)

    return Starlette(
        routes=[
            Route(PATH, endpoint.answer, methods=["POST"]),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            *pages,
        ],
        exception_handlers={HTTPException: refused, Exception: crashed},
    )


def unavailable(error: Exception) -> Response:
    """Answer 503.  The text of the error is left out, since it may name hosts."""
    if isinstance(error, WorkerStuck):
        return come_back("the worker is stuck; restart this server", failed="worker")
    if isinstance(error, SchemaMismatch):
        return come_back(
            "the schema of the database is not the one of this program; run minutehand migrate", failed="schema"
        )
    return come_back("the database cannot be reached", failed="database")
