"""The store: the only Python that speaks to the database."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    # Imported when asked for: every command imports the errors of this package, and few of them open a store.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{'store' if name == 'Store' else 'records'}"), name)
