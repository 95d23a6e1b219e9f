"""The figures of one run as one table, and as JSON."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.peers.peers import MINUTEHAND, Peer

#: By peer and row, the figure of each run.
Results = dict[str, dict[str, list[float]]]
NAME_WIDTH, WIDTH = 34, 19


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    key: str
    name: str


ROWS = (
    Row("noop1.rate", "No-op executions/s, 1 process"),
    Row("noop2.rate", "No-op executions/s, 2 processes"),
    Row("noop1.worker_cpu", "Worker CPU, µs an execution"),
    Row("noop1.server_cpu", "Postgres CPU, µs an execution"),
    Row("noop1.wal", "WAL, bytes an execution"),
    Row("noop1.rss", "Peak RSS, MB"),
    Row("noop1.kept", "Finished rows kept, %"),
    Row("post.rate", "One POST each, 50 at once, /s"),
    Row("post.worker_cpu", "Worker CPU, µs a POST"),
    Row("start.p50", "Commit to start, p50, ms"),
    Row("start.p95", "Commit to start, p95, ms"),
    Row("start.p99", "Commit to start, p99, ms"),
    Row("cold.cold", "Cold run of 10 and exit, ms"),
    Row("idle.idle", "Idle transactions a minute"),
    Row("growth.rate", "No-op executions/s, filled tables"),
    Row("growth.ratio", "The same over empty tables"),
)


def as_text(facts: dict[str, Any], peers: list[Peer], results: Results, left_out: dict[str, str]) -> str:
    """Return the table: ratio first, then the median, then the smallest and the largest."""
    lines = [
        f"{facts['cores']} cores ({facts['system']}, load {facts['load']} at the start), Python {facts['python']}, "
        f"PostgreSQL {facts['postgresql']} (fsync {facts['fsync']}, synchronous_commit {facts['synchronous_commit']})",
        "Of each row: Minutehand divided by the peer; the median; the smallest and the largest. Compare within a row.",
        "",
        f"{'':<{NAME_WIDTH}}" + "".join(f"{peer.name:>{WIDTH}}" for peer in peers),
    ]
    for row in ROWS:
        values = [results.get(peer.name, {}).get(row.key, []) for peer in peers]
        if any(values):
            ours = results.get(MINUTEHAND.name, {}).get(row.key, [])
            lines.append(f"{row.name:<{NAME_WIDTH}}" + "".join(f"{_ratio(ours, theirs):>{WIDTH}}" for theirs in values))
            lines += [
                " " * NAME_WIDTH + "".join(f"{cell(theirs):>{WIDTH}}" for theirs in values)
                for cell in (_middle, _range)
            ]
    lines.append("")
    for peer in peers:
        lines += _wrapped(f"{peer.name} keeps {peer.keeps}. Settings: {peer.settings}.")
    for name, reason in left_out.items():
        lines += _wrapped(f"{name} is left out: {reason}")
    return "\n".join(lines)


def as_json(facts: dict[str, Any], results: Results, left_out: dict[str, str]) -> dict[str, Any]:
    """Return every figure of every run."""
    return {"machine": facts, "runs": results, "left_out": left_out}


def _ratio(ours: list[float], theirs: list[float]) -> str:
    if not ours or not theirs or not median(theirs):
        return ""
    return f"{median(ours) / median(theirs):.2f}"


def _middle(values: list[float]) -> str:
    return _number(median(values)) if values else "-"


def _range(values: list[float]) -> str:
    return f"{_number(min(values))}-{_number(max(values))}" if values else ""


def _number(value: float) -> str:
    if value < 10:
        return f"{value:.2f}"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 120, subsequent_indent="  ")
