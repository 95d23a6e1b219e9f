"""Checks of a provider's settings; each error names the variable and holds no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minutehand.executor.email.message import BadAddress, parse_sender
from minutehand.executor.http.client import BadTarget, parse_url
from minutehand.executor.providers import EMAIL_FROM, NotConfigured

if TYPE_CHECKING:
    from email.headerregistry import Address

    from minutehand.executor.settings import ExecutorSettings, Setting


def header_value(settings: ExecutorSettings, setting: Setting) -> str:
    """Return a setting that goes into a header: printable ASCII.  Errors: `NotConfigured`."""
    value = settings.value(setting).strip()
    if not value:
        raise NotConfigured(f"{setting.variable} is not set")
    if not value.isascii() or not value.isprintable():
        raise NotConfigured(f"{setting.variable} has characters that cannot stand there: was it pasted whole?")
    return value


def base_url(settings: ExecutorSettings, setting: Setting) -> str:
    """Return the address of an API, without a slash at its end.  Errors: `NotConfigured`."""
    return check_base_url(setting.variable, settings.value(setting))


def check_base_url(variable: str, url: str) -> str:
    """Return an address to which paths can be added.  Errors: `NotConfigured`, which names the variable."""
    try:
        parse_url(url)
    except BadTarget as error:
        raise NotConfigured(f"{variable}: {error}") from None
    if "?" in url or "#" in url:
        raise NotConfigured(f"{variable} must be an address without ? and #")
    return url.strip().rstrip("/")


def email_sender(settings: ExecutorSettings) -> Address:
    """Return the sender of e-mails.  Errors: `NotConfigured`."""
    if (sender := sender_if_set(settings)) is None:
        raise NotConfigured("EMAIL_FROM is not set: give the sender's address")
    return sender


def sender_if_set(settings: ExecutorSettings) -> Address | None:
    """Return the sender of e-mails; None: it is not set.  Errors: `NotConfigured` when it is set to no address."""
    if not (text := settings.value(EMAIL_FROM)):
        return None
    try:
        return parse_sender(text)
    except BadAddress as error:
        raise NotConfigured(f"EMAIL_FROM {error}") from None
