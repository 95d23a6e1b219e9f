"""A real PgBouncer before a test's server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from tests import servers

#: How long it may take to start or to end.
_SECONDS = 20.0
PORT = 6432
#: `trust` needs a list of users.
_USERS = '"postgres" ""\n"minutehand" ""\n'


@dataclass
class Pooler:
    """A PgBouncer; its socket and files are in `folder`."""

    program: str
    folder: Path
    #: The options of `subprocess` that name its account.
    identity: dict[str, Any]
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def url(self, database: str) -> str:
        """The URL of a database through this pooler."""
        return f"postgresql://postgres@/{database}?host={self.folder}&port={PORT}"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.program, self.folder / "ini"], cwd="/", stdout=log, stderr=log, **self.identity
            )
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "pgbouncer does not start"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it at once: its clients are cut off."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_SECONDS)
            self._process = None

    def _answers(self) -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(f"{self.folder}/.s.PGSQL.{PORT}")
            return True
        return False


@contextmanager
def running_pooler(server: str, **settings: str) -> Iterator[Pooler]:
    """A PgBouncer before the server of this URL, with these settings: `pool_mode`, `default_pool_size`, …"""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    servers.require(program, "no pgbouncer")
    parts = conninfo_to_dict(server)
    with servers.temporary_folder() as folder:
        identity: dict[str, Any] = {}
        if os.geteuid() == 0:  # it does not run as root
            owner = Path(str(parts["host"])).stat()
            identity = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": ()}
            os.chown(folder, owner.st_uid, owner.st_gid)
        values = {
            "unix_socket_dir": str(folder),
            "listen_port": str(PORT),
            "auth_type": "trust",
            "auth_file": str(folder / "users"),
            "ignore_startup_parameters": "extra_float_digits",
            **settings,
        }
        lines = "".join(f"{name} = {value}\n" for name, value in values.items())
        target = f"host={parts['host']} port={parts.get('port') or 5432}"
        (folder / "ini").write_text(f"[databases]\n* = {target}\n[pgbouncer]\n{lines}")
        (folder / "users").write_text(_USERS)
        pooler = Pooler(str(program), folder, identity)
        pooler.start()
        try:
            yield pooler
        finally:
            pooler.stop()
