"""Prometheus' own tools, as the tests ask them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests import servers

Samples = dict[tuple[str, ...], float]


def parse(text: str) -> dict[str, Samples]:
    """Return each metric's values by their labels' values; nothing may stand there twice, and all is ours."""
    found: dict[str, Samples] = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert name not in found
        assert name.startswith("minutehand_")
        assert family.type in ("gauge", "counter")
        assert family.documentation.endswith(".")
        samples = found[name] = {}
        for sample in family.samples:
            assert sample.name == name
            key = tuple(sample.labels.values())
            assert key not in samples
            samples[key] = sample.value
    return found


def promtool(*arguments: str | Path, told: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Ask Prometheus' own checker (Debian: prometheus), which gets `told` on its standard input."""
    program = shutil.which("promtool")
    servers.require(program, "no promtool")
    return subprocess.run(
        [str(program), *arguments], input=told, cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


def check_metrics(text: str) -> None:
    """Hold that Prometheus accepts an exposition and finds nothing to criticise."""
    done = promtool("check", "metrics", told=text)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
