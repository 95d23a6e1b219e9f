"""Files that make other programs run Minutehand: systemd, cron, pg_cron, Docker, Procfile platforms, GitHub Actions.

The templates are in `files/`, with `@PROGRAM@` in place of the program's path.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from minutehand.store.errors import BadConfiguration

_FILES = Path(__file__).parent / "files"
#: The files of each kind.
KINDS = {
    "systemd": ("minutehand.service", "minutehand.timer", "minutehand-worker.service"),
    "cron": ("crontab",),
    "pg_cron": ("pg_cron.sql",),
    "docker": ("Dockerfile",),
    "procfile": ("Procfile",),
    "actions": ("minutehand.yml",),
}
#: systemd and cron give other characters a meaning.
_PLAIN = re.compile(r"/[\w./+@,:=-]*")
#: Folders that a service with `ProtectHome=yes`, or another account, cannot read.
_HOMES = ("/home", "/root", "/run/user")


def units(kind: str, program: str) -> dict[str, str]:
    """Return the files of a kind, by name."""
    common = (_FILES / "common").read_text(encoding="utf-8").rstrip("\n")
    return {
        name: (_FILES / name).read_text(encoding="utf-8").replace("@COMMON@", common).replace("@PROGRAM@", program)
        for name in KINDS[kind]
    }


def program_path() -> str:
    """Return the full path of the command: next to the Python that runs this, else on the PATH.

    Errors: `BadConfiguration` when it is not installed, or a unit cannot contain its path.
    """
    beside = Path(sys.executable).parent / "minutehand"
    command = str(beside) if os.access(beside, os.X_OK) else shutil.which("minutehand")
    if command is None:
        raise BadConfiguration("the command minutehand is not installed: install it with pipx or pip")
    path = os.path.abspath(command)
    if not _PLAIN.fullmatch(path):
        raise BadConfiguration(
            f"a unit cannot contain the path {path!r}: install it where the path has plain characters only"
        )
    return path


def hidden_part(path: str) -> str | None:
    """Return the path of the program or its Python that is in a home folder, where a service cannot read it."""
    parts = (path, os.path.realpath(path), os.path.realpath(sys.executable))
    return next((part for part in parts if part.startswith(tuple(f"{home}/" for home in _HOMES))), None)
