"""How times, numbers and executions are written for people: pure functions, shared by pages and commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from minutehand.executor.durations import format_duration
from minutehand.executor.text.display import json_text
from minutehand.store import Json

#: The sign of each status.  It stands beside the word, since many people cannot tell the colours apart.
SIGNS = {
    "pending": "○",
    "processing": "◐",
    "completed": "✓",
    "failed": "✕",
    "skipped": "»",
    "cancelled": "⊘",
    "uncertain": "?",
}

#: Characters of a value that a page shows.
MAX_VALUE = 100_000


def step_notes(record: Json | None) -> list[str]:
    """Return the notes in a step's record: what of the step was not read, or is not supported.

    >>> step_notes({"result": {"type": "email", "notes": ["`bccc` is not read"]}}), step_notes({"result": None})
    (['`bccc` is not read'], [])
    """
    result = (record or {}).get("result")
    notes = result.get("notes") if isinstance(result, dict) else None
    return [note for note in notes if isinstance(note, str)] if isinstance(notes, list) else []


def parse_time(text: str | datetime | None) -> datetime | None:
    """Return a time that the database wrote; None if there is none, it is infinite, or an app wrote something else.

    >>> parse_time("2026-03-01T10:00:00+00:00"), parse_time("infinity"), parse_time(None)
    (datetime.datetime(2026, 3, 1, 10, 0, tzinfo=datetime.timezone.utc), None, None)
    """
    if text is None or isinstance(text, datetime):
        return text
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def seconds_between(begin: str | None, end: str | None) -> float | None:
    """Return the seconds between two times; None if one is missing."""
    first, last = parse_time(begin), parse_time(end)
    return None if first is None or last is None else max(0.0, (last - first) / timedelta(seconds=1))


def number(value: int, *, cap: int | None = None) -> str:
    """Write a number.  A count that stopped at `cap` ends with a plus sign.

    >>> number(1234), number(10_000, cap=10_000)
    ('1,234', '10,000+')
    """
    return f"{value:,}" + ("+" if cap is not None and value >= cap else "")


def plural(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun.

    >>> plural(1, "row"), plural(3, "row"), plural(0, "reply", "replies")
    ('1 row', '3 rows', '0 replies')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def label(row: Mapping[str, Any], *, write: Callable[[str], str] = str) -> str:
    """Name an execution by its row and the change that started it: `jobs J-2019: scheduled → completed`.

    `write` writes each value.
    """
    parts = row.get("label") or {}
    name = " ".join(write(part) for part in (str(parts.get("table") or ""), row["entity_id"] or "") if part)
    old, new = parts.get("old_status"), parts.get("new_status")
    if new is not None and old != new:
        change = " → ".join(write(_status(one)) for one in (old, new) if one is not None)
        return f"{name}: {change}" if name else change
    operation = {"INSERT": "new", "DELETE": "deleted", "ENQUEUE": "enqueued"}.get(str(parts.get("operation")))
    return f"{name}: {operation}" if name and operation else name or "no row"


def status_reason(row: Json, now: datetime) -> str:
    """Say why an execution waits, or why it ended as it did; empty for one that completed."""
    reason = str(row.get("reason") or "")
    if row["status"] == "processing":
        since = parse_time(row.get("claimed_at"))
        elapsed = "" if since is None else f" for {format_duration(max(0, round((now - since).total_seconds())))}"
        return f"running on {row.get('worker') or 'an unknown processor'}{elapsed}"
    if row["status"] != "pending":
        return f"{row['code']}: {reason}" if row.get("code") and reason else reason or str(row.get("code") or "")
    due = parse_time(row.get("scheduled_at"))
    left = format_duration(max(round((due - now).total_seconds()), 1)) if due is not None and due > now else ""
    if row.get("paused"):
        return str(row["paused"]) + (f"; due in {left}" if left else "")
    if left:
        if row.get("code") in (None, "waiting"):
            return f"waiting {left}" + (f": {without_time(reason)}" if reason else "")
        next_run = f"retry in {left}" if row["attempt"] else f"continues in {left}"
        return f"{next_run} (attempt {row['attempt'] + 1} of {row['max_attempts'] or '?'}): {reason}"
    return str(row.get("waits_for") or "due now")


def attempt_text(row: Json) -> str:
    """Say which attempt is the last one of how many; empty before the first.

    >>> attempt_text({"attempt": 2, "max_attempts": 5}), attempt_text({"attempt": 0, "max_attempts": 5})
    ('2 of 5', '')
    """
    if not row["attempt"]:
        return ""
    return f"{row['attempt']} of {row['max_attempts']}" if row["max_attempts"] else str(row["attempt"])


def without_time(reason: str) -> str:
    """Drop the time at the end of a wait's reason, for places that show it in another form.

    >>> without_time("step 2 (wait): until 2026-03-01T10:00:00+00:00")
    'step 2 (wait)'
    """
    return re.sub(r": until \S+$", "", reason)


def inline_value(value: Any) -> str:
    """Write a JSON value on one line; a text is written without quotes.  A long one is cut, and says so."""
    return _cut(value if isinstance(value, str) else json_text(value))


def pretty_json(value: Any) -> str:
    """Write a JSON value with indentation; one that is too long for it on one line."""
    line = json_text(value)
    return json_text(value, indent=2) if len(line) <= MAX_VALUE else _cut(line)


def _cut(text: str) -> str:
    """Return a text for a page.

    >>> _cut("x" * 100_007)[-46:]
    'xx … (the first 100,000 of 100,007 characters)'
    """
    if len(text) <= MAX_VALUE:
        return text
    return f"{text[:MAX_VALUE]} … (the first {MAX_VALUE:,} of {len(text):,} characters)"


def _status(status: Any) -> str:
    return str(status) if status not in (None, "") else "∅"
