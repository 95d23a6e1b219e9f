"""Downloads of the list of executions, and the HTML of an e-mail that was sent."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import re
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from minutehand.dashboard.api.problems import RETRY_SECONDS
from minutehand.dashboard.auth.base import Denied, check_site
from minutehand.dashboard.auth.identity import Forbidden
from minutehand.dashboard.context import HEADERS, DashboardContext, Handler
from minutehand.dashboard.presentation.formatting import label
from minutehand.dashboard.presentation.search import BadSearch, as_filter, narrowed, parse_search, split_terms
from minutehand.executor.text.display import escaped, json_text
from minutehand.store import Json
from minutehand.store.errors import StoreError
from minutehand.store.records import SearchRow

COLUMNS = (
    "id", "created_at", "status", "workflow", "entity_id", "label", "attempt", "max_attempts", "code", "reason",
    "scheduled_at", "started_at", "completed_at",
)  # fmt: skip
#: Rows of a file at most, and rows per query.
MAX_ROWS, CHUNK = 100_000, 1000
#: Files that are written at once, and how long one may take.
MAX_FILES, MAX_SECONDS = 2, 600.0
BUSY = f"{MAX_FILES} files are being written. Try again in {RETRY_SECONDS} s.\n"
#: Where a cell begins, whatever separator the reader assumes, if a formula follows: one that begins with `=+-@`, in any
#: width, or with a tab or a line break, perhaps after apostrophes, quotes or spaces.
_FORMULA = re.compile(r"""(^|[,;|\t\r\n])(?=['" ]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])""")


def export_route(dashboard: DashboardContext) -> Handler:
    """Return the handler that answers a search as CSV or JSON Lines."""
    files = asyncio.Semaphore(MAX_FILES)

    async def handler(request: Request) -> Response:
        format_ = request.path_params["format"]
        try:
            check_site(request, links=False)
            user = await dashboard.access.authenticate(request)
            user.require("view")  # the columns are those of the list
            terms = parse_search(split_terms(request.query_params.get("q", "")))
            filters = narrowed(as_filter(terms, datetime.now(UTC)), user.tenant, may_payloads=user.may("payloads"))
        except Denied as denied:
            return denied.response
        except Forbidden as error:
            return PlainTextResponse(f"{error}\n", 403)
        except BadSearch as error:
            return PlainTextResponse(f"{error}\n", 422)
        if format_ not in ("csv", "jsonl"):
            return PlainTextResponse("Use executions.csv or executions.jsonl.\n", 404)
        if files.locked():
            return PlainTextResponse(BUSY, 503, headers={"Retry-After": str(RETRY_SECONDS)})
        headers = {**HEADERS, "content-disposition": f'attachment; filename="executions.{format_}"'}
        is_csv = format_ == "csv"
        return _Download(
            files,
            _lines(dashboard, filters, is_csv=is_csv),
            media_type="text/csv; charset=utf-8" if is_csv else "application/x-ndjson",
            headers=headers,
        )

    return handler


class _Download(StreamingResponse):
    """A file that takes one of the places until it is sent, or until its time is over."""

    def __init__(self, files: asyncio.Semaphore, lines: AsyncIterator[str], **more: Any) -> None:
        super().__init__(lines, **more)
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file.  One that is not sent in time breaks off: its client sees that the end is missing."""
        with contextlib.suppress(TimeoutError):
            async with self._files, asyncio.timeout(MAX_SECONDS):
                await super().__call__(scope, receive, send)


async def _lines(dashboard: DashboardContext, filters: Json, *, is_csv: bool) -> AsyncIterator[str]:
    write = as_csv if is_csv else as_json
    if is_csv:
        yield _line(COLUMNS)
    before: list[str] | None = None
    left = MAX_ROWS
    while left > 0:
        try:
            page = await dashboard.queries.once(
                partial(dashboard.store.search, filters, limit=min(CHUNK, left), before=before)
            )
        except (StoreError, TimeoutError) as error:
            problem = f"# incomplete: {str(error) or 'the database took too long'}"
            yield _line([problem]) if is_csv else escaped(problem) + "\n"
            return
        yield await dashboard.threads.run(lambda rows: "".join(map(write, rows)), page["rows"])
        left -= len(page["rows"])
        before = page["next"]
        if before is None:
            return


def as_csv(row: SearchRow) -> str:
    """Return a line for a spreadsheet."""
    return _line(_values(row).values())


def _line(cells: Iterable[Any]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow("" if cell is None else inert_cell(str(cell)) for cell in cells)
    return out.getvalue()


def inert_cell(text: str) -> str:
    """Return a cell's text so that no spreadsheet evaluates it, whichever separator it assumes.

    An apostrophe goes before what could be read as a formula: at the beginning, and after each character that may
    separate cells.  Whoever reads the file as data can remove it again: docs/dashboard.md has the expression.

    >>> inert_cell("=1+1"), inert_cell("J;=1+1;"), inert_cell("'=1"), inert_cell("J-2019; 3 - 1")
    ("'=1+1", "J;'=1+1;", "''=1", 'J-2019; 3 - 1')
    """
    return _FORMULA.sub(r"\1'", text)


def as_json(row: SearchRow) -> str:
    """Return a line of JSON."""
    return json_text(_values(row)) + "\n"


def _values(row: SearchRow) -> Json:
    return {column: label(row) if column == "label" else row.get(column) for column in COLUMNS}


def step_html_route(dashboard: DashboardContext) -> Handler:
    """Return the handler that answers an e-mail as it was sent.  Its policy allows neither scripts nor requests."""

    async def handler(request: Request) -> Response:
        try:
            user = await dashboard.access.authenticate(request)
            user.require("payloads")
            detail = await dashboard.queries.once(
                lambda: dashboard.store.execution_detail(request.path_params["id"], tenant=user.tenant)
            )
        except Denied as denied:
            return denied.response
        except (Forbidden, StoreError) as error:
            return PlainTextResponse(f"{error}\n", 404)
        except TimeoutError:
            return PlainTextResponse("The database took too long.\n", 503)
        records = [record for record in detail["steps"] if str(record.get("stepId")) == request.path_params["step"]]
        html = str(((records[0] if records else {}).get("result") or {}).get("html") or "")
        policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'"
        return HTMLResponse(html, headers={**HEADERS, "content-security-policy": policy})

    return handler
