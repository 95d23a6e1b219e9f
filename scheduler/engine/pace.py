"""How many executions a processor claims ahead: what it runs in about a second.

What is claimed and waits in a process cannot be run by another one, and stands before the executions of other tenants,
which only the claim brings into turn.
"""

from __future__ import annotations

import time

#: Rows claimed by one call when there is no budget.  In larger calls each costs the database little less
#: (docs/performance.md).
CLAIM_SIZE = 500
#: What is claimed ahead suffices for so long, at the present pace.
AHEAD_SECONDS = 1.0


class Pace:
    """Measures how many executions end in a second."""

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._ended = 0
        self._since = time.monotonic()
        self._per_second = 0.0

    def count(self) -> None:
        """Count an execution that ended."""
        self._ended += 1

    def claim_size(self) -> int:
        """Return how many executions to claim at most: at least as many as there are lanes."""
        now = time.monotonic()
        seconds = now - self._since
        if self._ended >= self._lanes or seconds > AHEAD_SECONDS:
            self._per_second = self._ended / max(seconds, 0.001)
            self._ended, self._since = 0, now
        return min(CLAIM_SIZE, max(self._lanes, int(self._per_second * AHEAD_SECONDS)))
