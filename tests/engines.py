"""An engine for tests: it claims as worker `w`."""

from __future__ import annotations

from typing import Any

from minutehand.scheduler.config import RunSettings
from minutehand.scheduler.engine.claims import claim_due
from minutehand.scheduler.engine.engine import Engine, Execute
from minutehand.store import Store


def engine_over(
    store: Store, execute: Execute, *, budget: int | None = 10, max_seconds: float | None = None, **settings: Any
) -> Engine:
    """Return an engine for one run; `settings` are fields of `RunSettings`."""
    run = RunSettings(**settings)
    return Engine(store, execute, run, claim=claim_due(store, run, "w"), budget=budget, max_seconds=max_seconds)
