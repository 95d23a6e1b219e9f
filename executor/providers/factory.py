"""Which provider sends: the one named by `email_via` or `sms_via`, else the first one that is set up.

A name that is not a provider's is the name of an edge function of the app.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from minutehand.executor.providers import EMAIL_PROVIDERS, SMS_PROVIDERS, NotConfigured, ProviderSpec
from minutehand.executor.registry import BrokenPlugIn, Registry
from minutehand.store.errors import BadConfiguration

if TYPE_CHECKING:
    from minutehand.executor.providers import EmailProvider, SmsProvider
    from minutehand.executor.settings import ExecutorSettings

Provider = TypeVar("Provider")


def email_provider(settings: ExecutorSettings) -> EmailProvider:
    """Return the provider that sends e-mails.  Errors: `NotConfigured`."""
    if settings.email_via and settings.email_via not in EMAIL_PROVIDERS:
        from minutehand.executor.providers.functions import open_email_function

        return open_email_function(settings.email_via, settings)
    return _open(EMAIL_PROVIDERS, settings.email_via, settings)


def sms_provider(settings: ExecutorSettings) -> SmsProvider:
    """Return the provider that sends text messages.  Errors: `NotConfigured`."""
    if settings.sms_via and settings.sms_via not in SMS_PROVIDERS:
        from minutehand.executor.providers.functions import open_sms_function

        return open_sms_function(settings.sms_via, settings)
    return _open(SMS_PROVIDERS, settings.sms_via, settings)


def _open(providers: Registry[ProviderSpec[Provider]], name: str | None, settings: ExecutorSettings) -> Provider:
    """Open the provider of this name; without a name, the first one that is set up, the built-in ones first."""
    try:
        for candidate in [name] if name else providers.ordered_names():
            spec = providers.load(candidate)
            if name or spec.is_selected(settings):
                return spec.open(settings)
    except (BrokenPlugIn, BadConfiguration) as error:
        raise NotConfigured(str(error)) from error
    raise NotConfigured(f"no {providers.kind} is set up: set {needed_variables(providers)}")


def needed_variables(providers: Registry[ProviderSpec[Provider]]) -> str:
    """Name the variables that set one of these providers up: `A and B, or C and D`."""
    specs = [providers.load(candidate) for candidate in providers.ordered_names()]
    return ", or ".join(_variables(spec) for spec in specs if any(setting.selects for setting in spec.settings))


def _variables(spec: ProviderSpec[Provider]) -> str:
    """Name the variables that a provider needs: `A, B and C`."""
    *first, last = [setting.variable for setting in spec.settings if not setting.default]
    return f"{', '.join(first)} and {last}" if first else last
