"""The executor's settings: read by the command line, frozen here."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Seconds that an edge function may go on in the background, though nobody waits for its reply any more: the platform's
#: wall clock on paid plans (Supabase: guides/functions/limits).
WALL_CLOCK_SECONDS = 400
#: What a lease has beyond the longest run, for two clocks and the renewal.
LEASE_MARGIN_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """The executor elsewhere that executions are handed over to, as a whole."""

    url: str
    #: What lets us in.
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    #: How long to wait for its reply.
    timeout_seconds: float = 160.0

    @property
    def lease_seconds(self) -> int:
        """The shortest lease that outlasts the callee: it may still run when our process is long dead."""
        return int(max(WALL_CLOCK_SECONDS, self.timeout_seconds)) + LEASE_MARGIN_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings:
    """What the actions need to know of the operator's world.  Secrets are kept out of `repr`."""

    #: How e-mail goes: `smtp`, `resend` or the name of an edge function; None: whichever is set up, Resend first.
    email_via: str | None = None
    email_from: str | None = None
    smtp_url: str | None = None
    resend_api_key: str | None = None
    resend_base_url: str = "https://api.resend.com"
    #: How texts go: `twilio`, `telnyx` or the name of an edge function; None: whichever is set up, Twilio first.
    sms_via: str | None = None
    twilio_account_sid: str | None = None
    twilio_auth_token: str | None = None
    #: A number (E.164) or a messaging service (`MG…`).
    twilio_from: str | None = None
    twilio_base_url: str = "https://api.twilio.com"
    telnyx_api_key: str | None = None
    telnyx_from: str | None = None
    telnyx_base_url: str = "https://api.telnyx.com"
    #: The country (ISO 3166, two letters) of phone numbers that name none; None: they are refused.
    phone_region: str | None = None
    #: The app's edge functions: their names that workflows may call, where they are, and what lets us in.
    functions: frozenset[str] = frozenset()
    functions_url: str | None = None
    functions_headers: dict[str, str] = field(default_factory=dict)
    #: Targets of `notify` (Apprise URLs).
    notify_urls: tuple[str, ...] = ()
    webhook_secret: str | None = None
    #: `False` none, `True` any, or the `host:port` pairs that workflows may reach though they are private.
    allow_private_addresses: bool | frozenset[str] = False
    #: How long one HTTP request or SMTP conversation may take.
    action_timeout_seconds: float = 30.0
    #: Where the executors `function` and `http` call.
    remote: Remote | None = None
    #: Spans go to where OpenTelemetry's own variables say (executor/tracing.py).
    traces: bool = False

    def __repr__(self) -> str:
        return f"ExecutorSettings(email_from={self.email_from!r})"
