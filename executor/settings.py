"""The executor's settings: read by the command line, frozen here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minutehand.store.errors import BadConfiguration

#: Seconds that an edge function may run on after its caller has given up: the platform's wall-clock limit on paid plans
#: (Supabase: guides/functions/limits).
WALL_CLOCK_SECONDS = 400
#: How much a lease exceeds the longest run, for two clocks and the renewal.
LEASE_MARGIN_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """What the executors `function` and `http` call."""

    url: str
    #: Headers that authenticate the call.
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    #: How long to wait for the response.
    timeout_seconds: float = 160.0

    @property
    def lease_seconds(self) -> int:
        """The shortest lease that outlasts the callee, which may still run when our process has died."""
        return int(max(WALL_CLOCK_SECONDS, self.timeout_seconds)) + LEASE_MARGIN_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of a provider: an environment variable, and the flag of the same name (`API_KEY`: `--api-key`)."""

    variable: str
    #: One sentence, for `--help` and docs/settings.md.
    help: str
    #: What stands for the value in the help: `URL`.
    metavar: str = "TEXT"
    default: str = ""
    #: A value selects the provider, where `email_via` or `sms_via` names none.
    selects: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings:
    """The operator's settings for executors, actions and providers.  `repr` shows no secret."""

    #: The e-mail provider: a name of `providers.EMAIL_PROVIDERS` or an edge function; None: the first that is set up.
    email_via: str | None = None
    #: The SMS provider: a name of `providers.SMS_PROVIDERS` or an edge function; None: the first that is set up.
    sms_via: str | None = None
    #: What the providers' settings are set to, by variable.
    provider_values: Mapping[str, str] = field(default_factory=dict)
    #: In a test copy: who gets its messages, `{"email_to", "sms_to"}`; None: those to whom they are addressed.
    test: Mapping[str, Any] | None = None
    #: The country (ISO 3166, two letters) of phone numbers without a country code; None: such numbers are refused.
    phone_region: str | None = None
    #: The app's edge functions: those that workflows may call, their address, and headers that authenticate the call.
    functions: frozenset[str] = frozenset()
    functions_url: str | None = None
    functions_headers: dict[str, str] = field(default_factory=dict)
    #: Targets of `notify`: Apprise URLs, with or without a name (executor/targets/names.py).
    notify_urls: tuple[str, ...] = field(default=(), repr=False)
    #: Signs webhooks: `whsec_…`, or `new,old` (executor/webhook_secrets.py).
    webhook_secret: str | None = None
    #: Private addresses that workflows may reach: `False` none, `True` all, or `host:port` pairs.
    allow_private_addresses: bool | frozenset[str] = False
    #: How long one HTTP request or SMTP conversation may take.
    action_timeout_seconds: float = 30.0
    #: Where the executors `function` and `http` call.
    remote: Remote | None = None
    #: Whether to export spans (executor/tracing.py).
    traces: bool = False

    def value(self, setting: Setting) -> str:
        """Return what a provider's setting is set to, else its default, else an empty text.

        Errors: `BadConfiguration` when it is given as a file that cannot be read.
        """
        return read_variable(self.provider_values, setting.variable) or setting.default

    def __repr__(self) -> str:
        return f"ExecutorSettings(email_via={self.email_via!r}, sms_via={self.sms_via!r})"


def read_variable(environ: Mapping[str, str], name: str) -> str:
    """Return the variable `name`, else what the file that `NAME_FILE` names holds, else an empty text.

    Errors: `BadConfiguration` when the file cannot be read.
    """
    if name in environ:
        return environ[name]
    path = environ.get(f"{name}_FILE")
    if path is None:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"{name}_FILE: {path} cannot be read: {error}") from error
