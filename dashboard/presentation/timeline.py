"""What happened to one execution, in order: pure functions, shared by its page and `minutehand executions show`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from minutehand.dashboard.presentation.formatting import parse_time, plural, seconds_between, without_time
from minutehand.executor.durations import format_duration
from minutehand.store import Json

#: What a person did, by the name that the attempt history keeps.
_ACTIONS = {
    "retry": "retried",
    "sent": "marked as sent",
    "resend": "sent again",
    "drop": "marked as not sent",
    "release": "released",
}


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened."""

    at: datetime
    kind: str
    text: str
    detail: str = ""
    #: Seconds since the entry before it.
    gap: float = 0.0

    @property
    def gap_size(self) -> int:
        """The size at which the gap is drawn, 0 to 6: by order of magnitude, since gaps last seconds or days."""
        return sum(self.gap >= border for border in (0.05, 1, 10, 60, 3600, 86_400))


#: Time, kind, text and detail of an entry, before they are sorted.
_Facts = list[tuple[str | None, str, str, str]]


def timeline(detail: Json, *, with_recipients: bool) -> list[TimelineEntry]:
    """Return everything that is known to have happened, oldest first."""
    facts = [
        *_origin(detail),
        *_earlier_attempts(detail["attempt_history"]),
        *_last_attempt(detail),
        *_steps(detail["steps"]),
        *_sends(detail, with_recipients),
    ]
    timed = sorted(
        ((at, position, kind, text, extra) for position, (when, kind, text, extra) in enumerate(facts)
         if (at := parse_time(when)) is not None)
    )  # fmt: skip
    entries: list[TimelineEntry] = []
    for at, _, kind, text, extra in timed:
        gap = (at - entries[-1].at).total_seconds() if entries else 0.0
        entries.append(TimelineEntry(at, kind, text, extra, gap))
    return entries


def _origin(detail: Json) -> _Facts:
    event = detail["event"]
    facts: _Facts = []
    if event:
        facts.append((event["occurred_at"], "change", "row changed", ""))
        facts.append((event["matched_at"], "match", "matched the workflow", ""))
    return [*facts, (detail["created_at"], "queue", "created", "")]


def _earlier_attempts(history: list[Json]) -> _Facts:
    facts: _Facts = []
    for entry in history:
        facts.append((entry.get("began"), "claim", *_started(entry.get("worker"), entry.get("attempt"))))
        reason = ": ".join(part for part in (entry.get("code"), entry.get("reason")) if part)
        match entry["what"]:
            case "retry":
                facts.append((entry["at"], "retry", "failed, will retry", reason))
            case "wait":
                due, times = parse_time(entry.get("due")), entry.get("times", 1)
                until = "" if due is None else f" until {due.day} {due:%b %H:%M}"
                repeated = "" if times == 1 else f" ({plural(times, 'time')})"
                facts.append((entry["at"], "wait", f"waiting{until}{repeated}", without_time(reason)))
            case "lost":
                facts.append((entry["at"], "lost", "worker lost", reason))
            case _:
                facts.append((entry["at"], "end", str(entry.get("status")), reason))
                by = f" by {entry['actor']}" if entry.get("actor") else ""
                facts.append((entry.get("due"), "action", _ACTIONS.get(entry.get("by", ""), "run again") + by, ""))
    return facts


def _last_attempt(detail: Json) -> _Facts:
    facts: _Facts = []
    history = detail["attempt_history"]
    claimed = detail["claimed_at"] or detail["started_at"]
    if claimed is not None and not any(parse_time(entry.get("began")) == parse_time(claimed) for entry in history):
        attempt = detail["attempt"] if detail["status"] == "processing" else None
        facts.append((claimed, "claim", *_started(detail["worker"], attempt)))
    if detail["completed_at"]:
        reason = ": ".join(part for part in (detail["code"], detail["reason"]) if part)
        facts.append((detail["completed_at"], "end", detail["status"], reason))
    elif detail["status"] == "pending" and detail["scheduled_at"]:
        facts.append((detail["scheduled_at"], "due", "due again" if history else "due", ""))
    return facts


def _started(worker: str | None, attempt: int | None) -> tuple[str, str]:
    return "started" + (f" on {worker}" if worker else ""), f"attempt {attempt}" if attempt and attempt > 1 else ""


def _steps(records: list[Json]) -> _Facts:
    return [
        (
            record["finishedAt"],
            "step" if record.get("status") == "success" else "retry",
            f"step {record.get('name') or record.get('stepId')}",
            ", ".join(
                part
                for part in (
                    str(record.get("code") or "done"),
                    format_duration(seconds_between(record.get("startedAt"), record["finishedAt"])),
                )
                if part
            ),
        )
        for record in records
        if isinstance(record.get("finishedAt"), str)
    ]


def _sends(detail: Json, with_recipients: bool) -> _Facts:
    """Return the sends of steps that have no entry of their own."""
    timed_steps = {str(record.get("stepId")) for record in detail["steps"] if record.get("finishedAt")}
    return [
        (send["sent_at"], "send", f"{send['channel']}: {send['status']}", send["recipient"] if with_recipients else "")
        for send in detail["sends"]
        if str(send["step"]) not in timed_steps
    ]
