"""A line to a database that breaks as lines do: cut, or silent, as when a firewall or a proxy forgets a connection.

with Line(url) as line:
    Minutehand(folder, {"DATABASE_URL": line.url})
    line.silence()      # nothing passes, nothing closes; who sends is told that it has arrived
    line.silence(only=line.listener)
    line.heal()         # new connections pass again; those that were silenced stay so
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

#: Larger than any message of ours.
_CHUNK = 65536


@dataclass
class _Passage:
    """One connection through the line."""

    client: socket.socket
    server: socket.socket
    is_silent: bool = False
    #: What the client has sent.
    said: bytearray = field(default_factory=bytearray)

    def pass_on(self, source: socket.socket) -> bool:
        """Pass on what is there; false when its end has come."""
        with suppress(OSError):
            if chunk := source.recv(_CHUNK):
                if source is self.client:
                    self.said += chunk[:200]
                if not self.is_silent:
                    (self.server if source is self.client else self.client).sendall(chunk)
                return True
        return self.is_silent and source is self.server  # whose end does not get through, either

    def close(self) -> None:
        self.client.close()
        self.server.close()


class Line:
    """Listens on a port of 127.0.0.1 and leads to the server of `url`: PostgreSQL by its socket, or HTTP."""

    def __init__(self, url: str) -> None:
        self._target = url
        self._passages: list[_Passage] = []
        self._is_silent = self._is_refusing = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._is_over = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._is_over = True
        self._wake.send(b".")
        self._thread.join()
        for passage in self._passages:
            passage.close()
        self._selector.close()
        for end in (self._listener, self._wake, self._woken):
            end.close()

    @property
    def url(self) -> str:
        """Leads through this line."""
        parts = urlsplit(self._target)
        if parts.scheme == "http":
            return f"http://127.0.0.1:{self.port}"
        return f"postgresql://{parts.username}@127.0.0.1:{self.port}{parts.path}?sslmode=disable&gssencmode=disable"

    def lead_to(self, url: str) -> None:
        """Lead new connections elsewhere, as a name that resolves anew does."""
        self._target = url

    def cut(self) -> None:
        """Close every connection, as a pooler does that is started anew."""
        self._each(lambda passage: passage.client.shutdown(socket.SHUT_RDWR))

    def refuse(self) -> None:
        """Cut, and take no new connection."""
        self._is_refusing = True
        self.cut()

    def silence(self, *, listener_only: bool = False) -> int:
        """Let nothing pass on any connection, new ones too; or on the listener's alone.  Gives how many it befell."""
        self._is_silent = not listener_only
        befallen: list[_Passage] = []

        def silence(passage: _Passage) -> None:
            if not listener_only or b"listen minutehand" in passage.said:
                passage.is_silent = True
                befallen.append(passage)

        self._each(silence)
        return len(befallen)

    def heal(self) -> None:
        """Let new connections pass.  What was silenced stays silent."""
        self._is_silent = self._is_refusing = False

    def _each(self, do: Callable[[_Passage], object]) -> None:
        with self._lock:
            for passage in self._passages:
                with suppress(OSError):
                    do(passage)

    def _run(self) -> None:
        while not self._is_over:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.data, _Passage) and not key.data.pass_on(key.fileobj):  # type: ignore[arg-type]
                    self._end(key.data)
                elif isinstance(key.data, _Passage) and key.data.is_silent and key.fileobj is key.data.server:
                    self._selector.unregister(key.fileobj)  # its words, and its end, get nowhere

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if self._is_refusing:
            client.close()
            return
        try:
            server = _connected(self._target)
        except OSError:
            client.close()
            return
        passage = _Passage(client, server, self._is_silent)
        with self._lock:
            self._passages.append(passage)
        self._selector.register(client, selectors.EVENT_READ, passage)
        self._selector.register(server, selectors.EVENT_READ, passage)

    def _end(self, passage: _Passage) -> None:
        for end in (passage.client, passage.server):
            with suppress(KeyError, ValueError):
                self._selector.unregister(end)
        with self._lock:
            if passage in self._passages:
                self._passages.remove(passage)
        passage.close()


def _connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    if parts.scheme == "http":
        return socket.create_connection((str(parts.hostname), int(parts.port or 80)))
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(f"{conninfo_to_dict(url)['host']}/.s.PGSQL.5432")
    except OSError:
        server.close()
        raise
    return server
