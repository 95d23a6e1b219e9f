"""Commands without the half second of imports: one process has imported everything and forks for each command.

A command has a process, a folder, an environment and streams of its own, as `python -m` would give it.  How it starts
from nothing is tested where that matters: tests/unit/test_imports.py, test_cron.py, all that runs in the background.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: The interpreter and its libraries read these when they start, so that a fork would not heed them.
_READ_AT_START = ("PYTHON", "LC_", "LANG", "TZ", "SSL_", "OPENSSL_", "LD_")
_ENCODING = {"LANG": "C.UTF-8"}


def can_run(environment: Mapping[str, str]) -> bool:
    """Whether a fork does what a new process in this environment does."""
    return sys.platform == "linux" and all(
        value == _ENCODING.get(name) for name, value in environment.items() if name.startswith(_READ_AT_START)
    )


def run(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path, stdin: str, seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run the command until it exits.  Errors: `subprocess.TimeoutExpired`, after it was killed."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        with socket.socket(socket.AF_UNIX) as server, server.makefile("rw") as lines:
            server.connect(bytes.fromhex(_address()))
            server.settimeout(seconds)
            socket.send_fds(server, [b"\n"], [given.fileno(), out.fileno(), err.fileno()])
            lines.write(json.dumps([list(arguments), dict(environment), str(folder)]) + "\n")
            lines.flush()
            process = int(lines.readline())
            try:
                code = int(lines.readline())
            except TimeoutError:
                os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(arguments), seconds) from None
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(list(arguments), code, out.read().decode(), err.read().decode())


@functools.cache
def _address() -> str:
    """Start the process that forks; it ends with this one, which holds the other end of its standard input."""
    environment = {"PATH": os.environ["PATH"], **_ENCODING}
    process = subprocess.Popen(
        [sys.executable, "-P", __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(process.communicate)  # which closes its standard input
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _serve() -> None:
    """Answer each connection in a fork, until standard input ends."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("")  # a name of the kernel's choice, without a file
    listener.listen(64)
    print(listener.getsockname().hex(), flush=True)
    waited: list[Any] = [listener, sys.stdin]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies of those that have answered
    while sys.stdin not in select.select(waited, [], [])[0]:
        server, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _answer(server)
        server.close()


def _answer(server: socket.socket) -> None:
    """Run the command in a fork, and tell the caller its process and then its exit code."""
    _, streams, _, _ = socket.recv_fds(server, 1, 3)
    lines = server.makefile("rw")
    arguments, environment, folder = json.loads(lines.readline())
    command = os.fork()
    if command:
        print(command, file=lines, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(command, 0)[1]), file=lines, flush=True)
        os._exit(0)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, 256)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.orig_argv[1:] = ["-m", main.__module__, *arguments]  # by which a worker starts its processes
    sys.argv[1:] = arguments
    main()


if __name__ == "__main__":
    import minutehand
    from minutehand.scheduler.cli.main import main

    for module in pkgutil.walk_packages(minutehand.__path__, "minutehand."):
        importlib.import_module(module.name)
    gc.freeze()
    _serve()
