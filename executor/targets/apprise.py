"""Apprise: serves the URLs of some hundred services.  Its log lines may quote a URL, which holds secrets."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from apprise import Apprise, LogCapture

from minutehand.executor.targets import NotAccepted, UnknownTarget
from minutehand.executor.text.unicode_checks import storable

#: Characters of Apprise's log lines that are kept.
_MAX_LINES = 300


class AppriseTarget:
    """See `Target`.  Apprise says only whether a message was accepted; why not stands in its log lines."""

    def __init__(self, url: str) -> None:
        self._apprise = Apprise()
        with log_lines((url,)):
            if not self._apprise.add(url):
                raise UnknownTarget

    async def send(self, title: str, text: str) -> None:
        """Send one message."""
        if await self._apprise.async_notify(body=text, title=title) is not True:
            raise NotAccepted("")


@contextmanager
def log_lines(urls: tuple[str, ...]) -> Iterator[Callable[[], str]]:
    """Capture Apprise's log lines while the block runs; yields what returns them, without any part of these URLs."""
    logging.getLogger("apprise").propagate = False
    with LogCapture(level=logging.WARNING, fmt="%(message)s") as captured:  # type: ignore[no-untyped-call]
        yield lambda: _without_secrets(captured.getvalue(), urls)


def _without_secrets(lines: str, urls: tuple[str, ...]) -> str:
    """Return log lines as one line, without any part of a target's URL.

    >>> _without_secrets("no connection to chat.example/s3cret", ("json://chat.example/s3cret",))
    'no connection to …'
    """
    parts = {part for url in urls for part in re.split(r"[/:@?&=#,]+", url.partition("://")[2]) if len(part) > 2}
    parts |= {unquote(part) for part in parts} | {url.partition("://")[2] for url in urls}
    line = " ".join(storable(lines).split())
    for part in sorted(parts, key=len, reverse=True):
        if part:
            line = line.replace(part, "…")
    return line[:_MAX_LINES]
