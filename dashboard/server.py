"""The HTTP server below the application: uvicorn, told when to end by whoever runs it."""

from __future__ import annotations

import contextlib
import math
import socket
from contextlib import AbstractContextManager

import uvicorn
from starlette.applications import Starlette

from minutehand.store.errors import BadConfiguration


def listen(host: str, port: int) -> socket.socket:
    """Open the address to listen on; port 0 takes a free one.  Errors: `BadConfiguration`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise BadConfiguration(
            f"cannot listen on {host}:{port}: {error.strerror or error}. Choose another with --host and --port."
        ) from error
    # Its connections take it over.  asyncio sets it for sockets that it made itself alone; without it an answer of two
    # packets waits for the reader's delayed ACK, 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class Server(uvicorn.Server):
    """Serves until `stop`; answers that are under way get `grace_seconds` to end."""

    def __init__(self, app: Starlette, *, grace_seconds: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",  # what it has to say is said by the application, as events
                access_log=False,
                server_header=False,
                proxy_headers=False,  # the peer's address decides who is let in: no header may change it
                timeout_graceful_shutdown=math.ceil(grace_seconds),
            )
        )

    def stop(self) -> None:
        """Accept nothing more, and end."""
        self.should_exit = True

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Leave the signals to the command, which has more to end than this server."""
        return contextlib.nullcontext()
