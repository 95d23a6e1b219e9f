"""What happened to one execution, in order: pure functions, shared by its page and `minutehand executions show`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

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


#: What an app did to the row, by the event's operation; any other one, ENQUEUE, is no change of it.
_CHANGES = {"INSERT": "row created", "UPDATE": "row changed", "DELETE": "row deleted"}
#: The kinds of entries that end an attempt.
_ENDS = ("retry", "wait", "lost", "end")

#: Time, kind, text and detail of an entry, before they are sorted.
_Facts = list[tuple[str | None, str, str, str]]


def timeline(detail: Json, *, with_recipients: bool) -> list[TimelineEntry]:
    """Return everything that is known to have happened, oldest first."""
    attempts = [*_earlier_attempts(detail["attempt_history"]), *_last_attempt(detail)]
    facts = _merged(attempts, [*_steps(detail["steps"]), *_sends(detail, with_recipients)])
    timed = sorted(_timed([*_origin(detail), *facts]), key=lambda one: one[0])  # equal times stay in this order
    entries: list[TimelineEntry] = []
    for at, kind, text, extra in timed:
        gap = (at - entries[-1].at).total_seconds() if entries else 0.0
        entries.append(TimelineEntry(at, kind, text, extra, gap))
    return entries


def _timed(facts: _Facts) -> list[tuple[datetime, str, str, str]]:
    """Return the entries that have a time."""
    return [(at, *rest) for when, *rest in facts if (at := parse_time(when)) is not None]  # type: ignore[misc]


def _merged(attempts: _Facts, work: _Facts) -> _Facts:
    """Return the entries of attempts with the work in between: before the end of the attempt that did it.

    What a step did and the end of its attempt often have the same time.
    """
    merged: _Facts = []
    work = sorted(work, key=lambda one: parse_time(one[0]) or datetime.max.replace(tzinfo=UTC))
    for fact in attempts:
        if fact[1] in _ENDS and (end := parse_time(fact[0])) is not None:
            done = [one for one in work if (at := parse_time(one[0])) is not None and at <= end]
            merged += done
            work = work[len(done) :]
        merged.append(fact)
    return merged + work


def _origin(detail: Json) -> _Facts:
    """Return the change, the match and the creation.

    `created_at` is when the change happened, also where the match came later; the execution exists since the match.
    A change that was matched again for other workflows says when that was.
    """
    event = detail["event"]
    if not event:
        return [(detail["created_at"], "queue", "created", "")]
    if event["operation"] not in _CHANGES:
        return [(event["occurred_at"], "queue", "enqueued", "")]
    matched, started = parse_time(event["matched_at"]), parse_time(detail["started_at"])
    is_first = matched is not None and (started is None or matched <= started)
    created = event["matched_at"] if is_first else detail["created_at"]
    return [
        (event["occurred_at"], "change", _CHANGES[event["operation"]], ""),
        (created, "match", "matched the workflow", ""),
        (created, "queue", "created", ""),
    ]


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
            "step" if record.get("status") in ("success", "skipped") else "retry",
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
