"""The connections of the server: how many there may be, and how long a client may take to send and to read.

waiting for a request ──it arrived──► answering ──the answer was sent──► waiting …
"""

from __future__ import annotations

import asyncio
import math
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

#: Connections at most, where the limit of open files is high enough.
MAX_CONNECTIONS = 1000
#: Connections that the event loop accepts at once: they are open for a moment before one too many is closed.
MAX_ACCEPTS = 64
#: Connections that the kernel keeps until they are accepted.
BACKLOG = 1024
#: Seconds in which a request must arrive, headers and body, from the connection or the answer before it.
REQUEST_SECONDS = 15.0
#: Seconds that a connection stays open after an answer without a byte of the next request.
KEEP_ALIVE_SECONDS = 5
#: Seconds that a client may read nothing while an answer waits for it.
STALLED_SECONDS = 30.0
#: Bytes of a request's headers.
MAX_HEADER_BYTES = 16 * 1024


def max_connections() -> int:
    """Return how many connections this process may have: half of its open files, the rest is for sends and queries."""
    return max(1, min(MAX_CONNECTIONS, _open_files() // 2))


def max_accepts() -> int:
    """Return how many connections the event loop may accept at once: a sixteenth of the open files."""
    return max(1, min(MAX_ACCEPTS, _open_files() // 16))


def _open_files() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2 * MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else soft


class Connections:
    """The connections of one server.

    Past the limit, a new connection takes the place of the one that has waited longest for a request.  If all of them
    are being answered, the new one is closed.
    """

    def __init__(
        self, limit: int, *, request_seconds: float = REQUEST_SECONDS, stalled_seconds: float = STALLED_SECONDS
    ) -> None:
        self.request_seconds = request_seconds
        self.stalled_seconds = stalled_seconds
        self._limit = limit
        self._open: set[Connection] = set()
        #: In the order in which they began to wait.
        self._waiting: dict[Connection, None] = {}

    def protocol(self, **arguments: Any) -> Connection:
        """Return the protocol of a new connection; uvicorn calls it."""
        return Connection(self, **arguments)

    def add(self, connection: Connection) -> None:
        """Admit a new connection."""
        self._open.add(connection)
        self._waiting[connection] = None
        if len(self._open) > self._limit:
            next(iter(self._waiting)).close_now()

    def wait(self, connection: Connection) -> None:
        """Note that a connection waits for a request."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = None

    def answer(self, connection: Connection) -> None:
        """Note that a connection is being answered."""
        self._waiting.pop(connection, None)

    def remove(self, connection: Connection) -> None:
        """Forget a connection that was closed."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)


class Connection(H11Protocol):
    """One connection.  It closes if a request does not arrive, or if its answer is not read, in time."""

    def __init__(self, all_: Connections, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._all = all_
        self._timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._all.add(self)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        super().data_received(data)
        if self._is_answering():
            self._stop_timer()
            self._all.answer(self)

    def on_response_complete(self) -> None:
        """See `H11Protocol`.  A client may have sent its next request already."""
        super().on_response_complete()
        if not self.transport.is_closing() and not self._is_answering():
            self._all.wait(self)
            self._start_timer()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`: the client does not read as fast as the answer is made."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._all.remove(self)
        self._stop_timer()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
        super().connection_lost(exc)

    def close_now(self) -> None:
        """Close the connection for another one, or because its request does not arrive."""
        self._all.remove(self)
        self.transport.abort()

    def _watch_reader(self, unread: float = math.inf) -> None:
        """Close the connection when its client has read nothing of `unread` bytes since the check before."""
        if (left := self.transport.get_write_buffer_size()) >= unread:
            self.transport.abort()
        else:
            self._stall_timer = self.loop.call_later(self._all.stalled_seconds, self._watch_reader, left)

    def _is_answering(self) -> bool:
        """Return whether a whole request arrived, and its answer is not complete."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(self._all.request_seconds, self.close_now)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
