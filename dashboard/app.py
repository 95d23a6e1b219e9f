"""What `minutehand serve` answers, as one Starlette application.

POST /functions/v1/automation-executor   run one execution now (executor_endpoint.py)
GET  /healthz                            the process is alive
GET  /readyz                             the database answers and has this program's schema
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dashboard.executor_endpoint import PATH, ExecutorEndpoint
from dashboard.problems import come_back, crashed, refused
from store.errors import SchemaMismatch, StoreError

#: Seconds that the database may take to answer a look at it.
READY_SECONDS = 5

#: Looks whether the database can be worked on.  Errors: `SchemaMismatch`, else `StoreError`.
Ready = Callable[[], Awaitable[None]]


def make_app(endpoint: ExecutorEndpoint, ready: Ready) -> Starlette:
    """Put the pages together."""

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        try:
            async with asyncio.timeout(READY_SECONDS):
                await ready()
        except SchemaMismatch:
            return come_back("the database has another schema than this program: minutehand migrate", failed="schema")
        except (StoreError, TimeoutError):
            return come_back("the database cannot be asked", failed="database")
        return JSONResponse({"status": "ready"})

    return Starlette(
        routes=[
            Route(PATH, endpoint.answer, methods=["POST"]),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ],
        exception_handlers={HTTPException: refused, Exception: crashed},
    )
