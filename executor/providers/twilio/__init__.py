"""Text messages by Twilio: its settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from minutehand.executor.providers import NotConfigured, ProviderSpec
from minutehand.executor.settings import ExecutorSettings, Setting

if TYPE_CHECKING:
    from minutehand.executor.providers import SmsProvider

ACCOUNT_SID = Setting(
    variable="TWILIO_ACCOUNT_SID", metavar="SID", help="Account at Twilio, which sends text messages.", selects=True
)
AUTH_TOKEN = Setting(variable="TWILIO_AUTH_TOKEN", metavar="TOKEN", help="Secret of the Twilio account.", selects=True)
FROM = Setting(
    variable="TWILIO_FROM",
    metavar="NUMBER|MG…",
    help="Number, sender name, or messaging service (MG and 32 hex digits) that Twilio sends from.",
)
BASE_URL = Setting(
    variable="TWILIO_BASE_URL", metavar="URL", help="Address of Twilio's API.", default="https://api.twilio.com"
)


def _open(settings: ExecutorSettings) -> SmsProvider:
    from minutehand.executor.providers.checks import base_url, header_value
    from minutehand.executor.providers.twilio.client import Twilio

    account_sid = header_value(settings, ACCOUNT_SID)
    if not re.fullmatch("[A-Za-z0-9]+", account_sid):
        raise NotConfigured("TWILIO_ACCOUNT_SID must be the account's id: AC and 32 hex digits")
    return Twilio(
        base_url=base_url(settings, BASE_URL),
        account_sid=account_sid,
        auth_token=header_value(settings, AUTH_TOKEN),
        sender=header_value(settings, FROM),
    )


PROVIDER: ProviderSpec[SmsProvider] = ProviderSpec(settings=(ACCOUNT_SID, AUTH_TOKEN, FROM, BASE_URL), open=_open)
