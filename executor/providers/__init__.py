"""Who carries a message out of the house: one module a provider, and `choice` to pick one from the settings.

A provider makes one try and says how it ended (R13): `refused` and `busy` only where the provider itself said that it
did not take the message, a message id where it did, and unknown for all else.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from minutehand.executor.outcome import OnUncertain, StepResult

if TYPE_CHECKING:
    from minutehand.executor.actions.contract import StepRun
    from minutehand.executor.email.message import EmailMessage


class NotConfigured(Exception):
    """The operator's settings name no usable provider; the message names the variables and holds no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsMessage:
    """One SMS, before it has a sender and a key."""

    #: E.164.
    recipient: str
    text: str


class EmailProvider(Protocol):
    """Sends e-mails."""

    @property
    def sender(self) -> str:
        """Who the receiver sees it come from, as the record keeps it."""
        ...

    @property
    def on_uncertain(self) -> OnUncertain:
        """What to do with a send whose result is unknown, unless the step or the workflow says otherwise."""
        ...

    @property
    def slots(self) -> asyncio.Semaphore | None:
        """Limits how many messages are sent at the same time; None: no limit."""
        ...

    async def deliver(self, run: StepRun, message: EmailMessage, key: str) -> StepResult:
        """Make one try."""
        ...


class SmsProvider(Protocol):
    """Sends text messages.  None takes an idempotency key, so an uncertain send is held (R13)."""

    @property
    def sender(self) -> str:
        """The number, or whatever else the receiver sees."""
        ...

    async def deliver(self, run: StepRun, message: SmsMessage, key: str) -> StepResult:
        """Make one try."""
        ...
