"""`worker --processes N`: a parent that starts N workers, each a process of its own, and keeps them going.

    systemd ◄──READY, WATCHDOG, STATUS── parent ◄──the same words── N children
                                           └─────end of file──────►

They share nothing; each has a line to the parent (process/sd_notify.py).  Its end of file ends a child as SIGTERM
does: so none outlives a parent that was killed, and where a platform signals all at once, nobody is told twice.
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

import structlog

from minutehand.scheduler.process.liveness import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS
from minutehand.scheduler.process.sd_notify import OF_SYSTEMD, PARENT_LINE, Watcher
from minutehand.scheduler.process.shutdown import FINAL_SETTLE_SECONDS, stopped_by_signals

#: A child whose first word has come and that says no more for so long is stuck: it is killed, and begun anew.
STUCK_SECONDS = 60.0
#: Beyond its grace, what a child may take to end.
END_SECONDS = 3.0
#: sysexits.h: bad configuration, which no new start mends.
EX_CONFIG = 78

log = structlog.get_logger()


@dataclass(slots=True)
class _Child:
    process: asyncio.subprocess.Process
    line: asyncio.StreamWriter
    #: On the monotonic clock: its last word.
    heard_at: float | None = None
    status: str = "starting"


@dataclass(kw_only=True)
class Processes:
    """Children that all run `command`."""

    count: int
    command: Sequence[str]
    environ: Mapping[str, str]
    watcher: Watcher
    grace_seconds: float
    #: Children may come to their own end, by --max-jobs or --max-time.
    may_end: bool = False
    #: Who ends later than this is not replaced.
    max_seconds: float | None = None
    stuck_seconds: float = STUCK_SECONDS
    _children: dict[int, _Child] = field(default_factory=dict)
    _ready: set[int] = field(default_factory=set)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> int:
        """Keep them going until they have ended, or a signal came; returns the exit code: 0, 78, or a child's other."""
        looking = asyncio.ensure_future(self._look_after())
        with stopped_by_signals(self.stop, at_once=self._kill_all):
            codes = await asyncio.gather(*(self._keep(number) for number in range(1, self.count + 1)))
        looking.cancel()
        return EX_CONFIG if EX_CONFIG in codes else next((code for code in codes if code), 0)

    def stop(self) -> None:
        """End all of them; whoever has not ended after its grace is killed."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        self.watcher.tell("STOPPING=1")
        for child in self._children.values():
            _end(child)
        wait = self.grace_seconds + FINAL_SETTLE_SECONDS + END_SECONDS
        asyncio.get_running_loop().call_later(wait, self._kill_all)

    async def _keep(self, number: int) -> int:
        """Keep one place filled.  Returns the exit code of the last that was there; 0 when it was empty at the end."""
        pause = FIRST_RETRY_SECONDS
        over_at = time.monotonic() + (math.inf if self.max_seconds is None else self.max_seconds)
        while not self._stopped.is_set():
            began = time.monotonic()
            pid, code = await self._run_child(number)
            if code == EX_CONFIG:
                self.stop()
            if self._stopped.is_set() or (code == 0 and self.may_end) or time.monotonic() > over_at:
                return code
            if time.monotonic() - began > LONGEST_RETRY_SECONDS:
                pause = FIRST_RETRY_SECONDS
            log.error("process_died", process=number, pid=pid, exit_status=code, pause_seconds=pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), pause)
            pause = min(pause * 2, LONGEST_RETRY_SECONDS)
        return 0

    async def _run_child(self, number: int) -> tuple[int, int]:
        """Run one to its end; returns its process id, and its exit code as a shell tells it."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={
                    **{name: value for name, value in self.environ.items() if name not in OF_SYSTEMD},
                    PARENT_LINE: str(theirs.fileno()),
                },
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        child = self._children[number] = _Child(process, writer)
        if self._stopped.is_set():  # meanwhile
            _end(child)
        try:
            async for line in reader:
                self._hear(number, child, line.decode().rstrip("\n"))
        except OSError:
            pass  # killed with words of ours unread
        code = await process.wait()
        del self._children[number]
        writer.close()
        return process.pid, 128 - code if code < 0 else code

    def _hear(self, number: int, child: _Child, fact: str) -> None:
        name, _, value = fact.partition("=")
        if name == "STATUS":
            child.status = value
        elif name == "WATCHDOG":
            child.heard_at = time.monotonic()
        elif name == "READY":
            self._ready.add(number)
            if len(self._ready) == self.count:
                self.watcher.tell("READY=1")

    async def _look_after(self) -> None:
        """Tell how they are, for ever; and kill who is stuck: another takes its place."""
        while True:
            status = "; ".join(f"{number}: {child.status}" for number, child in sorted(self._children.items()))
            self.watcher.tell("WATCHDOG=1", f"STATUS={len(self._children)} of {self.count} processes: {status}")
            await asyncio.sleep(min(self.watcher.beat_seconds, self.stuck_seconds / 4))
            for number, child in self._children.items():
                if child.heard_at is None or self._stopped.is_set():
                    continue
                silent = time.monotonic() - child.heard_at
                if silent > self.stuck_seconds and child.process.returncode is None:
                    log.error("process_stuck", process=number, pid=child.process.pid, silent_seconds=round(silent))
                    child.process.kill()

    def _kill_all(self) -> None:
        for child in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.process.pid, signal.SIGKILL)


def _end(child: _Child) -> None:
    with contextlib.suppress(OSError):
        child.line.write_eof()
