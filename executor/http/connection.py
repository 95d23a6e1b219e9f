"""One HTTP/1.1 connection, which carries one request at a time, and how it is opened."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from minutehand.executor.http.response import HttpResponse
from minutehand.executor.http.response_reader import BadResponse, ResponseReader

if TYPE_CHECKING:
    from ssl import SSLContext

#: Bytes of a request's body above which it is sent in pieces, so that other requests continue meanwhile; bytes of each.
LARGE_BYTES, PIECE_BYTES = 1024 * 1024, 256 * 1024
#: The head start of an address before the next one of the same name is tried, too, in seconds (RFC 8305 §5).
HEAD_START_SECONDS = 0.25

#: An address as `getaddrinfo` returns it: family, type, protocol, name, and where to connect.
Address = tuple[int, int, int, str, Any]


class NoResponse(Exception):
    """The connection ended, or answered with something else, before there was a response."""


class Connection(asyncio.Protocol):
    """A connection to one receiver."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader: ResponseReader | None = None
        self._response: asyncio.Future[HttpResponse] | None = None
        #: Set while the transport takes no more of a request.
        self._drained: asyncio.Future[None] | None = None
        #: It can carry another request.
        self.is_open = False
        #: On the loop's clock: since when it carries none.
        self.idle_since = 0.0

    async def exchange(self, head: bytes, body: bytes, seconds: float) -> HttpResponse:
        """Send one request and return its response.  Errors: `NoResponse`, and `TimeoutError` after so many seconds.

        When it returns or raises, the connection is either free for another request, or closed.
        """
        assert self._transport is not None
        transport, reader, is_whole = self._transport, ResponseReader(), True
        self._reader = reader
        response: asyncio.Future[HttpResponse] = self._loop.create_future()
        self._response = response
        timer = self._loop.call_later(seconds, self._time_out)
        try:
            if len(body) <= LARGE_BYTES:
                transport.write(head + body)
            else:
                is_whole = await self._write_pieces(transport, head, body, response)
            return await response
        finally:
            timer.cancel()
            self._reader = self._response = None
            if not (is_whole and reader.is_reusable and response.done() and transport.get_write_buffer_size() == 0):
                self.close()

    async def _write_pieces(
        self, transport: asyncio.Transport, head: bytes, body: bytes, response: asyncio.Future[HttpResponse]
    ) -> bool:
        """Write a large request; returns whether all of it was written: the receiver may answer before that."""
        transport.write(head)
        for at in range(0, len(body), PIECE_BYTES):
            if response.done():
                return False
            transport.write(body[at : at + PIECE_BYTES])
            await (self._drained or asyncio.sleep(0))
        return True

    def close(self) -> None:
        """Close it at once."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport, self.is_open = cast(asyncio.Transport, transport), True

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._reader is None:  # nobody has asked
            return self.close()
        try:
            if self._reader.feed(data):
                self._answer()
        except BadResponse:
            self._fail(NoResponse())
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.is_open = False
        self.resume_writing()
        if self._reader is not None:
            if self._reader.end(clean=exc is None):
                self._answer()
            else:
                self._fail(NoResponse())

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def _time_out(self) -> None:
        if self._reader is not None:
            if self._reader.end(clean=False):
                self._answer()
            else:
                self._fail(TimeoutError())

    def _answer(self) -> None:
        if self._reader is not None and self._response is not None and not self._response.done():
            assert self._reader.response is not None
            self._response.set_result(self._reader.response)
        self.resume_writing()

    def _fail(self, error: Exception) -> None:
        if self._response is not None and not self._response.done():
            self._response.set_exception(error)
        self.resume_writing()


async def connect(addresses: Sequence[Address], *, tls_name: str | None) -> Connection:
    """Connect to the first of these addresses that accepts; `tls_name`: the name that its certificate must have.

    Errors: `OSError`, of which `ssl.SSLError` is one.
    """
    loop = asyncio.get_running_loop()
    taken = await _first_socket(loop, addresses)
    context = None if tls_name is None else _tls()
    try:
        _, connection = await loop.create_connection(Connection, sock=taken, ssl=context, server_hostname=tls_name)
    except BaseException:
        taken.close()
        raise
    return connection


async def _first_socket(loop: asyncio.AbstractEventLoop, addresses: Sequence[Address]) -> socket.socket:
    """Connect to the addresses one after the other, each with a head start; the first that accepts wins."""
    if len(addresses) == 1:
        return await _socket(loop, addresses[0])
    waiting, tasks, error = list(addresses), set[asyncio.Task[socket.socket]](), OSError("no address")
    winner: socket.socket | None = None
    try:
        while winner is None and (waiting or tasks):
            if waiting:
                tasks.add(asyncio.ensure_future(_socket(loop, waiting.pop(0))))
            done, tasks = await asyncio.wait(
                tasks, timeout=HEAD_START_SECONDS if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                if (problem := task.exception()) is None and winner is None:
                    winner = task.result()
                elif problem is None:
                    task.result().close()
                elif isinstance(problem, OSError):
                    error = problem
                else:
                    raise problem
    finally:
        for task in tasks:
            task.cancel()
            task.add_done_callback(_close_late)
    if winner is None:
        raise error
    return winner


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _socket(loop: asyncio.AbstractEventLoop, address: Address) -> socket.socket:
    family, kind, protocol, _, where = address
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setblocking(False)
        await loop.sock_connect(opened, where)
    except BaseException:
        opened.close()
        raise
    return opened


@lru_cache(maxsize=1)
def _tls() -> SSLContext:
    """Return what checks certificates against the system's authorities; reading those takes some 50 ms."""
    import ssl

    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
