"""A heartbeat ping (dead-man switch): an outside monitor hears that a run started and how it ended, or its silence.

    POST URL/start?rid=…    POST URL/<exit status>?rid=… with the summary as its body

This is the protocol of Healthchecks.  Each ping goes out in a thread of its own, with a time limit.  A ping that fails
is logged and changes nothing.  It uses http.client and not executor.http.HttpClient, which imports aiohttp: 170 ms or
more, measured, that each cron run would pay.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from minutehand.scheduler.exit_codes import exit_code
from minutehand.store.errors import BadConfiguration, StoreError

if TYPE_CHECKING:
    from minutehand.scheduler.config import LogSettings

#: The time limit of one try, of which there are two.
TRY_SECONDS = 5.0
#: How much of a summary is sent.
MAX_BODY_BYTES = 10_000
#: The least time between two pings of a worker, which never ends.
PING_SECONDS = 60.0


class HeartbeatPing:
    """The pings of one process.  As a context manager, those of one run: its start, and the status it ends with."""

    def __init__(self, url: str | None, log: LogSettings) -> None:
        if url is not None and urlsplit(url).scheme not in ("http", "https"):
            raise BadConfiguration("MINUTEHAND_PING_URL (--ping-url) must begin with https:// or http://")
        self._url = url.rstrip("/") if url else None
        self._log = log
        self._run_id = str(uuid.uuid4())
        self._threads: list[threading.Thread] = []
        self._is_finished = False
        self._alive_at = -math.inf
        #: Why the last ping failed; None: it did not.
        self.problem: str | None = None

    def start(self) -> None:
        """Report that a run starts."""
        self._run_id, self._is_finished = str(uuid.uuid4()), False
        self._send(f"/start?rid={self._run_id}", "")

    def finish(self, status: int, text: str = "") -> None:
        """Report the exit status of the run; 0 is success."""
        self._is_finished = True
        self._send(f"/{status}?rid={self._run_id}", text)

    def alive(self) -> None:
        """Report that a process without runs is well; at most once in `PING_SECONDS`."""
        if time.monotonic() - self._alive_at >= PING_SECONDS:
            self._alive_at = time.monotonic()
            self._send("", "")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not self._is_finished:
            status = exit_code(error) if isinstance(error, StoreError) else 130 if kind is KeyboardInterrupt else 1
            self.finish(status, str(error) if isinstance(error, StoreError) else "")
        for thread in self._threads:
            thread.join()

    def _send(self, path: str, text: str) -> None:
        if self._url is None:
            return
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        previous = self._threads[-1] if self._threads else None
        thread = threading.Thread(target=self._try_twice, args=(self._url + path, text, previous), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _try_twice(self, url: str, text: str, previous: threading.Thread | None) -> None:
        if previous is not None:
            previous.join()  # a start must not arrive after its end
        problem = ""
        for _ in range(2):
            problem = _post(url, text.encode("utf-8", "replace")[:MAX_BODY_BYTES])
            if not problem:
                self.problem = None
                return
        self.problem = problem
        from minutehand.executor.log import structlog
        from minutehand.scheduler.logs import configure

        configure(self._log)
        log = structlog.get_logger()
        log.warning("ping_failed", reason=problem)


def _post(url: str, body: bytes) -> str:
    """Post once; returns what went wrong, without the URL, which is a secret."""
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    parts = urlsplit(url)
    connection_class = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    try:
        connection = connection_class(parts.hostname or "", parts.port, timeout=TRY_SECONDS)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, {"User-Agent": "minutehand", "Content-Type": "text/plain"})
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as error:
        return type(error).__name__
    return "" if status < 300 else f"the response was {status}"
