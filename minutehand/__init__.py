"""Minutehand: what the author of a plug-in imports.

    from minutehand import Action, Message, StepResult

Everything else is private.  In a checkout the four packages beside this file are links to the folders at its top.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minutehand.executor.actions.contract import (
        Action,
        BadStep,
        Message,
        RenderError,
        Step,
        StepRun,
        UnresolvedVariable,
    )
    from minutehand.executor.outcome import OnUncertain, Send, StepResult, Verdict

__all__ = [
    "Action",
    "BadStep",
    "Message",
    "OnUncertain",
    "RenderError",
    "Send",
    "Step",
    "StepResult",
    "StepRun",
    "UnresolvedVariable",
    "Verdict",
]

_OUTCOME = {"OnUncertain", "Send", "StepResult", "Verdict"}


def __getattr__(name: str) -> Any:
    # Imported when asked for: every command imports this module, and a cron run pays for it each minute.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place = "outcome" if name in _OUTCOME else "actions.contract"
    return getattr(import_module(f"minutehand.executor.{place}"), name)
