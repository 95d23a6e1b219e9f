"""What is no page: the list as a file, and an e-mail as it was sent."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse

from minutehand.dashboard.auth.base import Denied
from minutehand.dashboard.auth.identity import Forbidden
from minutehand.dashboard.context import HEADERS, DashboardContext, Handler
from minutehand.dashboard.presentation.formatting import label
from minutehand.dashboard.presentation.search import BadSearch, as_filter, parse_search, split
from minutehand.dashboard.query_cache import LIMIT_SECONDS
from minutehand.store import Json
from minutehand.store.errors import StoreError

COLUMNS = (
    "id", "created_at", "status", "workflow", "entity_id", "subject", "attempt", "max_attempts", "code", "reason",
    "scheduled_at", "started_at", "completed_at",
)  # fmt: skip
#: Rows of a file at most, and of one question.
MOST, BITE = 100_000, 1000
#: A spreadsheet takes a text that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def exported(dashboard: DashboardContext) -> Handler:
    """Return what answers a search as CSV or JSON Lines."""

    async def answer(request: Request) -> Response:
        form = request.path_params["form"]
        try:
            user = await dashboard.access.authenticate(request)
            user.require("view")  # what a row says here is what the list says
            asked = parse_search(split(request.query_params.get("q", "")))
        except Denied as denied:
            return denied.response
        except Forbidden as error:
            return PlainTextResponse(f"This is not yours to see: it takes the permission {error}.\n", 403)
        except BadSearch as error:
            return PlainTextResponse(f"{error}\n", 422)
        if form not in ("csv", "jsonl"):
            return PlainTextResponse("There are executions.csv and executions.jsonl.\n", 404)
        filters = as_filter(asked, datetime.now(UTC))
        if user.tenant is not None:
            filters["tenant"] = user.tenant
        headers = {**HEADERS, "content-disposition": f'attachment; filename="executions.{form}"'}
        media = "text/csv; charset=utf-8" if form == "csv" else "application/x-ndjson"
        write = as_csv if form == "csv" else as_json
        return StreamingResponse(
            _lines(dashboard, filters, write, with_head=form == "csv"), media_type=media, headers=headers
        )

    return answer


async def _lines(
    dashboard: DashboardContext, filters: dict[str, str], write: Callable[[Json], str], *, with_head: bool
) -> AsyncIterator[str]:
    if with_head:
        yield ",".join(COLUMNS) + "\r\n"
    before: list[str] | None = None
    left = MOST
    while left > 0:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                found = await dashboard.store.search(filters, limit=min(BITE, left), before=before)
        except (StoreError, TimeoutError) as error:
            yield f"# ended early: {str(error) or 'the database took too long'}\r\n"
            return
        yield "".join(write(row) for row in found["rows"])
        left -= len(found["rows"])
        before = found["next"]
        if before is None:
            return


def as_csv(row: Json) -> str:
    """Return one row for a spreadsheet; what it would take for a formula is text.

    >>> as_csv({"id": "1", "entity_id": "=1+1", "reason": 'say "no", now'}).split(",")[4]
    "'=1+1"
    """
    out = io.StringIO()
    cells = [label(row) if column == "subject" else row.get(column) for column in COLUMNS]
    csv.writer(out).writerow(f"'{cell}" if str(cell).startswith(_FORMULA) else cell for cell in cells)
    return out.getvalue()


def as_json(row: Json) -> str:
    """Return one row for a program."""
    said = {column: label(row) if column == "subject" else row.get(column) for column in COLUMNS}
    return json.dumps(said, ensure_ascii=False) + "\n"


def step_html(dashboard: DashboardContext) -> Handler:
    """Return what answers an e-mail as it was sent: for a frame without scripts, and nothing is fetched for it."""

    async def answer(request: Request) -> Response:
        try:
            user = await dashboard.access.authenticate(request)
            user.require("payloads")
            found = await dashboard.store.execution_detail(request.path_params["id"])
        except Denied as denied:
            return denied.response
        except (Forbidden, StoreError) as error:
            return PlainTextResponse(f"{error}\n", 404)
        if user.tenant not in (None, found.get("tenant")):
            return PlainTextResponse("not found\n", 404)
        records = [r for r in found["steps"] if str(r.get("stepId")) == request.path_params["step"]]
        html = str(((records[0] if records else {}).get("result") or {}).get("html") or "")
        policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'"
        return HTMLResponse(html, headers={**HEADERS, "content-security-policy": policy})

    return answer
