"""Plays systemd: a socket that a process tells how it goes."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.journeys.app import DEADLINE_SECONDS
from tests.servers import temporary_folder


@dataclass
class Systemd:
    """What was heard so far."""

    line: socket.socket
    address: str
    heard: list[tuple[float, str]] = field(default_factory=list)

    def listen(self, seconds: float) -> list[str]:
        """Listen for so long; gives the facts that came meanwhile."""
        until, known = time.monotonic() + seconds, len(self.heard)
        while (left := until - time.monotonic()) > 0:
            self._hear(left)
        return [fact for _, fact in self.heard[known:]]

    def wait_for(self, fact: str, *, more: int | None = None) -> None:
        """Listen until a fact that begins so has come; or so many `more` of them."""
        until = time.monotonic() + DEADLINE_SECONDS
        wanted = 1 if more is None else self._count(fact) + more
        while self._count(fact) < wanted:
            assert time.monotonic() < until, f"waited in vain for {fact}; heard {self.heard}"
            self._hear(0.1)

    @property
    def facts(self) -> list[str]:
        """All that was heard, in order."""
        return [fact for _, fact in self.heard]

    def _count(self, fact: str) -> int:
        return sum(heard.startswith(fact) for _, heard in self.heard)

    def _hear(self, seconds: float) -> None:
        self.line.settimeout(seconds)
        try:
            words = self.line.recv(4096).decode()
        except TimeoutError:
            return
        self.heard += [(time.monotonic(), fact) for fact in words.splitlines()]


@contextmanager
def systemd(address: str | None = None) -> Iterator[Systemd]:
    """Listen at a path of its own, or at an abstract address (`@…`)."""
    with temporary_folder() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        address = address or str(folder / "notify")
        line.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        yield Systemd(line, address)
