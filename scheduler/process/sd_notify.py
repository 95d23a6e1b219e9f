"""Tells whoever watches this process how it goes, in the words of sd_notify(3).

systemd                   a datagram to NOTIFY_SOCKET
`worker --processes N`    lines to the parent over a socket pair; its end of file says: end, or: the parent is gone

READY=1       it works, or would if the database were there: that no new start mends
WATCHDOG=1    it is not stuck
STATUS=…      a line for a person
STOPPING=1    it was told to end
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping

#: Names a child's line to its parent, by its number.
PARENT_LINE = "MINUTEHAND_PARENT_LINE"
#: What systemd sets for the process that it started, and for no child of that.
OF_SYSTEMD = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
#: systemd reads at once, but for a moment its queue may be full.
LONGEST_TELL_SECONDS = 0.2


class Watcher:
    """Whoever watches this process: nobody."""

    #: How often to tell.
    beat_seconds = 5.0

    def tell(self, *facts: str) -> None:
        """Say facts, `NAME=value` each.  What cannot be said is lost: no work waits for a watcher."""

    @contextlib.contextmanager
    def obeyed(self, stop: Callable[[], None]) -> Iterator[None]:
        """Call `stop` when the watcher says so, or is gone, while the block runs."""
        yield


class Systemd(Watcher):
    """systemd, at the address of its socket."""

    def __init__(self, address: str, watchdog_seconds: float | None) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        if watchdog_seconds is not None:  # half of it is what systemd asks for; oftener, a late one costs nothing
            self.beat_seconds = min(self.beat_seconds, watchdog_seconds / 2)

    def tell(self, *facts: str) -> None:
        """See `Watcher.tell`."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.settimeout(LONGEST_TELL_SECONDS)
            line.sendto(_words(facts), self._address)


class Parent(Watcher):
    """The parent, at the other end of a line."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        line.setblocking(False)
        line.set_inheritable(False)

    def tell(self, *facts: str) -> None:
        """See `Watcher.tell`."""
        with contextlib.suppress(OSError):
            self._line.send(_words(facts))

    @contextlib.contextmanager
    def obeyed(self, stop: Callable[[], None]) -> Iterator[None]:
        """See `Watcher.obeyed`.  A parent says nothing but its end."""
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(self._line)
            stop()

        loop.add_reader(self._line, ended)
        try:
            yield
        finally:
            loop.remove_reader(self._line)


def watcher_of(environ: Mapping[str, str]) -> Watcher:
    """Return who watches this process, by the environment that it was started with."""
    if line := environ.get(PARENT_LINE):
        return Parent(socket.socket(fileno=int(line)))
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return Watcher()
    watchdog = environ.get("WATCHDOG_USEC", "")
    is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return Systemd(address, int(watchdog) / 1e6 if watchdog.isdecimal() and is_ours else None)


def _words(facts: tuple[str, ...]) -> bytes:
    return "".join(f"{' '.join(fact.split())}\n" for fact in facts).encode()
