"""Which failed calls are repeated, and for how long (R18)."""

from __future__ import annotations

import time
from enum import Enum, auto

from minutehand.store.errors import BadConfiguration, Conflict, MissingRight, SchemaMismatch, StoreError, Unreachable

#: For a moment: so many tries, within so long (one call alone may take `CALL_SECONDS`).
SHORT_TRIES, SHORT_SECONDS = 4, 45.0
#: What an execution depends on is repeated for a minute: a gateway's fault, a restart and a failover take less.
LONG_SECONDS = 60.0
#: A database that accepted calls before is believed after it has refused them for so long.
REFUSED_SECONDS = 60.0
#: Between two tries: the first pause, how much longer each next one is, and the longest.
FIRST_PAUSE_SECONDS, PAUSE_GROWS, LONGEST_PAUSE_SECONDS = 0.1, 5, 5.0


class Acceptance:
    """Whether a database has accepted a call, and since when it refuses which."""

    def __init__(self) -> None:
        self._accepted: set[str] = set()
        #: By function.
        self._refused_since: dict[str, float] = {}

    @property
    def accepted(self) -> bool:
        """Whether any call has succeeded."""
        return bool(self._accepted)

    def record(self, function: str) -> None:
        """Record that a call succeeded."""
        self._accepted.add(function)
        self._refused_since.pop(function, None)

    def judge(self, function: str, error: StoreError) -> StoreError:
        """Return what the error means: a refusal by a database that accepted calls before may well pass.

        A schema that lacks something does not come back by itself; only a gateway may be wrong about it.
        """
        is_refusal = isinstance(error, BadConfiguration) and (error.passing or not isinstance(error, SchemaMismatch))
        if not self._accepted or not is_refusal:
            return error
        if isinstance(error, MissingRight) and function not in self._accepted:
            return error
        now = time.monotonic()
        if now - self._refused_since.setdefault(function, now) >= REFUSED_SECONDS:
            return error
        return Unreachable(str(error), passing=True)


def is_away(error: StoreError) -> bool:
    """Return whether the same call may be accepted later, without anybody changing anything."""
    return isinstance(error, Unreachable) or error.passing


class Repeat(Enum):
    """When a call is repeated."""

    NEVER = auto()
    """It might be done twice, or the next pass makes it anyway."""
    READ = auto()
    """A person waits for it: for a moment, where something answered that may accept it then."""
    QUEUE = auto()
    """A processor repeats it anyway: for a moment."""
    EXECUTION = auto()
    """An execution depends on it: for a minute, unless nothing ever answered."""


#: Calls of a processor, which a fault that passes must not end.  People are told at once.
PROCESSORS = (Repeat.QUEUE, Repeat.EXECUTION)


def pause_after(error: StoreError, repeat: Repeat, tries: int, seconds: float, accepted: bool) -> float | None:
    """Return how long to wait before a call is repeated; None: it is not repeated.

    `tries` were made within `seconds`.  `accepted`: whether any call has succeeded.
    """
    is_passing = is_away(error)
    if repeat is Repeat.NEVER or not (is_passing or isinstance(error, Conflict)):
        return None
    if repeat is Repeat.READ and not error.passing:
        return None
    is_long = repeat is Repeat.EXECUTION and is_passing and (accepted or error.passing)
    left = (LONG_SECONDS if is_long else 0.0) - seconds
    if left <= 0 and (tries >= SHORT_TRIES or seconds >= SHORT_SECONDS):
        return None
    pause: float = min(FIRST_PAUSE_SECONDS * PAUSE_GROWS ** min(tries - 1, 9), LONGEST_PAUSE_SECONDS)
    return min(max(pause, error.retry_after_seconds or 0.0), max(left, LONGEST_PAUSE_SECONDS))
