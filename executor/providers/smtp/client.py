"""E-mail by SMTP (`SMTP_URL`, `EMAIL_FROM`): SMTP has no idempotency key, so an uncertain send is held."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from minutehand.executor.actions.contract import Pace, pace_of
from minutehand.executor.outcome import OnUncertain, StepResult

if TYPE_CHECKING:
    from email.headerregistry import Address

    from minutehand.executor.actions.contract import StepRun
    from minutehand.executor.email.message import EmailMessage
    from minutehand.executor.email.smtp_client import SmtpServer

#: Concurrent connections to the mail server, of the whole process; servers accept about ten.
MAX_CONNECTIONS = 8

_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """See `EmailProvider`."""

    server: SmtpServer
    address: Address
    on_uncertain: OnUncertain = OnUncertain.HOLD
    sends_copies: bool = True

    @property
    def sender(self) -> str:
        """The address in the envelope."""
        return self.address.addr_spec

    @property
    def slots(self) -> asyncio.Semaphore:
        """One slot for each connection."""
        return _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(MAX_CONNECTIONS))

    @property
    def pace(self) -> Pace:
        """All messages of the account share it."""
        return pace_of("smtp", f"the mail server {self.server.host}", repr(self.server), self.server.user or "")

    async def deliver(self, run: StepRun, message: EmailMessage, key: str) -> StepResult:
        """Send the message over a connection of its own."""
        from minutehand.executor.email import smtp_client

        seconds = run.settings.action_timeout_seconds
        return await smtp_client.deliver(self.server, self.address, message, key, timeout_seconds=seconds)
