"""Error responses as `application/problem+json` (RFC 9457), without tracebacks and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from minutehand.executor.log import structlog

log = structlog.get_logger()

#: Where to find the traceback of a bug.
TRACEBACK = "the log has the traceback, at request_crashed"
#: How long a caller waits before it tries again, after it met no free lane or no database.
RETRY_SECONDS = 5


class ProblemResponse(JSONResponse):
    """A problem document.  It has `success: false`, where callers of an executor look."""

    media_type = "application/problem+json"


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> ProblemResponse:
    """Return a problem; `detail` says what happened and what to do next."""
    body = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail, "success": False, **more}
    return ProblemResponse(body, status, headers=headers)


def try_again_later(detail: str, **more: Any) -> ProblemResponse:
    """Return a 503: the same call may work later."""
    return problem(503, detail, headers={"Retry-After": str(RETRY_SECONDS)}, **more)


def unauthorized(*variables: str) -> ProblemResponse:
    """Return a 401: the request has no token of these variables."""
    detail = f"send a token of {' or '.join(variables)}: Authorization: Bearer …"
    return problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


async def http_error(request: Request, error: Exception) -> Response:
    """Return an error of the router: an unknown path or a wrong method."""
    assert isinstance(error, HTTPException)  # the one that it is registered for
    return problem(error.status_code, f"{request.method} {request.url.path}: {error.detail}", headers=error.headers)


async def internal_error(request: Request, error: Exception) -> Response:
    """Return a 500 for a bug; its traceback goes only to the log."""
    log.error("request_crashed", path=request.url.path, exc_info=error)
    return problem(500, f"a bug in Minutehand; {TRACEBACK}")
