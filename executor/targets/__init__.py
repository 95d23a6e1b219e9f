"""Targets: where the `notify` action and alerts send messages for people.  A URL names one; its scheme says which kind.

Apprise serves every scheme that no plug-in claims under the entry-point group `minutehand.targets` (docs/extending.md).
The URLs hold secrets: no part of one is ever shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from minutehand.executor.registry import BrokenPlugIn, Registry


class UnknownTarget(Exception):
    """Nothing serves this URL, or the URL is malformed."""


class NotAccepted(Exception):
    """A target did not accept a message; the exception's message says why, without any part of the URL."""


class Target(Protocol):
    """One place that messages for people go to."""

    async def send(self, title: str, text: str) -> None:
        """Send one message.  Errors: `NotAccepted`."""
        ...


#: By URL scheme: what makes a target of a URL.  It raises `UnknownTarget` when the URL is malformed.
TARGETS: Registry[Callable[[str], Target]] = Registry("target", group="minutehand.targets", built_in={})


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What became of one message to several targets."""

    #: Whether each target accepted it, in the order of the URLs; nothing is sent where one is unknown.
    accepted: tuple[bool, ...]
    #: Which URLs no target could be made of, counted from 1.
    unknown: tuple[int, ...] = ()
    #: Why a target is unknown or did not accept it, without any part of a URL.
    reason: str = ""

    @property
    def slow_down(self) -> bool:
        """Whether a target says that it gets too much (429)."""
        return bool(re.search(r"\b429\b|too many requests|rate.?limit", self.reason, re.IGNORECASE))


async def send_to_all(urls: tuple[str, ...], title: str, text: str) -> Deliveries:
    """Send one message to each target, to all at the same time."""
    import asyncio  # the command line imports this module to read the names of targets

    targets = [_open(url) for url in urls]
    if unknown := {number: target for number, target in enumerate(targets, start=1) if isinstance(target, str)}:
        return Deliveries((False,) * len(urls), tuple(unknown), "; ".join(dict.fromkeys(unknown.values())))
    known = [target for target in targets if not isinstance(target, str)]
    with _apprise_log(urls) as log_lines:
        ends = await asyncio.gather(*(target.send(title, text) for target in known), return_exceptions=True)
        reasons = [_reason(end) for end in ends if end is not None] + [log_lines()]
    return Deliveries(tuple(end is None for end in ends), reason="; ".join(filter(None, reasons)))


def _reason(error: BaseException) -> str:
    """Say why a target did not accept a message.  The words of any other error may quote a URL."""
    return str(error) if isinstance(error, NotAccepted) else f"the target failed: {type(error).__name__}"


@contextmanager
def _apprise_log(urls: tuple[str, ...]) -> Iterator[Callable[[], str]]:
    """Capture Apprise's log lines, if Apprise serves one of the URLs."""
    if all(_scheme(url) in TARGETS for url in urls):
        yield lambda: ""
        return
    from minutehand.executor.targets.apprise import log_lines

    with log_lines(urls) as lines:
        yield lines


def _open(url: str) -> Target | str:
    """Return one target, or why there is none."""
    try:
        if (scheme := _scheme(url)) in TARGETS:
            return TARGETS.load(scheme)(url)
        from minutehand.executor.targets.apprise import AppriseTarget

        return AppriseTarget(url)
    except UnknownTarget:
        return "nothing serves such a URL; check its spelling"
    except BrokenPlugIn as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  a plug-in may raise anything
        return _reason(error)


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()
