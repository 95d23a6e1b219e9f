"""E-mail by Resend: its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minutehand.executor.providers import EMAIL_FROM, ProviderSpec
from minutehand.executor.settings import ExecutorSettings, Setting

if TYPE_CHECKING:
    from minutehand.executor.providers import EmailProvider

API_KEY = Setting(variable="RESEND_API_KEY", metavar="KEY", help="API key of Resend, which sends e-mail.", selects=True)
BASE_URL = Setting(
    variable="RESEND_BASE_URL", metavar="URL", help="Address of Resend's API.", default="https://api.resend.com"
)


def _open(settings: ExecutorSettings) -> EmailProvider:
    from minutehand.executor.providers.checks import base_url, email_sender, header_value
    from minutehand.executor.providers.resend.client import Resend

    return Resend(
        base_url=base_url(settings, BASE_URL),
        api_key=header_value(settings, API_KEY),
        address=email_sender(settings),
    )


PROVIDER: ProviderSpec[EmailProvider] = ProviderSpec(settings=(API_KEY, BASE_URL, EMAIL_FROM), open=_open)
