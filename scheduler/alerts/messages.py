"""The text of an alert: what is wrong, since when, and which command to run next.  It quotes no client's address."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime

from minutehand.executor.durations import format_duration
from minutehand.store.records import AlertRow

#: Incidents that one message spells out; of the rest it gives the number.
MAX_LISTED = 10

#: Which command to run next, by the kind of incident.
_NEXT = {
    "failures": "minutehand executions ls status:failed{code}{workflow} since:1h",
    "backlog": "minutehand status; minutehand run-once --drain",
    "silence": "minutehand status; check that cron or the worker runs",
    "no_success": "minutehand executions ls since:1h",
    "breaker": "minutehand workflows show {subject}",
    "uncertain": "minutehand executions ls code:uncertain_send",
    "trigger": "minutehand doctor; minutehand trigger add {subject}",
    "set_aside": "minutehand doctor",
    "lost": "minutehand doctor",
    "flood": "minutehand executions ls{workflow} since:1h; minutehand workflows pause {subject}",
    "recipient": "minutehand executions ls{workflow} since:1h; minutehand workflows pause {subject}",
    "copy": "minutehand resume --this-is-production, or: minutehand copy --test-mode",
    "moved": "minutehand resume --this-is-production",
}
#: E-mail addresses and phone numbers.
_ADDRESS = re.compile(r"[^\s<>\"',;:]+@[^\s<>\"',;:]+|\+?\d[\d\s().-]{6,}\d")


def message(incidents: list[AlertRow]) -> tuple[str, str]:
    """Return the title and the text of one message about these incidents.

    >>> since = "2026-03-01T10:00:00+00:00"
    >>> print(*message([{"kind": "lost", "what": "opened", "summary": "changes could not be recorded", "sample": None,
    ...                  "subject": "", "code": "", "opened_at": since, "recovered_at": None}]), sep="\\n")
    Minutehand: changes could not be recorded
    OPENED  changes could not be recorded
        next: minutehand doctor
    """
    if len(incidents) == 1:
        (only,) = incidents
        title = f"{'recovered: ' if only['what'] == 'recovered' else ''}{only['summary']}"
    else:
        counts = Counter(incident["what"] for incident in incidents)
        title = ", ".join(f"{counts[what]} {what}" for what in ("opened", "updated", "recovered") if counts[what])
    lines = [line for incident in incidents[:MAX_LISTED] for line in _lines(incident)]
    if len(incidents) > MAX_LISTED:
        lines.append(f"and {len(incidents) - MAX_LISTED} more: minutehand alerts ls")
    return f"Minutehand: {title}", "\n".join(lines)


def _lines(incident: AlertRow) -> list[str]:
    lines = [f"{incident['what'].upper()}  {incident['summary']}"]
    if incident["what"] == "recovered":
        return [*lines, f"    lasted {_duration(incident)}"]
    if incident["sample"]:
        lines.append(f"    example: {_ADDRESS.sub('…', ' '.join(incident['sample'].split()))}")
    if incident["what"] == "updated":
        lines.append(f"    since {datetime.fromisoformat(incident['opened_at']):%Y-%m-%d %H:%M} UTC")
    values = {
        "code": f" code:{incident['code']}" if incident["code"] else "",
        "workflow": f" workflow:{incident['subject']}" if incident["subject"] else "",
        "subject": incident["subject"],
    }
    return [*lines, f"    next: {_NEXT.get(incident['kind'], 'minutehand status').format(**values)}"]


def _duration(incident: AlertRow) -> str:
    opened, recovered = (datetime.fromisoformat(incident[name] or "") for name in ("opened_at", "recovered_at"))
    minutes = max(round((recovered - opened).total_seconds() / 60), 1)
    return format_duration(minutes * 60)
