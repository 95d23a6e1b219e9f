"""Telling people at Apprise's targets.  Its URLs and its log lines hold secrets: neither is shown."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from minutehand.executor.text.unicode_checks import storable

if TYPE_CHECKING:
    from apprise import Apprise

_KEPT_WORDS = 300


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a message."""

    #: Whether each target took it, in the order of the URLs; nobody is told where one is unknown.
    took: tuple[bool, ...]
    #: Which URLs Apprise does not know, counted from 1.
    unknown: tuple[int, ...]
    #: Its own words, without any part of a URL.
    words: str


async def tell(urls: tuple[str, ...], title: str, text: str) -> Told:
    """Send one message to each target, to all at the same time."""
    import logging

    from apprise import LogCapture

    logging.getLogger("apprise").propagate = False  # its lines may quote a URL
    with LogCapture(level=logging.WARNING, fmt="%(message)s") as said:  # type: ignore[no-untyped-call]
        targets = [_target(url) for url in urls]
        if unknown := tuple(number for number, target in enumerate(targets, start=1) if target is None):
            return Told((False,) * len(urls), unknown, "")
        known = [target for target in targets if target is not None]
        took = await asyncio.gather(*(target.async_notify(body=text, title=title) for target in known))
        return Told(tuple(answer is True for answer in took), (), _without_secrets(said.getvalue(), urls))


def _target(url: str) -> Apprise | None:
    """Return one target, or None where Apprise does not know the URL."""
    from apprise import Apprise

    target = Apprise()
    return target if target.add(url) else None


def _without_secrets(said: str, urls: tuple[str, ...]) -> str:
    """Return Apprise's own words in one line, without any part of a target's URL.

    >>> _without_secrets("no connection to chat.example/s3cret", ("json://chat.example/s3cret",))
    'no connection to …'
    """
    parts = {part for url in urls for part in re.split(r"[/:@?&=#,]+", url.partition("://")[2]) if len(part) > 2}
    parts |= {unquote(part) for part in parts} | {url.partition("://")[2] for url in urls}
    line = " ".join(storable(said).split())
    for part in sorted(parts, key=len, reverse=True):
        if part:
            line = line.replace(part, "…")
    return line[:_KEPT_WORDS]
