"""The HTTP server: uvicorn, without signal handlers of its own."""

from __future__ import annotations

import contextlib
import math
import socket
from contextlib import AbstractContextManager

import uvicorn
from starlette.applications import Starlette

from minutehand.dashboard.connections import (
    BACKLOG,
    KEEP_ALIVE_SECONDS,
    MAX_HEADER_BYTES,
    Connections,
    max_accepts,
    max_connections,
)
from minutehand.store.errors import BadConfiguration


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on the address; port 0 takes a free one.  Errors: `BadConfiguration`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise BadConfiguration(
            f"cannot listen on {host}:{port}: {error.strerror or error}. Choose another with --host and --port."
        ) from error
    # Accepted connections inherit it.  asyncio sets it only for sockets that it created; without it, a response of two
    # packets waits for the client's delayed ACK (40 ms).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class Server(uvicorn.Server):
    """Serves until `stop`; responses in progress get `grace_seconds` to end."""

    def __init__(self, app: Starlette, *, grace_seconds: float, connections: Connections | None = None) -> None:
        connections = connections or Connections(max_connections())
        super().__init__(
            uvicorn.Config(
                app,
                http=connections.protocol,  # type: ignore[arg-type]  # a factory does as well as a class
                h11_max_incomplete_event_size=MAX_HEADER_BYTES,
                backlog=max_accepts(),
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",  # the application logs its own events
                access_log=False,
                server_header=False,
                proxy_headers=False,  # access depends on the peer's address: no header may change it
                timeout_graceful_shutdown=math.ceil(grace_seconds),
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen.  asyncio takes one number for how many it accepts at once and how many the kernel keeps."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)

    def stop(self) -> None:
        """Accept no more requests, and end."""
        self.should_exit = True

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Leave signals to the command, which also ends a worker."""
        return contextlib.nullcontext()
