"""Providers: what sends an e-mail or a text message.  One folder each; the registry here lists the built-in ones.

A provider sends one message once and says how that ended (R13): refused only where the provider itself said that it did
not accept the message, done where it returned a message id, and unknown for everything else.

To add one, copy a folder, declare its settings there, and add its line to the registry; or name it from a package of
your own under the entry-point group `minutehand.email_providers` or `minutehand.sms_providers` (docs/extending.md).
Its flags, its variables and their `NAME_FILE`s, and the table in docs/settings.md follow from the declaration.

The command line imports the declarations of the built-in providers on every start, so a declaration imports nothing;
the code is imported with the first message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from minutehand.executor.registry import Registry
from minutehand.executor.settings import Setting

if TYPE_CHECKING:
    import asyncio

    from minutehand.executor.actions.contract import StepRun
    from minutehand.executor.email.message import EmailMessage
    from minutehand.executor.outcome import OnUncertain, StepResult
    from minutehand.executor.settings import ExecutorSettings

Provider = TypeVar("Provider", covariant=True)


class NotConfigured(Exception):
    """The operator's settings name no usable provider; the message names the variables and holds no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsMessage:
    """One text message, before it has a sender and a key."""

    #: E.164.
    recipient: str
    text: str


class EmailProvider(Protocol):
    """Sends e-mails.

    One that sends to `cc` and `bcc` of the message has `sends_copies = True`; others get no message with copies.
    """

    @property
    def sender(self) -> str:
        """The address that the recipient sees, as the step's record keeps it."""
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
        """Send the message once, under this idempotency key."""
        ...


class SmsProvider(Protocol):
    """Sends text messages.  None takes an idempotency key, so an uncertain send is held (R13)."""

    @property
    def sender(self) -> str:
        """The number, or whatever else the recipient sees."""
        ...

    async def deliver(self, run: StepRun, message: SmsMessage, key: str) -> StepResult:
        """Send the message once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec(Generic[Provider]):
    """A provider as the registry knows it: its settings, and how to open it."""

    settings: tuple[Setting, ...]
    #: Errors: `NotConfigured` when a setting is missing or cannot be used.
    open: Callable[[ExecutorSettings], Provider]

    def is_selected(self, settings: ExecutorSettings) -> bool:
        """Whether a setting that selects this provider has a value."""
        return any(setting.selects and settings.value(setting) for setting in self.settings)


#: The sender of e-mails, whichever provider sends them.
EMAIL_FROM = Setting(variable="EMAIL_FROM", metavar="ADDRESS", help="Sender of e-mails.")

#: In the order in which they are tried where the settings name none.
EMAIL_PROVIDERS: Registry[ProviderSpec[EmailProvider]] = Registry(
    "e-mail provider",
    group="minutehand.email_providers",
    built_in={
        "resend": "minutehand.executor.providers.resend:PROVIDER",
        "smtp": "minutehand.executor.providers.smtp:PROVIDER",
    },
)
SMS_PROVIDERS: Registry[ProviderSpec[SmsProvider]] = Registry(
    "SMS provider",
    group="minutehand.sms_providers",
    built_in={
        "twilio": "minutehand.executor.providers.twilio:PROVIDER",
        "telnyx": "minutehand.executor.providers.telnyx:PROVIDER",
    },
)


def built_in_settings() -> Iterator[Setting]:
    """Return the settings of all built-in providers, each once."""
    seen = set()
    for registry in (EMAIL_PROVIDERS, SMS_PROVIDERS):
        for name in registry.built_in:
            for setting in registry.load(name).settings:
                if setting.variable not in seen:
                    seen.add(setting.variable)
                    yield setting
