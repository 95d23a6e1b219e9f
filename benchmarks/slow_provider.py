"""What share of a provider's pace two workers reach, and how many of its messages fail.

The provider accepts two messages a second (a token bucket), and answers 429 with `Retry-After: 1` to all others.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from benchmarks.database import TABLES, WORKFLOW, fill, new_database, watch
from benchmarks.neighbours import running_worker

#: Messages a second that the provider accepts, and how many at once after a rest.
RATE, BURST = 2.0, 2.0
EMAIL = [{"type": "email", "config": {"to": "a{{ job.id }}@example.com", "subject": "s", "message": "m"}}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of the messages."""

    #: Accepted messages, divided by what the provider would have accepted until the last of them.
    share: float
    refused: int
    #: Executions that did not complete.
    failed: int
    doubled: int


class SlowProvider:
    """Resend's API behind a token bucket."""

    def __init__(self) -> None:
        self.tokens, self.at = BURST, time.monotonic()
        self.accepted: list[tuple[float, str]] = []
        self.refused = 0
        self._lock = threading.Lock()

    def take(self, recipient: str) -> bool:
        """Accept a message, if there is a token."""
        with self._lock:
            now = time.monotonic()
            self.tokens, self.at = min(BURST, self.tokens + (now - self.at) * RATE), now
            if self.tokens < 1:
                self.refused += 1
                return False
            self.tokens -= 1
            self.accepted.append((now, recipient))
            return True

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve it; yields its address."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                accepted = provider.take(body["to"][0])
                answer = (
                    b'{"id": "1"}' if accepted else b'{"name": "rate_limit_exceeded", "message": "Too many requests"}'
                )
                self.send_response(200 if accepted else 429)
                if not accepted:
                    self.send_header("retry-after", "1")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                """Print nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def measured(server: str, count: int, *, workers: int = 2) -> Result:
    """Send `count` messages by so many workers."""
    url = new_database(server, f"slow_provider{count}")
    provider = SlowProvider()
    with psycopg.connect(url, autocommit=True) as connection, provider.serving() as address, ExitStack() as stack:
        connection.execute(TABLES)
        connection.execute(WORKFLOW, ["slow", Jsonb({}), Jsonb(EMAIL)])
        watch(url, "jobs")
        fill(url, "slow", count)
        began = time.monotonic()
        for _ in range(workers):
            stack.enter_context(
                running_worker(url, RESEND_API_KEY="re_1", RESEND_BASE_URL=address, EMAIL_FROM="a@b.example")
            )
        until = began + count / RATE * 2 + 60
        while (left := _left(connection)) and time.monotonic() < until:
            time.sleep(0.5)
    first, last = provider.accepted[0][0], provider.accepted[-1][0]
    return Result(
        share=len(provider.accepted) / (BURST + (last - first) * RATE),
        refused=provider.refused,
        failed=left,
        doubled=len(provider.accepted) - len({recipient for _, recipient in provider.accepted}),
    )


def _left(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("select count(*) from automation_execution_logs where status <> 'completed'").fetchone()
    assert row is not None
    return int(row[0])
