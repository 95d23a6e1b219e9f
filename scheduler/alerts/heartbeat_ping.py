"""A dead-man ping: somebody else's clock is told that a run began, and how it ended (Healthchecks' protocol).

    POST URL/start?rid=…    POST URL/<exit status>?rid=… with the summary as its body

It runs beside the work in a thread of its own, with a time limit; that it fails is logged, and changes nothing.
"""

from __future__ import annotations

import threading
import uuid
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from minutehand.store.errors import BadConfiguration, StoreError

if TYPE_CHECKING:
    from minutehand.scheduler.config import LogSettings

#: Of one try, of which there are two; and how much of a summary is sent.
TRY_SECONDS, MOST_BYTES = 5.0, 10_000
#: Seconds between two signs of life of what never ends.
PING_SECONDS = 60.0


class Pings:
    """The pings of one process.  As a block, those of one run: a start, and the status that it ends with."""

    def __init__(self, url: str | None, log: LogSettings) -> None:
        if url is not None and urlsplit(url).scheme not in ("http", "https"):
            raise BadConfiguration("MINUTEHAND_PING_URL (--ping-url) must begin with https:// or http://")
        self._url = url.rstrip("/") if url else None
        self._log = log
        self._run = str(uuid.uuid4())
        self._sent: list[threading.Thread] = []
        self._has_ended = False

    def begin(self) -> None:
        """Say that a run began."""
        self._run, self._has_ended = str(uuid.uuid4()), False
        self._send(f"/start?rid={self._run}", "")

    def end(self, status: int, text: str = "") -> None:
        """Say how it ended: 0 is well."""
        self._has_ended = True
        self._send(f"/{status}?rid={self._run}", text)

    def alive(self) -> None:
        """Say that what never ends is well."""
        self._send("", "")

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not self._has_ended:
            from minutehand.scheduler.cli.main import exit_code

            status = exit_code(error) if isinstance(error, StoreError) else 130 if kind is KeyboardInterrupt else 1
            self.end(status, str(error) if isinstance(error, StoreError) else "")
        for thread in self._sent:
            thread.join()

    def _send(self, path: str, text: str) -> None:
        if self._url is None:
            return
        before = self._sent[-1] if self._sent and self._sent[-1].is_alive() else None
        self._sent = [thread for thread in self._sent if thread.is_alive()]
        thread = threading.Thread(target=self._try, args=(self._url + path, text, before), daemon=True)
        self._sent.append(thread)
        thread.start()

    def _try(self, url: str, text: str, before: threading.Thread | None) -> None:
        if before is not None:
            before.join()  # a start must not arrive behind its end
        said = ""
        for _ in range(2):
            said = _post(url, text.encode("utf-8", "replace")[:MOST_BYTES])
            if not said:
                return
        import structlog

        from minutehand.scheduler.logs import configure

        configure(self._log)
        log = structlog.get_logger()
        log.warning("ping_failed", reason=said)


def _post(url: str, body: bytes) -> str:
    """Post once; returns what went wrong, without the address, which is a secret."""
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=TRY_SECONDS)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, {"User-Agent": "minutehand", "Content-Type": "text/plain"})
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as error:
        return type(error).__name__
    return "" if status < 300 else f"the answer was {status}"
