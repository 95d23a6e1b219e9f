"""The figures of `automation_metrics` as Prometheus reads them (text format, version 0.0.4).

Every name begins with `minutehand_`.  A figure that is none is 0, so that an alert can be written before the first of
its kind; what is told by workflow, by processor or as a percentile is told of those alone that there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from minutehand.store import Json

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ENDS = ("completed", "failed", "skipped", "cancelled")
_STATUSES = ("pending", "processing", *_ENDS)

#: One value of a metric, with the values of its labels.
Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True, eq=False)  # a registry keeps it by what it is
class Figures:
    """A collector over what `Store.metrics` returned."""

    metrics: Json

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client: every metric with its samples."""
        yield from self._queue()
        yield from self._last_hour()
        yield from self._events()
        yield from self._others()

    def _queue(self) -> Iterator[Metric]:
        told = self.metrics
        yield _gauge("pending", "Executions that wait, for their time or for a processor.", told["pending"])
        yield _gauge("due", "Executions that could run now.", told["due"])
        yield _gauge("processing", "Executions that a processor holds.", told["processing"])
        yield _gauge("foreign_processing", "Executions in work without a lease of ours.", told["foreign_processing"])
        yield _gauge("oldest_due_seconds", "How long the oldest due one has waited.", told["oldest_due_seconds"] or 0)
        yield _gauge("uncertain", "Executions that ended on a send of unknown fate.", told["uncertain"])
        yield _gauge("dead_rows", "Dead rows in the table of executions, which vacuum removes.", told["dead_rows"])

    def _last_hour(self) -> Iterator[Metric]:
        told = self.metrics
        yield _gauges(
            "executions_last_hour",
            "Executions that were made within the last hour, by how they stand.",
            ("status",),
            (((status,), told["last_hour"].get(status, 0)) for status in _STATUSES),
        )
        yield _gauges(
            "ended_last_hour",
            "Executions that ended within the last hour, by how.",
            ("status",),
            (((status,), told["ended_last_hour"].get(status, 0)) for status in _ENDS),
        )
        yield _gauges(
            "workflow_ended_last_hour",
            "The same of the fifty workflows that had most, and of the rest.",
            ("workflow_id", "workflow", "status"),
            (
                ((one["id"] or "", one["name"], status), count)
                for one in told["by_workflow"]
                for status, count in sorted(one["ended_last_hour"].items())
            ),
        )
        for name, help_ in (
            ("waited", "From made to begun, of those that ended in the hour, were due at once and ran in one turn."),
            ("took", "From begun to ended, of the same."),
        ):
            percentiles = (told[f"{name}_seconds"] or {}).items()
            yield _gauges(
                f"{name}_last_hour_seconds", help_, ("percentile",), (((nr,), value) for nr, value in percentiles)
            )

    def _events(self) -> Iterator[Metric]:
        events = self.metrics["events"]
        yield _counter("events_recorded", "Changes that were recorded.", events["recorded"])
        yield _gauge("events_unmatched", "Changes whose workflows are still to be found.", events["unmatched"])
        yield _gauge("events_set_aside", "Changes whose matching failed too often.", events["set_aside"])
        yield _gauge("events_no_tenant", "Changes of rows without a tenant, among the newest.", events["no_tenant"])
        yield _counter("events_lost", "Changes that could not be recorded.", events["lost"])

    def _others(self) -> Iterator[Metric]:
        workflows = self.metrics["workflows"]
        on = sum(workflow["on"] for workflow in workflows)
        switches = [(("on",), on), (("off",), len(workflows) - on)]
        broken = sum(workflow["problem"] is not None for workflow in workflows)
        yield _gauges("workflows", "Workflows, by their switch.", ("state",), switches)
        yield _gauge("workflows_broken", "Workflows that can never fire.", broken)
        yield _gauge("pauses", "Pauses: of everything, of a tenant, of a workflow.", len(self.metrics["paused"]))
        yield _gauges(
            "processor_seen_timestamp_seconds",
            "When processors were last here, by their mode and host.",
            ("mode", "host"),
            sorted(_seen(self.metrics["workers"]).items()),
        )


def exposition(metrics: Json) -> str:
    """Return the page that Prometheus reads, or its textfile collector, from what `Store.metrics` returned."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(metrics))
    return generate_latest(registry).decode()


def _seen(workers: list[Json]) -> dict[tuple[str, ...], float]:
    """Return the last heartbeat of each mode and host: a processor's own id is another one each minute under cron."""
    return {
        (worker["mode"], worker["host"] or ""): datetime.fromisoformat(worker["heartbeat_at"]).timestamp()
        for worker in reversed(workers)  # so that the newest stays
    }


def _gauge(name: str, help_: str, value: float) -> Metric:
    return _gauges(name, help_, (), [((), value)])


def _gauges(name: str, help_: str, labels: tuple[str, ...], samples: Iterable[Sample]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(f"minutehand_{name}", help_, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _counter(name: str, help_: str, value: float) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    return CounterMetricFamily(f"minutehand_{name}", help_, value=value)
