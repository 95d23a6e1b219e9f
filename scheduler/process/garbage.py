"""When Python looks for garbage: not while a command starts and imports its modules, where it finds none."""

from __future__ import annotations

import gc
from typing import Any

#: New objects until the first look.  A run of a few executions makes fewer, so that it never looks.
FIRST_AFTER = 100_000


def put_off() -> None:
    """Look for garbage only after many new objects, and from then on as usual, among those that came since.

    Python's own 700 would have it look a hundred times while it imports modules.
    """
    usual = gc.get_threshold()

    def resume(phase: str, info: dict[str, Any]) -> None:
        if phase == "stop":
            gc.callbacks.remove(resume)
            gc.freeze()
            gc.set_threshold(*usual)

    gc.callbacks.append(resume)
    gc.set_threshold(FIRST_AFTER)


def end() -> None:
    """Look no more: all that is left ends with the process, after which Python would look through it several times."""
    gc.freeze()
