"""A whole process with nothing due, as cron starts it every minute, beside the import of psycopg alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

COMMANDS = {
    "run-once": [sys.executable, "-m", "minutehand.scheduler.cli.main", "run-once"],
    "import": [sys.executable, "-c", "import psycopg"],
}


def starts_ms(url: str, runs: int) -> dict[str, list[float]]:
    """Time whole processes in turn; the first of each warms the caches and is not counted."""
    took: dict[str, list[float]] = {name: [] for name in COMMANDS}
    # Without the `.env` of this folder and the operator's variables.
    environment = {"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parent.parent), "DATABASE_URL": url}
    with tempfile.TemporaryDirectory(prefix="mh-bench-") as folder:
        for number in range(runs + 1):
            for name, command in COMMANDS.items():
                started = time.perf_counter()
                done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
                seconds = time.perf_counter() - started
                if done.returncode != 0:
                    raise SystemExit(f"{name} ended with {done.returncode}: {done.stderr[-500:]}")
                if number:
                    took[name].append(seconds * 1000)
    return took


def middle_ms(url: str, runs: int) -> dict[str, float]:
    """Return the median of each command."""
    return {name: median(times) for name, times in starts_ms(url, runs).items()}
