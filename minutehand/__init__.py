"""Minutehand: what the author of a plug-in imports (docs/extending.md).

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
    from minutehand.executor.base import Executor, ExecutorFactory, open_executor
    from minutehand.executor.email.message import EmailMessage
    from minutehand.executor.http.client import HttpClient, HttpError
    from minutehand.executor.http.response import HttpResponse
    from minutehand.executor.outcome import Ended, OnUncertain, Outcome, Send, StepResult, Verdict
    from minutehand.executor.providers import EmailProvider, NotConfigured, ProviderSpec, SmsMessage, SmsProvider
    from minutehand.executor.providers.checks import base_url, email_sender, header_value
    from minutehand.executor.settings import ExecutorSettings, Setting
    from minutehand.executor.targets import NotAccepted, Target, UnknownTarget

__version__ = "0.1.0"

#: Module of `minutehand.executor` -> the names it gives.
_MODULES = {
    "actions.contract": (
        "Action",
        "BadStep",
        "Message",
        "RenderError",
        "Step",
        "StepRun",
        "UnresolvedVariable",
    ),
    "base": (
        "Executor",
        "ExecutorFactory",
        "open_executor",
    ),
    "email.message": ("EmailMessage",),
    "http.client": (
        "HttpClient",
        "HttpError",
    ),
    "http.response": ("HttpResponse",),
    "outcome": (
        "Ended",
        "OnUncertain",
        "Outcome",
        "Send",
        "StepResult",
        "Verdict",
    ),
    "providers": (
        "EmailProvider",
        "NotConfigured",
        "ProviderSpec",
        "SmsMessage",
        "SmsProvider",
    ),
    "providers.checks": (
        "base_url",
        "email_sender",
        "header_value",
    ),
    "settings": (
        "ExecutorSettings",
        "Setting",
    ),
    "targets": (
        "NotAccepted",
        "Target",
        "UnknownTarget",
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Action",
    "BadStep",
    "EmailMessage",
    "EmailProvider",
    "Ended",
    "Executor",
    "ExecutorFactory",
    "ExecutorSettings",
    "HttpClient",
    "HttpError",
    "HttpResponse",
    "Message",
    "NotAccepted",
    "NotConfigured",
    "OnUncertain",
    "Outcome",
    "ProviderSpec",
    "RenderError",
    "Send",
    "Setting",
    "SmsMessage",
    "SmsProvider",
    "Step",
    "StepResult",
    "StepRun",
    "Target",
    "UnknownTarget",
    "UnresolvedVariable",
    "Verdict",
    "base_url",
    "email_sender",
    "header_value",
    "open_executor",
]


def __getattr__(name: str) -> Any:
    # Imported when asked for: every command imports this module, and a cron run pays for it each minute.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"minutehand.executor.{_HOME[name]}"), name)
