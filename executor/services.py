"""What the steps of a processor can use, by its settings: its heartbeat reports it, and workflows are judged by that.

It names variables and functions, and holds no secret.  Each tick reports it, so it is cheap: no provider is opened.
"""

from __future__ import annotations

from minutehand.executor.providers import EMAIL_PROVIDERS, SMS_PROVIDERS, ProviderSpec
from minutehand.executor.providers.factory import Provider, needed_variables
from minutehand.executor.registry import BrokenPlugIn, Registry
from minutehand.executor.settings import ExecutorSettings
from minutehand.executor.targets.names import read_targets
from minutehand.store import Json
from minutehand.store.errors import BadConfiguration

#: What an edge function of the app needs.
_NO_ADDRESS = "where the functions are is not set: SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY"


def services_of(settings: ExecutorSettings, executor: str) -> Json:
    """Return `{"executor", "functions": [names], "targets": [labels], "problems": {kind of step: why it fails}}`."""
    problems = {
        "email": _provider_problem(EMAIL_PROVIDERS, settings.email_via, settings),
        "sms": _provider_problem(SMS_PROVIDERS, settings.sms_via, settings),
        "notify": None if settings.notify_urls else "MINUTEHAND_NOTIFY_URLS is not set: set it to Apprise URLs",
        "function": None if settings.functions_url else _NO_ADDRESS,
    }
    return {
        "executor": executor,
        "functions": sorted(settings.functions)[:200],
        "targets": sorted({one.label for one in read_targets(settings.notify_urls)})[:200],
        "problems": {kind: problem for kind, problem in problems.items() if problem},
    }


def _provider_problem(
    providers: Registry[ProviderSpec[Provider]], name: str | None, settings: ExecutorSettings
) -> str | None:
    """Say which variable is missing; None if a provider has all that it needs."""
    try:
        if name and name not in providers:  # an edge function
            return None if settings.functions_url else _NO_ADDRESS
        for candidate in [name] if name else providers.ordered_names():
            spec = providers.load(candidate)
            if name or spec.is_selected(settings):
                missing = [one.variable for one in spec.settings if not settings.value(one)]
                return f"{' and '.join(missing)} is not set" if missing else None
    except (BrokenPlugIn, BadConfiguration) as error:
        return str(error)
    return f"no {providers.kind} is set up: set {needed_variables(providers)}"
