"""The store: the only Python that speaks to the database."""

from minutehand.store.records import (
    Actor,
    Claim,
    Context,
    Execution,
    Json,
    Lease,
    LeaseLost,
    Reservation,
    Settled,
    Tick,
    Workflow,
)
from minutehand.store.store import Store

__all__ = [
    "Actor",
    "Claim",
    "Context",
    "Execution",
    "Json",
    "Lease",
    "LeaseLost",
    "Reservation",
    "Settled",
    "Store",
    "Tick",
    "Workflow",
]
