"""Messages by an edge function of the app, which speaks to a provider of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from minutehand.executor.providers import NotConfigured
from minutehand.executor.providers.checks import check_base_url, sender_if_set
from minutehand.executor.providers.functions.client import Function, FunctionEmail, FunctionSms

if TYPE_CHECKING:
    from minutehand.executor.settings import ExecutorSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


def open_email_function(name: str, settings: ExecutorSettings) -> FunctionEmail:
    """Return the function that sends e-mails.  Errors: `NotConfigured`."""
    function = _function("MINUTEHAND_EMAIL_VIA", name, settings)
    return FunctionEmail(function=function, address=sender_if_set(settings))


def open_sms_function(name: str, settings: ExecutorSettings) -> FunctionSms:
    """Return the function that sends text messages.  Errors: `NotConfigured`."""
    return FunctionSms(function=_function("MINUTEHAND_SMS_VIA", name, settings))


def _function(variable: str, name: str, settings: ExecutorSettings) -> Function:
    if not _NAME.fullmatch(name):
        raise NotConfigured(f"{variable} must be the name of an edge function: letters, digits, - and _")
    if not settings.functions_url:
        raise NotConfigured(
            f"{variable} names the function {name}, but not where it is: set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY"
        )
    base = check_base_url("SUPABASE_URL", settings.functions_url)
    return Function(name=name, url=f"{base}/{name}", headers=settings.functions_headers)
