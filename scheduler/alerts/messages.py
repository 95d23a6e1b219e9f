"""What an alert says: what is wrong, since when, and what to type next.  No address of a client's stands in it."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime

from minutehand.store import Json

#: Incidents that are written out in one message; of the rest the number is told.
WRITTEN = 10

#: What to type, by the kind of incident.
_NEXT = {
    "failures": "minutehand executions ls status:failed{code}{workflow} since:1h",
    "backlog": "minutehand status; minutehand run-once --drain",
    "silence": "minutehand status; look whether cron or the worker runs",
    "no_success": "minutehand executions ls since:1h",
    "breaker": "minutehand workflows show {subject}",
    "uncertain": "minutehand executions ls code:uncertain_send",
    "trigger": "minutehand doctor; minutehand trigger add {subject}",
    "set_aside": "minutehand doctor",
    "lost": "minutehand doctor",
}
_ADDRESS = re.compile(r"[^\s<>\"',;:]+@[^\s<>\"',;:]+|\+?\d[\d\s().-]{6,}\d")


def message(incidents: list[Json]) -> tuple[str, str]:
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
    lines = [line for incident in incidents[:WRITTEN] for line in _lines(incident)]
    if len(incidents) > WRITTEN:
        lines.append(f"and {len(incidents) - WRITTEN} more: minutehand alerts ls")
    return f"Minutehand: {title}", "\n".join(lines)


def _lines(incident: Json) -> list[str]:
    lines = [f"{incident['what'].upper()}  {incident['summary']}"]
    if incident["what"] == "recovered":
        return [*lines, f"    it lasted {_lasted(incident)}"]
    if incident["sample"]:
        lines.append(f"    for instance: {_ADDRESS.sub('…', ' '.join(incident['sample'].split()))}")
    if incident["what"] == "updated":
        lines.append(f"    since {datetime.fromisoformat(incident['opened_at']):%Y-%m-%d %H:%M} UTC")
    said = {
        "code": f" code:{incident['code']}" if incident["code"] else "",
        "workflow": f" workflow:{incident['subject']}" if incident["subject"] else "",
        "subject": incident["subject"],
    }
    return [*lines, f"    next: {_NEXT.get(incident['kind'], 'minutehand status').format(**said)}"]


def _lasted(incident: Json) -> str:
    minutes = round(
        (
            datetime.fromisoformat(incident["recovered_at"]) - datetime.fromisoformat(incident["opened_at"])
        ).total_seconds()
        / 60
    )
    hours, minutes = divmod(max(minutes, 1), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
