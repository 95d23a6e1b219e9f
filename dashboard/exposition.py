"""The figures of `automation_metrics` in Prometheus' text format (version 0.0.4).

Every name begins with `minutehand_`.  A figure that is none is 0, so that an alert can be written before the first of
its kind; only who has processed is told of those alone who have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from store import Json

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_STATUSES = ("pending", "processing", "completed", "failed", "skipped", "cancelled")
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its values, each with its labels."""

    name: str
    kind: str
    help: str
    samples: Iterable[tuple[Mapping[str, str], float]]

    def __str__(self) -> str:
        lines = [f"# HELP {self.name} {self.help}", f"# TYPE {self.name} {self.kind}"]
        return "\n".join([*lines, *(f"{self.name}{_labels(labels)} {value}" for labels, value in self.samples)])


def exposition(metrics: Json) -> str:
    """Return the page that Prometheus reads, or its textfile collector, from what `Store.metrics` returned."""
    return "".join(f"{family}\n" for family in [*_queue(metrics), *_events(metrics["events"]), *_others(metrics)])


def _queue(metrics: Json) -> list[Family]:
    hour = metrics["last_hour"]
    return [
        _gauge("pending", "Executions that wait, for their time or for a processor.", metrics["pending"]),
        _gauge("due", "Executions that could run now.", metrics["due"]),
        _gauge("processing", "Executions that a processor holds.", metrics["processing"]),
        _gauge("foreign_processing", "Executions in work without a lease of ours.", metrics["foreign_processing"]),
        _gauge("oldest_due_seconds", "How long the oldest due one has waited.", metrics["oldest_due_seconds"] or 0),
        _gauges(
            "executions_last_hour",
            "Executions that were made within the last hour, by how they stand.",
            [({"status": status}, hour.get(status, 0)) for status in _STATUSES],
        ),
        _gauge("uncertain", "Executions of 30 days that ended on a send of unknown fate.", metrics["uncertain"]),
    ]


def _events(events: Json) -> list[Family]:
    return [
        _gauge("events_unmatched", "Changes whose workflows are still to be found.", events["unmatched"]),
        _gauge("events_set_aside", "Changes whose matching failed too often.", events["set_aside"]),
        _gauge("events_no_tenant", "Changes of rows without a tenant, among the newest.", events["no_tenant"]),
        Family(
            "minutehand_events_lost_total",
            "counter",
            "Changes that could not be recorded.",
            [({}, events["lost"])],
        ),
    ]


def _others(metrics: Json) -> list[Family]:
    workflows = metrics["workflows"]
    on = sum(workflow["on"] for workflow in workflows)
    return [
        _gauges(
            "workflows",
            "Workflows, by their switch.",
            [({"state": "on"}, on), ({"state": "off"}, len(workflows) - on)],
        ),
        _gauge(
            "workflows_broken",
            "Workflows that can never fire.",
            sum(workflow["problem"] is not None for workflow in workflows),
        ),
        _gauge("pauses", "Pauses: of everything, of a tenant, of a workflow.", len(metrics["paused"])),
        _gauges(
            "processor_seen_timestamp_seconds",
            "When processors were last here, by their mode and host.",
            [({"mode": mode, "host": host}, seen) for (mode, host), seen in sorted(_seen(metrics["workers"]).items())],
        ),
    ]


def _seen(workers: list[Json]) -> dict[tuple[str, str], float]:
    """Return the last heartbeat of each mode and host: a processor's own id is another one each minute under cron."""
    seen: dict[tuple[str, str], float] = {}
    for worker in workers:
        key = (worker["mode"], worker["host"] or "")
        seen[key] = max(seen.get(key, 0), datetime.fromisoformat(worker["heartbeat_at"]).timestamp())
    return seen


def _gauge(name: str, help_: str, value: float) -> Family:
    return _gauges(name, help_, [({}, value)])


def _gauges(name: str, help_: str, samples: list[tuple[Mapping[str, str], float]]) -> Family:
    return Family(f"minutehand_{name}", "gauge", help_, samples)


def _labels(labels: Mapping[str, str]) -> str:
    """Return labels as they stand behind a name.

    >>> print(_labels({}), _labels({"host": 'a"b', "mode": "worker"}))
     {host="a\\"b",mode="worker"}
    """
    told = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""
