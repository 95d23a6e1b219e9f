"""Server-Sent Events: pages are told that something changed.  One look at the figures each second serves all."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from minutehand.dashboard.auth.base import Denied
from minutehand.dashboard.context import HEADERS, DashboardContext
from minutehand.dashboard.query_cache import LIMIT_SECONDS
from minutehand.store import Json
from minutehand.store.errors import StoreError

#: Seconds between two looks, and between two signs of life where nothing changes.
LOOK_SECONDS, ALIVE_SECONDS = 1.0, 15.0

#: What of the metrics changes with the queue alone; what is "of the last hour" changes with the clock, too.
_MARKS = (
    "changed", "pending", "due", "processing", "events", "workflows", "tables", "paused", "foreign_processing",
    "uncertain",
)  # fmt: skip


class EventStream:
    """Looks while anybody listens, and tells all of them."""

    def __init__(self, dashboard: DashboardContext) -> None:
        self._dashboard = dashboard
        self._listeners: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def answer(self, request: Request) -> Response:
        """Stream what changes to one page."""
        try:
            (await self._dashboard.access.authenticate(request)).require("view")
        except Denied as denied:
            return denied.response
        headers = {**HEADERS, "cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._events(), media_type="text/event-stream", headers=headers)

    def stop(self) -> None:
        """End all streams: a server that stops waits for none."""
        self._stopping = True
        for listener in self._listeners:
            listener.set()

    async def _events(self) -> AsyncIterator[str]:
        changed = asyncio.Event()
        self._listeners.add(changed)
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._watch())
        try:
            yield "retry: 3000\n\n"
            while not self._stopping:
                try:
                    async with asyncio.timeout(ALIVE_SECONDS):
                        await changed.wait()
                except TimeoutError:
                    yield ": alive\n\n"
                else:
                    changed.clear()
                    yield "event: changed\ndata:\n\n"
        finally:
            self._listeners.discard(changed)

    async def _watch(self) -> None:
        last = ""
        while self._listeners and not self._stopping:
            try:
                async with asyncio.timeout(LIMIT_SECONDS):
                    found = mark(await self._dashboard.store.metrics())
            except (StoreError, TimeoutError):
                found = "away"
            if last and found != last:
                self._dashboard.queries.clear()  # what was read before the change would hide it
                for listener in self._listeners:
                    listener.set()
            last = found
            await asyncio.sleep(LOOK_SECONDS)


def mark(metrics: Json) -> str:
    """Return what differs where anything did, and once a minute, since ages and the strip go on by themselves."""
    said = {name: metrics.get(name) for name in _MARKS}
    said["minute"] = str(metrics["now"])[:16]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
