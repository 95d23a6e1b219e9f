"""What `minutehand serve` answers, as one Starlette application.

POST /functions/v1/automation-executor   run one execution now (executor_endpoint.py)
GET  /healthz                            the process is alive
GET  /readyz                             the database answers and has this program's schema; a worker beside turns
GET  /metrics                            how things stand, for Prometheus (exposition.py)
GET  /                                   the dashboard (site.py)
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
    """The worker beside the server neither works nor fails."""


#: Looks whether there is work to be done with.  Errors: `WorkerStuck`, `SchemaMismatch`, else `StoreError`.
Ready = Callable[[], Awaitable[None]]
#: Returns what `Store.metrics` returns.  Errors: as those of `Ready`.
Figures = Callable[[], Awaitable[Json]]


def make_app(
    endpoint: ExecutorEndpoint, ready: Ready, figures: Figures, tokens: Tokens, pages: Sequence[BaseRoute] = ()
) -> Starlette:
    """Put the answers together; `pages` are the dashboard's."""
    queries = QueryCache()

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        try:
            await queries("ready", ready)
        except (StoreError, TimeoutError, WorkerStuck) as error:
            return cannot_look(error)
        return JSONResponse({"status": "ready"})

    async def metrics(request: Request) -> Response:
        if not tokens.let_in(request.headers.get("authorization", "")):
            return no_token()
        try:
            return Response(exposition(await queries("figures", figures)), media_type=CONTENT_TYPE)
        except (StoreError, TimeoutError) as error:
            return cannot_look(error)

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


def cannot_look(error: Exception) -> Response:
    """Say what a look failed on; the error's own words may name hosts."""
    if isinstance(error, WorkerStuck):
        return come_back("the worker beside it is stuck: start it anew", failed="worker")
    if isinstance(error, SchemaMismatch):
        return come_back("the database has another schema than this program: minutehand migrate", failed="schema")
    return come_back("the database cannot be asked", failed="database")
