"""The store: the only Python that speaks to the database."""

from minutehand.store.records import (
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
