"""Which provider carries the messages: the one place where the settings are read for it.

A name in `email_via` or `sms_via` decides; without one, whichever is set up: Resend before SMTP, Twilio before Telnyx.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from minutehand.executor.email.message import BadAddress, parse_sender
from minutehand.executor.http.client import BadTarget, parse_url
from minutehand.executor.providers import EmailProvider, NotConfigured, SmsProvider

if TYPE_CHECKING:
    from email.headerregistry import Address

    from minutehand.executor.providers.functions import Function
    from minutehand.executor.settings import ExecutorSettings

_FUNCTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


def email_provider(settings: ExecutorSettings) -> EmailProvider:
    """Return who carries e-mail.  Errors: `NotConfigured`."""
    match settings.email_via or ("resend" if settings.resend_api_key else "smtp" if settings.smtp_url else ""):
        case "":
            raise NotConfigured("nothing is set up to send e-mail: set RESEND_API_KEY or SMTP_URL, and EMAIL_FROM")
        case "resend":
            from minutehand.executor.providers.resend import Resend

            return Resend(
                base_url=_base("RESEND_BASE_URL", settings.resend_base_url),
                api_key=_secret("RESEND_API_KEY", settings.resend_api_key),
                address=_sender(settings),
            )
        case "smtp":
            return _smtp(settings)
        case name:
            from minutehand.executor.providers.functions import FunctionEmail

            address = _sender(settings) if settings.email_from else None
            return FunctionEmail(function=_function("MINUTEHAND_EMAIL_VIA", name, settings), address=address)


def sms_provider(settings: ExecutorSettings) -> SmsProvider:
    """Return who carries texts.  Errors: `NotConfigured`."""
    twilio = settings.twilio_account_sid or settings.twilio_auth_token
    match settings.sms_via or ("twilio" if twilio else "telnyx" if settings.telnyx_api_key else ""):
        case "":
            raise NotConfigured(
                "nothing is set up to send texts: set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM, "
                "or TELNYX_API_KEY and TELNYX_FROM"
            )
        case "twilio":
            from minutehand.executor.providers.twilio import Twilio

            sid = _secret("TWILIO_ACCOUNT_SID", settings.twilio_account_sid)
            if not re.fullmatch("[A-Za-z0-9]+", sid):
                raise NotConfigured("TWILIO_ACCOUNT_SID must be the account's id: AC and 32 hex digits")
            return Twilio(
                base_url=_base("TWILIO_BASE_URL", settings.twilio_base_url),
                account_sid=sid,
                auth_token=_secret("TWILIO_AUTH_TOKEN", settings.twilio_auth_token),
                sender=_secret("TWILIO_FROM", settings.twilio_from),
            )
        case "telnyx":
            from minutehand.executor.providers.telnyx import Telnyx

            return Telnyx(
                base_url=_base("TELNYX_BASE_URL", settings.telnyx_base_url),
                api_key=_secret("TELNYX_API_KEY", settings.telnyx_api_key),
                sender=_secret("TELNYX_FROM", settings.telnyx_from),
            )
        case name:
            from minutehand.executor.providers.functions import FunctionSms

            return FunctionSms(function=_function("MINUTEHAND_SMS_VIA", name, settings))


def _smtp(settings: ExecutorSettings) -> EmailProvider:
    from minutehand.executor.email.smtp_client import BadServer, parse_server
    from minutehand.executor.providers.smtp import Smtp

    if not settings.smtp_url:
        raise NotConfigured("SMTP_URL is not set: give smtp://user:password@host:port")
    try:
        return Smtp(server=parse_server(settings.smtp_url), address=_sender(settings))
    except BadServer as error:
        raise NotConfigured(str(error)) from None


def _sender(settings: ExecutorSettings) -> Address:
    if not settings.email_from:
        raise NotConfigured("EMAIL_FROM is not set: give the sender's address")
    try:
        return parse_sender(settings.email_from)
    except BadAddress as error:
        raise NotConfigured(f"EMAIL_FROM {error}") from None


def _secret(name: str, value: str | None) -> str:
    """A setting that goes into a header: one word of ASCII, but for the spaces of a sender's name."""
    value = (value or "").strip()
    if not value:
        raise NotConfigured(f"{name} is not set")
    if not value.isascii() or not value.isprintable():
        raise NotConfigured(f"{name} has characters that cannot stand there: was it pasted whole?")
    return value


def _base(name: str, url: str) -> str:
    try:
        parse_url(url)
    except BadTarget as error:
        raise NotConfigured(f"{name}: {error}") from None
    if "?" in url or "#" in url:
        raise NotConfigured(f"{name} must be an address without ? and #")
    return url.strip().rstrip("/")


def _function(setting: str, name: str, settings: ExecutorSettings) -> Function:
    from minutehand.executor.providers.functions import Function

    if not _FUNCTION.fullmatch(name):
        raise NotConfigured(f"{setting} must be the name of an edge function: letters, digits, - and _")
    if not settings.functions_url:
        raise NotConfigured(
            f"{setting} names the function {name}, but not where it is: set SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY"
        )
    headers: Mapping[str, str] = settings.functions_headers
    base = _base("SUPABASE_URL", settings.functions_url)
    return Function(name=name, url=f"{base}/{name}", headers=headers)
