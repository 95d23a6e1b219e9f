"""Receivers that have just asked this process to slow down: what is about to leave for them asks for a place again.

The database shares the pause between processes (sql/internal/slow_downs.sql); this bridges the moment until it knows.
"""

from __future__ import annotations

import time
from typing import Any

from minutehand.executor.actions.contract import Pace
from minutehand.executor.outcome import StepResult
from minutehand.store import Json

#: How long a refusal is remembered here, in seconds: longer than it takes to settle it.
REMEMBERED_SECONDS = 5.0


class Refusals:
    """The latest refusal of each receiver, as far as this process has seen it."""

    def __init__(self) -> None:
        #: By the pace's key: the number of the refused send's place (0 without one), and when, on the monotonic clock.
        self._latest: dict[str, tuple[int, float]] = {}

    def add(self, pace: Pace, place: Json | None) -> None:
        """Note that a send with this place was refused."""
        now = time.monotonic()
        self._latest = {key: last for key, last in self._latest.items() if now - last[1] < REMEMBERED_SECONDS}
        self._latest[pace.key] = (_number(place), now)

    def covers(self, pace: Pace, place: Json | None) -> bool:
        """Whether a send with this place would follow a refusal that it knows nothing of."""
        number, at = self._latest.get(pace.key, (-1, 0.0))
        return _number(place) <= number and time.monotonic() - at < REMEMBERED_SECONDS


def pace_note(pace: Pace, place: Json | None, result: StepResult) -> Json:
    """Return how a send ended, for `minutehand.note_paces`."""
    note: dict[str, Any] = {"key": pace.key, "name": pace.name, "shared": pace.shared}
    note |= {"slow": result.slow_down, "code": result.code}
    if place is not None:
        note["n"] = place["n"]
    if result.retry_after_seconds is not None:
        note["retry_after_seconds"] = result.retry_after_seconds
    return note


def _number(place: Json | None) -> int:
    return 0 if place is None else int(place["n"])
