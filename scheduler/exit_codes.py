"""The exit codes that tell errors apart (sysexits.h)."""

from __future__ import annotations

from minutehand.store.errors import BadConfiguration, BadRequest, StoreError

EX_USAGE = 2  # click's own, instead of the 64 of sysexits.h
EX_UNAVAILABLE = 69
#: Supervisors do not restart a process that exits with it: a restart fixes nothing.
EX_CONFIG = 78


def exit_code(error: StoreError) -> int:
    """Return the exit code of a command that this error ended."""
    if isinstance(error, BadConfiguration):
        return EX_CONFIG
    return EX_USAGE if isinstance(error, BadRequest) else EX_UNAVAILABLE
