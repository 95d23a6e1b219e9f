"""What went wrong, as `application/problem+json` (RFC 9457): said to the caller without traces or secrets."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

log = structlog.get_logger()

#: Where the trace of a bug is.
TRACE = "its log has the trace, at request_crashed"
#: Seconds after which a caller that found no lane or no database may try again.
RETRY_SECONDS = 5


class ProblemResponse(JSONResponse):
    """A JSON problem.  `success` is false in it, since callers of the executor's contract look there."""

    media_type = "application/problem+json"


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> ProblemResponse:
    """Answer with what happened and what to do next."""
    body = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail, "success": False, **more}
    return ProblemResponse(body, status, headers=headers)


def come_back(detail: str, **more: Any) -> ProblemResponse:
    """Answer 503: the same call may work a little later."""
    return problem(503, detail, headers={"Retry-After": str(RETRY_SECONDS)}, **more)


def no_token() -> ProblemResponse:
    """Answer who showed none of our tokens."""
    detail = "show the token: Authorization: Bearer …, one of MINUTEHAND_API_TOKEN"
    return problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


async def refused(request: Request, error: Exception) -> Response:
    """Answer what the router refused: no such page, or another method."""
    assert isinstance(error, HTTPException)  # the one that it is registered for
    return problem(error.status_code, f"{request.method} {request.url.path}: {error.detail}", headers=error.headers)


async def crashed(request: Request, error: Exception) -> Response:
    """Answer a bug; its trace goes to the log alone."""
    log.error("request_crashed", path=request.url.path, exc_info=error)
    return problem(500, f"a bug of Minutehand; {TRACE}")
