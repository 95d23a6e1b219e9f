"""Files that make other programs run Minutehand: systemd, cron, pg_cron, Docker, platforms with a Procfile, GitHub.

They stand in `files/`, with `@PROGRAM@` where the program's path belongs.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from minutehand.store.errors import BadConfiguration

_FILES = Path(__file__).parent / "files"
#: What each kind consists of.  The later ones are of another machine, where the program is on the PATH, or of none.
KINDS = {
    "systemd": ("minutehand.service", "minutehand.timer", "minutehand-worker.service"),
    "cron": ("crontab",),
    "pg_cron": ("pg_cron.sql",),
    "docker": ("Dockerfile",),
    "procfile": ("Procfile",),
    "actions": ("minutehand.yml",),
}
#: Other characters mean something to systemd or cron, and no installer makes them.
_PLAIN = re.compile(r"/[\w./+@,:=-]*")
#: Where a service with `ProtectHome=yes`, or another account, sees nothing.
_HOMES = ("/home", "/root", "/run/user")


def units(kind: str, program: str) -> dict[str, str]:
    """Return the files of a kind, by their names."""
    common = (_FILES / "common").read_text().rstrip("\n")
    return {
        name: (_FILES / name).read_text().replace("@COMMON@", common).replace("@PROGRAM@", program)
        for name in KINDS[kind]
    }


def program_path() -> str:
    """Return the full path of the command: beside the Python that runs this, else where the shell finds it.

    Errors: `BadConfiguration` when there is none, or none that a unit could name.
    """
    beside = Path(sys.executable).parent / "minutehand"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("minutehand")
    if found is None:
        raise BadConfiguration("the command minutehand is not installed: pipx install, or pip install, makes it")
    path = os.path.abspath(found)
    if not _PLAIN.fullmatch(path):
        raise BadConfiguration(f"units cannot name {path!r}: install it where the path has plain characters only")
    return path


def hidden_part(path: str) -> str | None:
    """Return what of the program lies in a home folder, where a service cannot see it: itself, or its Python."""
    parts = (path, os.path.realpath(path), os.path.realpath(sys.executable))
    return next((part for part in parts if part.startswith(tuple(f"{home}/" for home in _HOMES))), None)
