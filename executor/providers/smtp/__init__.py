"""E-mail by SMTP: its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minutehand.executor.providers import EMAIL_FROM, NotConfigured, ProviderSpec
from minutehand.executor.settings import ExecutorSettings, Setting

if TYPE_CHECKING:
    from minutehand.executor.providers import EmailProvider

URL = Setting(
    variable="SMTP_URL",
    metavar="URL",
    help="Mail server: smtp://user:password@host:port or smtps://….",
    selects=True,
)


def _open(settings: ExecutorSettings) -> EmailProvider:
    from minutehand.executor.email.smtp_client import BadServer, parse_server
    from minutehand.executor.providers.checks import email_sender
    from minutehand.executor.providers.smtp.client import Smtp

    url = settings.value(URL)
    if not url:
        raise NotConfigured("SMTP_URL is not set: give smtp://user:password@host:port")
    try:
        return Smtp(server=parse_server(url), address=email_sender(settings))
    except BadServer as error:
        raise NotConfigured(str(error)) from None


PROVIDER: ProviderSpec[EmailProvider] = ProviderSpec(settings=(URL, EMAIL_FROM), open=_open)
