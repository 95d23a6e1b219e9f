"""The metrics of `automation_metrics` in Prometheus' text format (version 0.0.4).

Every name begins with `minutehand_`.  A metric without a value is 0, so that an alert on it can be written in advance.
Metrics by workflow or processor, and percentiles, have only the label values that exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from minutehand.executor.checks.workflow import BROKEN
from minutehand.store.records import Metrics, WorkerRow

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ENDS = ("completed", "failed", "skipped", "cancelled")
_STATUSES = ("pending", "processing", *_ENDS)

#: One value of a metric, with the values of its labels.
Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True, eq=False)  # a registry identifies it by identity
class MetricsCollector:
    """A collector of what `Store.metrics` returned, with the verdict on each workflow."""

    metrics: Metrics

    def collect(self) -> Iterator[Metric]:
        """Yield every metric with its samples; prometheus_client calls it."""
        yield from self._queue()
        yield from self._last_hour()
        yield from self._events()
        yield from self._others()

    def _queue(self) -> Iterator[Metric]:
        metrics = self.metrics
        yield _gauge("pending", "Pending executions, due or not.", metrics["pending"])
        yield _gauge("due", "Pending executions that are due.", metrics["due"])
        yield _gauge("processing", "Executions that a processor is running.", metrics["processing"])
        yield _gauge(
            "foreign_processing",
            "Executions in processing without a lease of Minutehand.",
            metrics["foreign_processing"],
        )
        yield _gauge(
            "oldest_due_seconds", "How long the oldest due execution has waited.", metrics["oldest_due_seconds"] or 0
        )
        yield _gauge("uncertain", "Executions that failed with an uncertain send.", metrics["uncertain"])
        yield _gauge("dead_rows", "Dead rows in the table of executions, for vacuum to remove.", metrics["dead_rows"])

    def _last_hour(self) -> Iterator[Metric]:
        metrics = self.metrics
        yield _gauges(
            "executions_last_hour",
            "Executions created within the last hour, by status.",
            ("status",),
            (((status,), metrics["last_hour"].get(status, 0)) for status in _STATUSES),
        )
        yield _gauges(
            "ended_last_hour",
            "Executions that ended within the last hour, by status.",
            ("status",),
            (((status,), metrics["ended_last_hour"].get(status, 0)) for status in _ENDS),
        )
        yield _gauges(
            "workflow_ended_last_hour",
            "The same, for the fifty workflows with the most executions and for all others.",
            ("workflow_id", "workflow", "status"),
            (
                ((one["id"] or "", one["name"], status), count)
                for one in metrics["by_workflow"]
                for status, count in sorted(one["ended_last_hour"].items())
            ),
        )
        for name, help_ in (
            (
                "waited",
                "From created to started, of those ended in the last hour, due at once and done in one attempt.",
            ),
            ("took", "From started to ended, of the same executions."),
        ):
            values = metrics["waited_seconds"] if name == "waited" else metrics["took_seconds"]
            percentiles = dict[str, Any](values or {}).items()
            yield _gauges(
                f"{name}_last_hour_seconds", help_, ("percentile",), (((nr,), value) for nr, value in percentiles)
            )

    def _events(self) -> Iterator[Metric]:
        events = self.metrics["events"]
        yield _counter("events_recorded", "Recorded changes.", events["recorded"])
        yield _gauge("events_unmatched", "Changes that are not matched to workflows yet.", events["unmatched"])
        yield _gauge("events_set_aside", "Changes whose matching failed too often.", events["set_aside"])
        yield _gauge(
            "events_no_tenant", "Changes of rows without a tenant, among the newest changes.", events["no_tenant"]
        )
        yield _counter("events_lost", "Changes that could not be recorded.", events["lost"])

    def _others(self) -> Iterator[Metric]:
        workflows = self.metrics["workflows"]
        on = sum(workflow["on"] for workflow in workflows)
        switches = [(("on",), on), (("off",), len(workflows) - on)]
        broken = sum(workflow["state"] in BROKEN for workflow in workflows)
        yield _gauges("workflows", "Workflows, by state.", ("state",), switches)
        yield _gauge("workflows_broken", "Workflows that are on, and will never run or will fail.", broken)
        yield _gauge("pauses", "Pauses of everything, a tenant or a workflow.", len(self.metrics["paused"]))
        yield _gauges(
            "processor_seen_timestamp_seconds",
            "The last heartbeat of processors, by mode and host.",
            ("mode", "host"),
            sorted(_seen(self.metrics["workers"]).items()),
        )


def prometheus_text(metrics: Metrics) -> str:
    """Return metrics, with the verdict on each workflow, as text for Prometheus or for its textfile collector."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(MetricsCollector(metrics))
    return generate_latest(registry).decode()


def _seen(workers: list[WorkerRow]) -> dict[tuple[str, ...], float]:
    """Return the last heartbeat of each mode and host: under cron the id of a processor changes every minute."""
    return {
        (worker["mode"], worker["host"] or ""): datetime.fromisoformat(worker["heartbeat_at"]).timestamp()
        for worker in reversed(workers)  # the newest comes last and wins
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
