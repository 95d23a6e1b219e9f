"""Server-Sent Events: tell open pages that something changed.  One query per second serves all of them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from minutehand.dashboard.auth.base import Denied
from minutehand.dashboard.connections import max_connections
from minutehand.dashboard.context import HEADERS, DashboardContext
from minutehand.store.errors import StoreError
from minutehand.store.json import shown_text
from minutehand.store.records import Metrics

#: Seconds between two queries, and between two keep-alive comments when nothing changes.
POLL_SECONDS, KEEP_ALIVE_SECONDS = 1.0, 15.0

#: Streams at once; each holds a connection.  Past that, a page asks again after so many milliseconds.
MAX_STREAMS, RETRY_MILLISECONDS = 100, 30_000

#: Figures that change only with the queue.  Those "of the last hour" change with the clock, too.
_FIGURES = (
    "changed", "pending", "due", "processing", "events", "workflows", "tables", "paused", "planned_pauses",
    "foreign_processing", "uncertain",
)  # fmt: skip


class EventStream:
    """Polls the figures while a page listens, and sends `changed` to all pages."""

    def __init__(self, dashboard: DashboardContext) -> None:
        self._dashboard = dashboard
        self._listeners: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def answer(self, request: Request) -> Response:
        """Stream events to one page."""
        try:
            (await self._dashboard.access.authenticate(request)).require("view")
        except Denied as denied:
            return denied.response
        headers = {**HEADERS, "cache-control": "no-store", "x-accel-buffering": "no"}
        if len(self._listeners) >= min(MAX_STREAMS, max_connections() // 4):
            return Response(f"retry: {RETRY_MILLISECONDS}\n\n", media_type="text/event-stream", headers=headers)
        return StreamingResponse(self._events(), media_type="text/event-stream", headers=headers)

    def stop(self) -> None:
        """End all streams, so that the server need not wait for its readers."""
        self._stopping = True
        for listener in self._listeners:
            listener.set()

    async def _events(self) -> AsyncIterator[str]:
        changed = asyncio.Event()
        self._listeners.add(changed)
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._poll())
        try:
            yield "retry: 3000\n\n"
            while not self._stopping:
                try:
                    async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                        await changed.wait()
                except TimeoutError:
                    yield ": keep-alive\n\n"
                else:
                    changed.clear()
                    yield "event: changed\ndata:\n\n"
        finally:
            self._listeners.discard(changed)

    async def _poll(self) -> None:
        last = ""
        while self._listeners and not self._stopping:
            try:
                current = fingerprint(await self._dashboard.queries.once(self._dashboard.store.metrics))
            except (StoreError, TimeoutError):
                current = "away"
            if last and current != last:
                self._dashboard.queries.clear()  # a result from before the change would hide it
                for listener in self._listeners:
                    listener.set()
            last = current
            await asyncio.sleep(POLL_SECONDS)


def fingerprint(metrics: Metrics) -> str:
    """Return a text that differs when the queue has changed, and once a minute, since ages and the tick strip go on."""
    figures = {name: metrics.get(name) for name in _FIGURES}
    figures["minute"] = str(metrics["now"])[:16]
    return hashlib.sha256(shown_text(figures, sort_keys=True).encode()).hexdigest()
