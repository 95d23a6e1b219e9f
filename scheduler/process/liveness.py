"""A worker's liveness, reported to systemd or to the parent process.

A worker is stuck when a pass of its housekeeping neither succeeds nor fails; a restart may fix that.  An idle worker is
not stuck, nor is one that waits for its database.  A worker whose event loop is blocked reports nothing, and its
silence is the report.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from minutehand.scheduler.process.sd_notify import ServiceManager

#: The housekeeping is late when it has not finished within three polls and these seconds.
SLACK_SECONDS = 10.0
#: Between the tries of what has failed: the first wait, and the longest.
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 30.0


class Liveness:
    """The liveness of one worker."""

    def __init__(self, manager: ServiceManager, poll_seconds: float) -> None:
        self._manager = manager
        self._allowed_seconds = 3 * poll_seconds + SLACK_SECONDS
        self._started = time.monotonic()
        self._late_at: float | None = None
        self._unreachable_since: datetime | None = None

    @property
    def is_stuck(self) -> bool:
        """Whether the housekeeping has neither succeeded nor failed for too long."""
        late_at = self._started + self._allowed_seconds if self._late_at is None else self._late_at
        return time.monotonic() > late_at

    @property
    def is_database_unreachable(self) -> bool:
        """Whether the database did not answer when it was last tried."""
        return self._unreachable_since is not None

    def record_housekeeping(self, *, next_within_seconds: float = 0.0) -> None:
        """Record that a pass of the housekeeping ended, in success or failure, and how long a pause may follow."""
        if self._late_at is None:
            self._manager.notify("READY=1")
        self._late_at = time.monotonic() + next_within_seconds + self._allowed_seconds

    def record_unreachable(self) -> None:
        """Record that the database does not answer."""
        self._unreachable_since = datetime.now(UTC)

    def record_reachable(self) -> None:
        """Record that the database answers again."""
        self._unreachable_since = None

    async def report(self, counts: Callable[[], str]) -> None:
        """Report to the service manager as often as it wants, forever.  `counts` says what has run so far."""
        while True:
            if self.is_stuck:
                self._manager.notify("STATUS=stuck: the housekeeping does not finish")
            else:
                self._manager.notify("WATCHDOG=1", f"STATUS={self._status(counts())}")
            await asyncio.sleep(self._manager.report_seconds)

    def _status(self, counts: str) -> str:
        if self._unreachable_since is not None:
            return f"database unreachable since {self._unreachable_since:%H:%M:%S} UTC; {counts}"
        return "starting" if self._late_at is None else f"working; {counts}"
