"""The drivers as processes: what they say, and what they and the server used of the machine (Linux: /proc)."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")
#: How long a worker may be silent, and how long it may take to stop.
SILENT_SECONDS = 120
STOP_SECONDS = 30


class Broken(Exception):
    """A driver did not do what it should; the message says what."""


@dataclass(frozen=True, slots=True)
class Program:
    """How the driver of one peer is called for one database."""

    name: str
    command: list[str]
    environment: dict[str, str]

    def call(self, *arguments: str) -> list[dict[str, Any]]:
        """Run it to its end, and return what it said.  Raises `Broken`."""
        done = subprocess.run(
            [*self.command, *arguments],
            env=self.environment,
            cwd="/",  # without the `.env` of the current folder
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Broken(f"{self.name} {arguments[0]} ended with {done.returncode}: {done.stderr[-500:]}")
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    @contextmanager
    def workers(self, count: int, kind: str, port: int) -> Iterator[list[Worker]]:
        """Start workers that wait for `go`; at the end they are stopped."""
        workers = [Worker(self, kind, port) for _ in range(count)]
        try:
            for worker in workers:
                worker.wait_until_ready()
            yield workers
        finally:
            for worker in workers:
                worker.stop()


@dataclass(slots=True)
class Worker:
    """One running worker."""

    program: Program
    kind: str
    port: int
    total: int = 0
    #: When each execution of the kind `start` started.
    starts: dict[int, float] = field(default_factory=dict)
    _process: subprocess.Popen[str] = field(init=False)
    _said: queue.SimpleQueue[dict[str, Any]] = field(init=False, default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        self._process = subprocess.Popen(
            [*self.program.command, "work", self.kind, str(self.port)],
            env=self.program.environment,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                self._said.put(json.loads(line))

    def wait_until_ready(self) -> None:
        """Wait for its first message."""
        try:
            self._said.get(timeout=SILENT_SECONDS)
        except queue.Empty:
            raise Broken(f"{self.program.name} does not become ready") from None

    def go(self) -> None:
        """Let it begin."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def listen(self) -> None:
        """Note all that it has said until now.  Raises `Broken` when it ended."""
        if self._process.poll() is not None and self._process.returncode != 0:
            raise Broken(f"a worker of {self.program.name} ended with {self._process.returncode}")
        while not self._said.empty():
            message = self._said.get()
            self.total = message.get("ran", self.total)
            if "start" in message:
                self.starts[message["start"]] = message["at"]

    def used(self) -> tuple[float, float]:
        """Return its CPU seconds and its peak RSS in MB."""
        return cpu_seconds(self._process.pid), peak_rss_mb(self._process.pid)

    def stop(self) -> None:
        """Close its stdin, and wait for its end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        time.sleep(0.05)  # for the reading thread
        while not self._said.empty():
            message = self._said.get()
            self.total = message.get("ran", self.total)


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process and of its children that ended."""
    values = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(value) for value in values[11:15]) / _TICKS


def peak_rss_mb(pid: int) -> float:
    """Return the most memory that a process held."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def server_cpu_seconds(data: str) -> float:
    """Return the time of the server in this data folder and of all its processes."""
    postmaster = int((Path(data) / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    total = cpu_seconds(postmaster)
    for child in children:
        try:
            total += cpu_seconds(int(child))
        except FileNotFoundError:
            continue  # it ended just now, and counts at the next call
    return total
