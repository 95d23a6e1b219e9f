"""What a backlog means: how long ticks need for it, and what to run instead.  Shared by commands, logs and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minutehand.executor.durations import format_duration

if TYPE_CHECKING:
    from minutehand.store.records import Pace


def ticks_needed(due: int, pace: Pace | None, *, capped: bool = False) -> str:
    """Say how long ticks need for what is due; empty if one tick runs it, or a processor runs without a batch size.

    `capped`: `due` is a count that stopped.

    >>> ticks_needed(500, {"continuous": False, "per_tick": 10, "tick_seconds": 60})
    '10 a tick: 50 min; run with --drain'
    >>> ticks_needed(500, {"continuous": True, "per_tick": 10, "tick_seconds": 60})
    ''
    """
    if pace is None or pace["continuous"] or due <= pace["per_tick"]:
        return ""
    ticks = -(-due // pace["per_tick"])
    duration = format_duration(ticks * pace["tick_seconds"])
    return f"{pace['per_tick']:,} a tick: {'over ' if capped else ''}{duration}; run with --drain"


def backlog_text(due: int, pace: Pace | None, *, capped: bool = False) -> str:
    """Say how much is due and how long ticks need for it; empty where `ticks_needed` is.

    >>> backlog_text(5000, {"continuous": False, "per_tick": 10, "tick_seconds": 60})
    '5,000 due, 10 a tick: 8 h 20 min; run with --drain'
    """
    needed = ticks_needed(due, pace, capped=capped)
    return f"{due:,}{'+' if capped else ''} due, {needed}" if needed else ""
