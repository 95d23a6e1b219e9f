"""Cheap HTTP and SMTP receivers in a separate process: they accept every request and every message.

`python -m benchmarks.receiver` prints the ports of HTTP/1.1 and SMTP, and serves until its stdin is closed.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: A text message's id, as Twilio and Telnyx give it; any other caller reads no more than the status.
_BODY = b'{"sid":"SM0","data":{"id":"0"}}'
ANSWER = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class HttpConnection(asyncio.Protocol):
    """One HTTP connection.  It parses only where each request ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._received += data
        while (head := self._received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._received, 0, head + 2)
            end = head + 4 + (int(length[1]) if length else 0)
            if len(self._received) < end:
                return
            self._received = self._received[end:]
            self._transport.write(ANSWER)


class SmtpConnection(asyncio.Protocol):
    """One SMTP connection.  It accepts every command."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""
        self._in_content = False
        transport.write(b"220 here\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer each command, and each message's end."""
        self._received += data
        while True:
            ending = b"\r\n.\r\n" if self._in_content else b"\r\n"
            line, found, rest = self._received.partition(ending)
            if not found:
                return
            self._received = rest
            begins_content = not self._in_content and line[:4].upper() == b"DATA"
            self._in_content = begins_content
            self._transport.write(b"354 go\r\n" if begins_content else b"250 queued as 1\r\n")


@contextmanager
def running_receivers() -> Iterator[tuple[int, int]]:
    """Run them in a separate process; yields the ports of HTTP and SMTP on 127.0.0.1."""
    command = [sys.executable, "-m", "benchmarks.receiver"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            http, smtp = map(int, process.stdout.readline().split())
            yield http, smtp
        finally:
            process.stdin.close()


async def main() -> None:
    """Serve until stdin is closed."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(talk, "127.0.0.1", 0) for talk in (HttpConnection, SmtpConnection)]
    print(*[server.sockets[0].getsockname()[1] for server in servers], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    for server in servers:
        server.close()


if __name__ == "__main__":
    asyncio.run(main())
