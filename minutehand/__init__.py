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
    from minutehand.executor.base import Executor, ExecutorFactory
    from minutehand.executor.outcome import Ended, OnUncertain, Outcome, Send, StepResult, Verdict

#: Module of `minutehand.executor` -> what it gives.
_MODULES = {
    "actions.contract": ("Action", "BadStep", "Message", "RenderError", "Step", "StepRun", "UnresolvedVariable"),
    "base": ("Executor", "ExecutorFactory"),
    "outcome": ("Ended", "OnUncertain", "Outcome", "Send", "StepResult", "Verdict"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Action",
    "BadStep",
    "Ended",
    "Executor",
    "ExecutorFactory",
    "Message",
    "OnUncertain",
    "Outcome",
    "RenderError",
    "Send",
    "Step",
    "StepResult",
    "StepRun",
    "UnresolvedVariable",
    "Verdict",
]


def __getattr__(name: str) -> Any:
    # Imported when asked for: every command imports this module, and a cron run pays for it each minute.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"minutehand.executor.{_HOME[name]}"), name)
