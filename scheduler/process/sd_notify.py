"""The protocol of sd_notify(3): a process reports its state to what started it.

systemd                   one datagram to NOTIFY_SOCKET for each report
`worker --processes N`    lines to the parent over a socket pair, whose end of file means: stop

READY=1       it works, or would if the database were reachable: a restart does not help there
WATCHDOG=1    it is not stuck
STATUS=…      one line for people
STOPPING=1    it is stopping
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping

#: The variable with the file descriptor of a child's socket to its parent.
PARENT_SOCKET = "MINUTEHAND_PARENT_SOCKET"
#: The variables that systemd sets for the process that it started.  A child of that process must not inherit them.
SYSTEMD_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
#: systemd reads at once, but its queue may be full for a moment.
SEND_SECONDS = 0.2


class ServiceManager:
    """What started this process and watches it.  This one is nothing: it takes reports, and never stops the process."""

    #: How often it wants a report.
    report_seconds = 5.0

    def notify(self, *facts: str) -> None:
        """Send `NAME=value` facts.  A report that cannot be sent is dropped: no work waits for it."""

    @contextlib.contextmanager
    def stops_by(self, stop: Callable[[], None]) -> Iterator[None]:
        """Call `stop` when the manager asks for it, or is gone, while the block runs."""
        yield


class Systemd(ServiceManager):
    """systemd, at the address of its socket."""

    def __init__(self, address: str, watchdog_seconds: float | None) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        if watchdog_seconds is not None:  # sd_watchdog_enabled(3) recommends half of it
            self.report_seconds = min(self.report_seconds, watchdog_seconds / 2)

    def notify(self, *facts: str) -> None:
        """See `ServiceManager.notify`."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(SEND_SECONDS)
            sender.sendto(_encoded(facts), self._address)


class ParentProcess(ServiceManager):
    """The supervisor of `worker --processes`, at the other end of a socket pair."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.setblocking(False)
        connection.set_inheritable(False)

    def notify(self, *facts: str) -> None:
        """See `ServiceManager.notify`."""
        with contextlib.suppress(OSError):
            self._connection.send(_encoded(facts))

    @contextlib.contextmanager
    def stops_by(self, stop: Callable[[], None]) -> Iterator[None]:
        """See `ServiceManager.stops_by`.  The parent sends nothing: what becomes readable is its end of file."""
        loop = asyncio.get_running_loop()

        def on_end_of_file() -> None:
            loop.remove_reader(self._connection)
            stop()

        loop.add_reader(self._connection, on_end_of_file)
        try:
            yield
        finally:
            loop.remove_reader(self._connection)


def service_manager(environ: Mapping[str, str]) -> ServiceManager:
    """Return what watches this process, by the environment that it was started with."""
    if descriptor := environ.get(PARENT_SOCKET):
        return ParentProcess(socket.socket(fileno=int(descriptor)))
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return ServiceManager()
    watchdog = environ.get("WATCHDOG_USEC", "")
    is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return Systemd(address, int(watchdog) / 1e6 if watchdog.isdecimal() and is_ours else None)


def _encoded(facts: tuple[str, ...]) -> bytes:
    return "".join(f"{' '.join(fact.split())}\n" for fact in facts).encode()
