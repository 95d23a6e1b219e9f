"""The person who runs the command, as stored with each change."""

from __future__ import annotations

import getpass
import socket

from minutehand.store import Actor


def cli_actor() -> Actor:
    """Return the person at the terminal as `login@host`."""
    try:
        login = getpass.getuser()
    except (OSError, KeyError):  # no such user, as in a container that runs under a number
        login = "unknown"
    return Actor(via="cli", name=f"{login}@{socket.gethostname()}")
