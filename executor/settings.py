"""The executor's settings: read by the command line, frozen here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings:
    """What the actions need to know of the operator's world.  Secrets are kept out of `repr`."""

    smtp_url: str | None = None
    email_from: str | None = None
    webhook_secret: str | None = None
    #: `False` none, `True` any, or the `host:port` pairs that workflows may reach though they are private.
    allow_private_addresses: bool | frozenset[str] = False
    #: How long one HTTP request or SMTP conversation may take.
    action_timeout_seconds: float = 30.0

    def __repr__(self) -> str:
        return f"ExecutorSettings(email_from={self.email_from!r})"
