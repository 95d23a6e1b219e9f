"""Whether a worker's housekeeping turns over, and the word of it to whoever watches.

Stuck is a beat that neither succeeds nor fails: a new start may mend that.  Idle is not stuck, and neither is a worker
that waits for its database.  A loop that is blocked cannot say even that: its silence tells.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from minutehand.scheduler.process.sd_notify import Watcher

#: A beat is late when it has not turned over within three polls and these seconds.
SLACK_SECONDS = 10.0
#: Between the tries of what has failed: the first wait, and the longest.
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 30.0


class Pulse:
    """One worker's."""

    def __init__(self, watcher: Watcher, poll_seconds: float) -> None:
        self._watcher = watcher
        self._allowed_seconds = 3 * poll_seconds + SLACK_SECONDS
        self._began = time.monotonic()
        self._late_at: float | None = None
        self._away_since: datetime | None = None

    @property
    def is_stuck(self) -> bool:
        """Whether the housekeeping has neither succeeded nor failed for too long."""
        late_at = self._began + self._allowed_seconds if self._late_at is None else self._late_at
        return time.monotonic() > late_at

    @property
    def is_away(self) -> bool:
        """Whether the database could not be asked when it was last tried."""
        return self._away_since is not None

    def turned(self, pause_seconds: float = 0.0) -> None:
        """Note that the housekeeping came to an end, well or not, and how long a pause may follow."""
        if self._late_at is None:
            self._watcher.tell("READY=1")
        self._late_at = time.monotonic() + pause_seconds + self._allowed_seconds

    def away(self) -> None:
        """Note that the database cannot be asked."""
        self._away_since = datetime.now(UTC)

    def back(self) -> None:
        """Note that it can be asked again."""
        self._away_since = None

    async def tell(self, counts: Callable[[], str]) -> None:
        """Tell the watcher at each of its beats how it goes, for ever.  `counts` says what was done so far."""
        while True:
            if self.is_stuck:
                self._watcher.tell("STATUS=stuck: the housekeeping does not come to an end")
            else:
                self._watcher.tell("WATCHDOG=1", f"STATUS={self._status(counts())}")
            await asyncio.sleep(self._watcher.beat_seconds)

    def _status(self, counts: str) -> str:
        if self._away_since is not None:
            return f"the database is away since {self._away_since:%H:%M:%S} UTC; {counts}"
        return "starting" if self._late_at is None else f"working; {counts}"
