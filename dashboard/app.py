"""What `minutehand serve` answers, as one Starlette application.

POST /functions/v1/automation-executor   run one execution now (executor_endpoint.py)
GET  /healthz                            the process is alive
GET  /readyz                             the database answers and has this program's schema
GET  /metrics                            how things stand, for Prometheus (exposition.py)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dashboard.executor_endpoint import PATH, ExecutorEndpoint
from dashboard.exposition import CONTENT_TYPE, exposition
from dashboard.fresh import Fresh
from dashboard.problems import come_back, crashed, no_token, refused
from dashboard.tokens import Tokens
from store import Json
from store.errors import SchemaMismatch, StoreError

#: Seconds that the database may take to answer a look at it.
LOOK_SECONDS = 5

#: Looks whether the database can be worked on.  Errors: `SchemaMismatch`, else `StoreError`.
Ready = Callable[[], Awaitable[None]]
#: Returns what `Store.metrics` returns.  Errors: as those of `Ready`.
Figures = Callable[[], Awaitable[Json]]


def make_app(endpoint: ExecutorEndpoint, ready: Ready, figures: Figures, tokens: Tokens) -> Starlette:
    """Put the pages together."""
    fresh_ready = Fresh(ready, limit_seconds=LOOK_SECONDS)
    fresh_figures = Fresh(figures, limit_seconds=LOOK_SECONDS)

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        try:
            await fresh_ready()
        except (StoreError, TimeoutError) as error:
            return cannot_look(error)
        return JSONResponse({"status": "ready"})

    async def metrics(request: Request) -> Response:
        if not tokens.let_in(request.headers.get("authorization", "")):
            return no_token()
        try:
            return Response(exposition(await fresh_figures()), media_type=CONTENT_TYPE)
        except (StoreError, TimeoutError) as error:
            return cannot_look(error)

    return Starlette(
        routes=[
            Route(PATH, endpoint.answer, methods=["POST"]),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
        ],
        exception_handlers={HTTPException: refused, Exception: crashed},
    )


def cannot_look(error: Exception) -> Response:
    """Say what a look at the database failed on; the error's own words may name hosts."""
    if isinstance(error, SchemaMismatch):
        return come_back("the database has another schema than this program: minutehand migrate", failed="schema")
    return come_back("the database cannot be asked", failed="database")
