"""Executions as a claim brings them, for tests without a database."""

from __future__ import annotations

import time
from typing import Any

from minutehand.store import Execution, Lease, Workflow


def execution(id_: str = "e1", *, lease_seconds: float = 60, **more: Any) -> Execution:
    """A claimed execution of a workflow without steps."""
    workflow = Workflow(id="w1", version=1, name="Thank the client", definition=more.pop("definition", {"steps": []}))
    lease = Lease(token="t", expires_monotonic=time.monotonic() + lease_seconds)
    given: dict[str, Any] = {
        "entity_id": "J-1",
        "attempt": 1,
        "max_attempts": 5,
        "trigger_data": {},
        "recorded": {},
        "resends": {},
        "alone": False,
    }
    return Execution(id=id_, workflow=workflow, lease=lease, **(given | more))
