"""Text messages by Telnyx: its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minutehand.executor.providers import ProviderSpec
from minutehand.executor.settings import ExecutorSettings, Setting

if TYPE_CHECKING:
    from minutehand.executor.providers import SmsProvider

API_KEY = Setting(
    variable="TELNYX_API_KEY", metavar="KEY", help="API key of Telnyx, which sends text messages.", selects=True
)
FROM = Setting(variable="TELNYX_FROM", metavar="NUMBER", help="Number that Telnyx sends from.")
BASE_URL = Setting(
    variable="TELNYX_BASE_URL", metavar="URL", help="Address of Telnyx's API.", default="https://api.telnyx.com"
)


def _open(settings: ExecutorSettings) -> SmsProvider:
    from minutehand.executor.providers.checks import base_url, header_value
    from minutehand.executor.providers.telnyx.client import Telnyx

    return Telnyx(
        base_url=base_url(settings, BASE_URL),
        api_key=header_value(settings, API_KEY),
        sender=header_value(settings, FROM),
    )


PROVIDER: ProviderSpec[SmsProvider] = ProviderSpec(settings=(API_KEY, FROM, BASE_URL), open=_open)
