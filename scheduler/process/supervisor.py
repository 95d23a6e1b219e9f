"""`worker --processes N`: a parent that starts N worker processes and restarts those that die.

    systemd ◄──READY, WATCHDOG, STATUS── parent ◄──the same reports── N children
                                           └─────end of file────────►

The children share nothing.  Each has a socket to the parent (process/sd_notify.py).  Its end of file stops a child as
SIGTERM does: no child outlives a parent that was killed, and a platform that signals the whole process group does not
signal a child twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from minutehand.executor.log import structlog
from minutehand.scheduler.exit_codes import EX_CONFIG
from minutehand.scheduler.process.liveness import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS
from minutehand.scheduler.process.sd_notify import PARENT_SOCKET, SYSTEMD_VARIABLES, ServiceManager
from minutehand.scheduler.process.shutdown import FINAL_SETTLE_SECONDS, stopped_by_signals

#: A child that has reported once and then not for so long is stuck: it is killed and restarted.
STUCK_SECONDS = 60.0
#: After its grace and the final settle: how long a child may take to exit.
EXIT_SECONDS = 3.0

log = structlog.get_logger()


@dataclass(slots=True)
class _Child:
    process: asyncio.subprocess.Process
    connection: asyncio.StreamWriter
    #: On the monotonic clock: when its last WATCHDOG report came.
    reported_at: float | None = None
    status: str = "starting"


@dataclass(kw_only=True)
class Supervisor:
    """Keeps `count` children running, each with the same `command`."""

    count: int
    command: Sequence[str]
    environ: Mapping[str, str]
    manager: ServiceManager
    grace_seconds: float
    #: Children may exit by themselves: --max-jobs or --max-time is set.
    may_exit: bool = False
    #: A child that exits later than this is not restarted.
    max_seconds: float | None = None
    stuck_seconds: float = STUCK_SECONDS
    _children: dict[int, _Child] = field(default_factory=dict)
    _ready: set[int] = field(default_factory=set)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> int:
        """Run the children until all have ended, or a signal stops them.

        Returns the exit code: 78 when a child exits with 78, else the first one that is not 0, else 0.
        """
        watching = asyncio.ensure_future(self._watch())
        with stopped_by_signals(self.stop, at_once=self._kill_all):
            codes = await asyncio.gather(*(self._keep_running(number) for number in range(1, self.count + 1)))
        watching.cancel()
        return EX_CONFIG if EX_CONFIG in codes else next((code for code in codes if code), 0)

    def stop(self) -> None:
        """Stop all children.  One that has not exited after its grace is killed."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        self.manager.notify("STOPPING=1")
        for child in self._children.values():
            _stop(child)
        wait = self.grace_seconds + FINAL_SETTLE_SECONDS + EXIT_SECONDS
        asyncio.get_running_loop().call_later(wait, self._kill_all)

    async def _keep_running(self, number: int) -> int:
        """Run one child, and restart it when it dies.

        Returns the exit code of the last one; 0 when a restart was still waiting at the stop.
        """
        pause = FIRST_RETRY_SECONDS
        restart_until = time.monotonic() + (math.inf if self.max_seconds is None else self.max_seconds)
        while not self._stopped.is_set():
            started = time.monotonic()
            pid, code = await self._run_child(number)
            if code == EX_CONFIG:
                self.stop()
            if self._stopped.is_set() or (code == 0 and self.may_exit) or time.monotonic() > restart_until:
                return code
            if time.monotonic() - started > LONGEST_RETRY_SECONDS:
                pause = FIRST_RETRY_SECONDS
            log.error("process_died", process=number, pid=pid, exit_status=code, pause_seconds=pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), pause)
            pause = min(pause * 2, LONGEST_RETRY_SECONDS)
        return 0

    async def _run_child(self, number: int) -> tuple[int, int]:
        """Run one child until it exits; returns its process id, and its exit code as a shell reports it."""
        ours, theirs = socket.socketpair()
        inherited = {name: value for name, value in self.environ.items() if name not in SYSTEMD_VARIABLES}
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**inherited, PARENT_SOCKET: str(theirs.fileno())},
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        child = self._children[number] = _Child(process, writer)
        if self._stopped.is_set():  # while the child was starting
            _stop(child)
        try:
            async for line in reader:
                self._receive(number, child, line.decode().rstrip("\n"))
        except OSError:
            pass  # it was killed before it had read what we sent
        code = await process.wait()
        del self._children[number]
        writer.close()
        return process.pid, 128 - code if code < 0 else code

    def _receive(self, number: int, child: _Child, fact: str) -> None:
        name, _, value = fact.partition("=")
        if name == "STATUS":
            child.status = value
        elif name == "WATCHDOG":
            child.reported_at = time.monotonic()
        elif name == "READY":
            self._ready.add(number)
            if len(self._ready) == self.count:
                self.manager.notify("READY=1")

    async def _watch(self) -> None:
        """Report the state of the children forever, and kill those that are stuck."""
        while True:
            status = "; ".join(f"{number}: {child.status}" for number, child in sorted(self._children.items()))
            self.manager.notify("WATCHDOG=1", f"STATUS={len(self._children)} of {self.count} processes: {status}")
            await asyncio.sleep(min(self.manager.report_seconds, self.stuck_seconds / 4))
            for number, child in self._children.items():
                if child.reported_at is None or self._stopped.is_set():
                    continue
                silent = time.monotonic() - child.reported_at
                if silent > self.stuck_seconds and child.process.returncode is None:
                    log.error("process_stuck", process=number, pid=child.process.pid, silent_seconds=round(silent))
                    child.process.kill()

    def _kill_all(self) -> None:
        for child in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.process.pid, signal.SIGKILL)


def _stop(child: _Child) -> None:
    with contextlib.suppress(OSError):
        child.connection.write_eof()
